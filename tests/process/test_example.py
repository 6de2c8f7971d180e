"""The example is recorded and replayed as its page says, and eight changes each fail with what is to be done.

What pytest prints after a change stands in tests/golden/example. To write it anew, and then to read what `git diff` shows:

    UPDATE_GOLDEN=1 python -m pytest tests/process/test_example.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from otel_agenttrace import load
from tests.support.unreachable import alone

_ROOT: Final = Path(__file__).parents[2]
_EXAMPLE: Final = _ROOT / "examples" / "trip_advisor"
_GOLDEN: Final = _ROOT / "tests" / "golden" / "example"
_DROPPED: Final = ("OTEL_", "_OTEL_", "OPENAI_", "ANTHROPIC_", "CI", "PYTEST", "NO_COLOR", "FORCE_COLOR")
_PYTEST: Final = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
_OF_A_MACHINE: Final = re.compile(r"(platform|rootdir|configfile|plugins|cachedir|testpaths)\b.*:? |[ ^~]+$")
"""Lines of the head, and those that point at a part of the line above, which not every Python does."""
_RULE: Final = re.compile(r"^([=_-])\1{3,}|([=_-])\2{3,}$")
_TIME: Final = re.compile(r"in \d+\.\d\ds")
_ALONE: Final = ("-p", "otel_agenttrace.pytest_plugin")
"""The plugin, where others are left out."""
_EXPIRE: Final = ("--agenttrace-expire", "30d")
_FIRST: Final = "test_plans_a_day"


def _run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project, with no network but loopback and no key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return subprocess.run(
        [*alone(), *command],
        cwd=folder,
        env={**kept, "COLUMNS": "100", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _copied(source: Path, folder: Path, *left_out: str) -> Path:
    return shutil.copytree(source, folder / "trip_advisor", ignore=shutil.ignore_patterns("__pycache__", *left_out))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example with cassettes that were recorded now, by its fake provider."""
    project = _copied(_EXAMPLE, tmp_path_factory.mktemp("recorded"), "cassettes")
    result = _run(project, sys.executable, "fake_provider.py", *_PYTEST, "--record")
    assert result.returncode == 0, result.stdout
    assert "2 tests, 5 calls: 0 hit, 0 drift, 0 miss, 5 live" in result.stdout
    return project


def _cassettes(project: Path) -> list[Path]:
    return sorted(project.rglob("*.otlp.jsonl"))


def test_what_the_fake_provider_recorded_is_replayed_without_network_and_key(recorded: Path, tmp_path: Path) -> None:
    result = _run(_copied(recorded, tmp_path), *_PYTEST)
    assert result.returncode == 0, result.stdout
    assert "2 tests, 5 calls: 5 hit, 0 drift, 0 miss" in result.stdout


def test_the_cassettes_of_the_repository_are_those_of_the_example(recorded: Path, tmp_path: Path) -> None:
    project = _copied(_EXAMPLE, tmp_path)
    result = _run(project, *_PYTEST)
    assert result.returncode == 0, result.stdout
    assert "2 tests, 5 calls: 5 hit, 0 drift, 0 miss" in result.stdout
    assert [path.relative_to(project) for path in _cassettes(project)] == [
        path.relative_to(recorded) for path in _cassettes(recorded)
    ]
    assert list(map(_answers, _cassettes(project))) == list(map(_answers, _cassettes(recorded)))


def _answers(cassette: Path) -> list[str]:
    """Return what models answered, in order."""
    return [repr(span.call and [attempt.body for attempt in span.call.attempts]) for span in load(cassette).inferences]


def test_no_secret_and_no_path_stands_in_the_cassettes_of_the_repository() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", "doctor", "--scan", str(_EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    for path in _cassettes(_EXAMPLE):
        assert not re.search(r"/(home|Users|root|tmp|work)/|site-packages|none-is-needed", path.read_text("utf-8"))


# --- eight changes ------------------------------------------------------------------------------------------------------


def _edit(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        text = (project / name).read_text(encoding="utf-8")
        assert text.count(before) == 1
        (project / name).write_text(text.replace(before, after), encoding="utf-8")

    return change


def _delete_cassette(project: Path) -> None:
    (project / f"tests/cassettes/test_agent/{_FIRST}.otlp.jsonl").unlink()


def _age_cassette(project: Path) -> None:
    path = project / f"tests/cassettes/test_agent/{_FIRST}.otlp.jsonl"
    path.write_text("".join(map(_aged, path.read_text(encoding="utf-8").splitlines())), encoding="utf-8")


def _aged(line: str) -> str:
    days = 40 * 86_400 * 10**9
    return re.sub(r'(TimeUnixNano":")(\d+)', lambda found: f"{found[1]}{int(found[2]) - days}", line) + "\n"


_CHANGES: Final[dict[str, Callable[[Path], None]]] = {
    "prompt": _edit("agent.py", "You plan one day", "You plan one long day"),
    "model": _edit("agent.py", 'MODEL = "gpt-4o"', 'MODEL = "gpt-4o-2024-11-20"'),
    "extra-call": _edit(
        "agent.py",
        "        return plan(client, question)\n",
        '        is_about_a_trip(client, f"Once more: {question}")\n        return plan(client, question)\n',
    ),
    "missing-call": _edit("agent.py", "if not is_about_a_trip(client, question)", 'if "square root" in question'),
    "tool-order": _edit("agent.py", "for call in calls:", "for call in reversed(calls):"),
    "over-budget": _edit("tests/test_agent.py", "max_usd=0.01", "max_usd=0.001"),
    "deleted-cassette": _delete_cassette,
    "expired-cassette": _age_cassette,
}
_CURES: Final = {
    "prompt": "--agenttrace-record-mode all",
    "model": "--agenttrace-record-mode all",
    "extra-call": "--record",
    "missing-call": "--agenttrace-record-mode all",
    "deleted-cassette": "--record",
    "expired-cassette": "--agenttrace-record-mode all",
}
"""How what is told is meant, if the agent is right. The two others ask for a change of the agent, or of what it is held to."""


@pytest.mark.parametrize("name", _CHANGES)
def test_a_change_fails_with_what_is_to_be_done(name: str, recorded: Path, tmp_path: Path) -> None:
    project = _copied(recorded, tmp_path)
    _CHANGES[name](project)
    result = _run(project, *_PYTEST, *_ALONE, *_EXPIRE, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert (result.returncode, result.stderr) == (1, ""), result.stdout + result.stderr
    told = _normalised(result.stdout)
    golden = _GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "option"), _CURES.items())
def test_what_is_told_to_do_mends_it(name: str, option: str, recorded: Path, tmp_path: Path) -> None:
    project = _copied(recorded, tmp_path)
    _CHANGES[name](project)
    commands = re.findall(
        rf"record.*: pytest ({option}) (\S+)$", (_GOLDEN / f"{name}.txt").read_text("utf-8"), re.MULTILINE
    )
    assert commands
    for told, test in commands:
        result = _run(project, sys.executable, "fake_provider.py", *_PYTEST, *told.split(), test)
        assert result.returncode == 0, result.stdout
    result = _run(project, *_PYTEST, *_EXPIRE)
    assert result.returncode == 0, result.stdout


def _normalised(printed: str) -> str:
    """Return what pytest prints without what another machine, version or moment prints otherwise."""
    kept = (line.rstrip() for line in printed.splitlines() if not _OF_A_MACHINE.match(line))
    lines = (_RULE.sub(lambda found: found[0][0] * 4, line) for line in kept)
    return "\n".join(_TIME.sub("in …", line) for line in lines) + "\n"
