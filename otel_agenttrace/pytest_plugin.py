"""The door to pytest: options, marks and fixtures. What they do stands in `pytest_kit`, loaded by the first test that uses it.

A session of pytest that uses nothing of ours pays for the names in this module, and no more.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

if TYPE_CHECKING:
    from otel_agenttrace.pytest_kit.kit import Kit
    from otel_agenttrace.sessions import Session
    from otel_agenttrace.snapshots import TraceSnapshot

_MODES: Final = ("none", "once", "new", "all")
_FAIL_ON: Final = ("drift", "unplayed")
_MODE_OPTION: Final = "--record-mode"
_MODE_HELP: Final = (
    "none: replay only, the default; once: record where there is no cassette; new: answer what is recorded and record "
    "the rest; all: record everything anew."
)
_INI: Final = (
    ("agenttrace_record_mode", "string", "none, once, new or all; a mark or an option comes first."),
    ("agenttrace_fail_on", "args", "What fails a test besides a miss: drift, unplayed."),
    ("agenttrace_expire", "string", "How old a cassette may be: 30d, 12h, 2w."),
    ("agenttrace_report", "args", "Files to write a report to: .md or .json."),
    ("agenttrace_cassette_dir", "string", "The folder of cassettes beside each test file; default: cassettes."),
    ("agenttrace_snapshot_dir", "string", "The folder of snapshots beside each test file; default: __snapshots__."),
    ("agenttrace_update_snapshots", "bool", "Whether snapshots are written anew."),
    ("agenttrace_trials", "string", "How often each test that uses a cassette is run live, to learn how it varies."),
)
_CASSETTE_MARK: Final = "cassette(path, mode=…, match=…, freeze=…): record to and answer from this cassette; a path is relative to the test file."
_BUDGET_MARK: Final = (
    "budget(max_usd, max_tokens, max_llm_calls, max_tool_calls, max_duration_s, max_consecutive_same_tool): fail the test "
    "if its agent takes more. Any rule of otel_agenttrace.testing.check goes, too."
)
_TOLD_AT_START: Final = ("agenttrace_expire", "agenttrace_report", "agenttrace_trials")
"""Options whose words are looked at before a test is."""
FIXTURES: Final = ("cassette", "class_cassette", "module_cassette", "agent_trace")
"""Those that open a session."""


# --- options --------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that are ours alone; the short ones come when it is known that nobody else has them."""
    group = parser.getgroup("otel-agenttrace")
    group.addoption("--agenttrace-record-mode", choices=_MODES, default=None, help=_MODE_HELP)
    group.addoption(
        "--agenttrace-fail-on",
        action="append",
        choices=_FAIL_ON,
        default=None,
        help="Fail a test for this, too: an inexact recording (drift), a recording nobody asked for (unplayed).",
    )
    group.addoption(
        "--agenttrace-expire", metavar="AGE", default=None, help="Fail on cassettes older than this: 30d, 12h, 2w."
    )
    group.addoption(
        "--agenttrace-report",
        action="append",
        metavar="PATH",
        default=None,
        help="Write a report: .md or .json. Properties stand in --junitxml by themselves.",
    )
    group.addoption("--agenttrace-update-snapshots", action="store_true", help="Write the snapshots anew.")
    group.addoption("--agenttrace-snapshot-dir", metavar="DIR", default=None, help="The folder of snapshots.")
    group.addoption(
        "--agenttrace-trials",
        metavar="N",
        type=int,
        default=None,
        help="Run each test that uses a cassette N times live, and keep how it varies; later runs are held against it.",
    )
    for name, kind, told in _INI:
        parser.addini(name, told, type=kind)  # pyright: ignore[reportArgumentType] - the types pytest 8 and 9 both know


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str], parser: pytest.Parser
) -> Generator[None, Any, Any]:
    """Add the short options that neither a plugin nor a conftest has by now.

    Until then the word behind `--record-mode` looks like a path, hence it is taken out of the paths.
    """
    paths: Any = getattr(early_config.known_args_namespace, "file_or_dir", [])
    is_free = _is_free(parser, _MODE_OPTION)
    for option, word in itertools.pairwise(args):
        if option == _MODE_OPTION and is_free and word in paths:
            paths.remove(word)
    result: Any = yield
    group = parser.getgroup("otel-agenttrace")
    if _is_free(parser, "--record"):
        told = "Record what is missing, and answer the rest from cassettes: --agenttrace-record-mode new."
        group.addoption("--record", action="store_const", const="new", dest="agenttrace_record_mode", help=told)
    if _is_free(parser, _MODE_OPTION):
        told = "--agenttrace-record-mode, while no other plugin has this name."
        group.addoption(_MODE_OPTION, choices=_MODES, dest="agenttrace_record_mode", default=None, help=told)
    return result


def _is_free(parser: pytest.Parser, option: str) -> bool:
    """Whether nobody has added an option: then the parser does not know it."""
    asked = f"{option}=none"
    try:
        return asked in parser.parse_known_and_unknown_args([asked])[1]
    except (pytest.UsageError, argparse.ArgumentError, SystemExit):  # somebody's, with other words
        return False


# --- marks, and which tests are ours ----------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Explain the marks; where others run the tests, listen to what they tell."""
    config.addinivalue_line("markers", _CASSETTE_MARK)
    config.addinivalue_line("markers", _BUDGET_MARK)
    is_controller = getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput")
    if is_controller or any(config.getoption(option) for option in _TOLD_AT_START):
        _kit(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give marked tests their fixture, before others take tests away."""
    ours = [item for item in items if _is_ours(item)]
    if ours:
        _kit(config).collected(items, ours)


def _is_ours(item: pytest.Item) -> bool:
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None:
        return False
    marked = "cassette" if item.get_closest_marker("cassette") else ""
    marked = marked or ("agent_trace" if item.get_closest_marker("budget") else "")
    has_session = any(name in names for name in FIXTURES)
    if marked and not has_session:
        item.fixturenames = [marked, *names]  # pyright: ignore[reportAttributeAccessIssue] - a list of its own: another parameter may lack the mark
    return bool(marked) or has_session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test several times where trials are asked for."""
    if metafunc.config.getoption("agenttrace_trials") or metafunc.config.getini("agenttrace_trials"):
        _kit(metafunc.config).several(metafunc)


def _kit(config: pytest.Config) -> Kit:
    """Return what does the work, loaded and registered now if it was not yet."""
    kit = config.pluginmanager.get_plugin(_KIT)
    if kit is None:
        from otel_agenttrace.pytest_kit.kit import Kit

        kit = Kit(config)
        config.pluginmanager.register(kit, _KIT)
    return kit


_KIT: Final = "otel_agenttrace_kit"


# --- fixtures -------------------------------------------------------------------------------------------------------

_Sessions: TypeAlias = "Iterator[Session]"


@pytest.fixture
def cassette_options() -> dict[str, object]:
    """Say what the marks would say, for all tests of a module, class or project: override it.

    Keys are those of the mark: `mode`, `match`, `freeze`, `redact`, `allow`, `faults`, `seed`, `timing`.
    """
    return {}


@pytest.fixture
def cassette(request: pytest.FixtureRequest, cassette_options: dict[str, object]) -> _Sessions:
    """The session of this test: its calls are answered from, or recorded to, a cassette of its own.

    The mode is that of the option, else of the mark, else of `cassette_options`, else of the ini file, else `none`.
    """
    yield from _kit(request.config).session(request, cassette_options)


@pytest.fixture(scope="class")
def class_cassette(request: pytest.FixtureRequest) -> _Sessions:
    """One session for all tests of a class."""
    yield from _kit(request.config).session(request, {})


@pytest.fixture(scope="module")
def module_cassette(request: pytest.FixtureRequest) -> _Sessions:
    """One session for all tests of a module."""
    yield from _kit(request.config).session(request, {})


@pytest.fixture
def agent_trace(request: pytest.FixtureRequest) -> _Sessions:
    """A session that records in memory only: for agents that stay on this machine, unless recording is asked for."""
    yield from _kit(request.config).session_in_memory(request)


@pytest.fixture
def trace_snapshot(request: pytest.FixtureRequest) -> TraceSnapshot:
    """What compares a trace with the snapshot beside the test: `trace_snapshot.assert_match(cassette)`."""
    return _kit(request.config).snapshots_of(request)


@pytest.fixture
def agenttrace_trial(request: pytest.FixtureRequest) -> int:
    """Which trial this is, from 1; 0 where there are none."""
    return getattr(request, "param", 0)
