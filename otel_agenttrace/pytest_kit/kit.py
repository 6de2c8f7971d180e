"""The hooks of a run of pytest that uses sessions of ours: which tests there are, how each is judged, what is told at its end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, Final, cast

import pytest

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.suite import CaseOutcome
from otel_agenttrace.checks.checking import check_trace
from otel_agenttrace.checks.rules import in_keywords, rules_from
from otel_agenttrace.config import RecordMode
from otel_agenttrace.errors import AgentTraceError, ReplayMiss
from otel_agenttrace.pytest_kit.orphans import Collected
from otel_agenttrace.pytest_kit.places import cassette_path, one_name, shown, told, without_trial
from otel_agenttrace.pytest_kit.running import Running, begun, told_miss
from otel_agenttrace.pytest_kit.settings import Asked, Settings, asked_of, settings_of
from otel_agenttrace.pytest_kit.summary import Told, told_lines, write_reports
from otel_agenttrace.pytest_kit.tracebacks import shorten, tell_shortly
from otel_agenttrace.pytest_kit.trials import envelope_path, kept, outside, trial_path
from otel_agenttrace.snapshots import TraceSnapshot
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["Kit"]

_NO_BUDGET: Final = (
    "@pytest.mark.budget limits nothing.\n  to fix   say by name what it limits: max_usd=0.05, max_llm_calls=3"
)
_OF_ONE_TEST: Final = ("cassette", "agent_trace")


@dataclass(slots=True)
class _Test:
    """What is known of the test that runs."""

    running: Running | None = None
    outcome: CaseOutcome = "passed"
    is_in_call: bool = False
    findings: list[Finding] = field(default_factory=list[Finding])
    told: dict[str, Any] | None = None
    properties: tuple[tuple[str, object], ...] = ()
    aside: list[str] = field(default_factory=list[str])


_TEST: Final = pytest.StashKey[_Test]()


class Kit:
    """What a run of pytest knows of its sessions. Registered as a plugin when the first test asks for one."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.settings: Settings = settings_of(config)
        self._running: list[Running] = []
        self._ended: list[Running] = []
        self._is_older: dict[Path, bool] = {}
        self._snapshots: list[TraceSnapshot] = []
        self._told = Told()
        self._collected = Collected(self.settings.cassette_dir)
        self._begun_by: dict[Path, pytest.Item | None] = {}
        self._is_interrupted = False
        self._is_over = False

    @cached_property
    def _pyproject(self) -> Mapping[str, object]:
        return pyproject_settings(self._config.rootpath)

    @cached_property
    def _tells_in_full(self) -> bool:
        """Whether anybody reads what each test did: a report of ours, or that of JUnit."""
        return bool(self.settings.reports) or bool(getattr(self._config.option, "xmlpath", None))

    # --- collecting -----------------------------------------------------------------------------------------------------

    def collected(self, items: Sequence[pytest.Item], ours: Sequence[pytest.Item]) -> None:
        """Take note of the tests there are, and of the cassettes that belong to them."""
        paths = [path for item in ours for path in self._paths_of(item)]
        is_partial = bool(self._config.getoption("lf", False) or self._config.getoption("pyargs", False))
        self._collected.take(items, paths, self._config.args, is_partial=is_partial)
        if self._config.getoption("collectonly", False) or self._config.getoption("setuponly", False):
            self._collected.leave_out(items)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Take note of tests that will not run."""
        self._collected.leave_out(items)

    def _paths_of(self, item: pytest.Item) -> Iterator[Path]:
        names: Sequence[str] = getattr(item, "fixturenames", ())
        nodes = {
            "cassette": item,
            "class_cassette": item.getparent(pytest.Class),
            "module_cassette": item.getparent(pytest.Module),
        }
        for fixture, node in nodes.items():
            if fixture in names and node is not None:
                mark = node.get_closest_marker("cassette")
                yield self._path(node, str(mark.args[0]) if mark is not None and mark.args else None)

    def _path(self, node: pytest.Item | pytest.Collector, named: str | None) -> Path:
        if named is not None:
            return one_name(node.path.parent / named)
        module = node.getparent(pytest.Module)
        above = _nodeid(node).removeprefix(module.nodeid if module is not None else "").strip(":")
        name = ".".join(above.split("::", above.partition("[")[0].count("::"))) if above else node.path.stem
        return cassette_path(node.path, self.settings.cassette_dir, name)

    def several(self, metafunc: pytest.Metafunc) -> None:
        """Have a test that uses a session run as often as trials are asked for."""
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        if {"cassette", "agent_trace"} & set(metafunc.fixturenames) or {"cassette", "budget"} & marks:
            metafunc.fixturenames.append("agenttrace_trial")
            numbers = range(1, self.settings.trials + 1)
            metafunc.parametrize("agenttrace_trial", numbers, indirect=True, ids=[f"trial-{n}" for n in numbers])

    # --- sessions -------------------------------------------------------------------------------------------------------

    def session(self, request: pytest.FixtureRequest, options: Mapping[str, object]) -> Iterator[Any]:
        """Give a fixture its session, from its opening to its end."""
        node = cast("pytest.Item", request.node)
        asked = asked_of(node.get_closest_marker("cassette"), options)
        path = self._path(node, asked.path)
        mode = self.settings.mode or asked.mode or self.settings.ini_mode
        if (trial := _trial_of(node)) > 0:
            path, mode = trial_path(self._config.rootpath, path, trial), "all"
        if mode == "all" and self._begun_by.get(path.absolute(), node) is not node:
            mode = "new"  # an earlier test has begun it anew, not this one before it was run again
        yield from self._run(request, shown(path), mode, asked)

    def session_in_memory(self, request: pytest.FixtureRequest) -> Iterator[Any]:
        """Give a fixture a session that leaves no file, except in a trial, and reaches no other machine unasked."""
        node = cast("pytest.Item", request.node)
        if (trial := _trial_of(node)) > 0:
            path = trial_path(self._config.rootpath, self._path(node, None), trial)
            yield from self._run(request, shown(path), "all", Asked())
            return
        is_guarded = self.settings.mode in (None, "none")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trace.otlp.jsonl")
            yield from self._run(request, path, "all", Asked(), in_memory=True, is_guarded=is_guarded)

    def _run(
        self, request: pytest.FixtureRequest, path: Path, mode: RecordMode, asked: Asked, **more: bool
    ) -> Iterator[Any]:
        node = cast("pytest.Item", request.node)
        has_older = self._is_older.setdefault(path.absolute(), path.exists())
        running = begun(
            path,
            mode,
            asked,
            fixture=str(request.fixturename),
            selector=self._selector(node),
            settings=self.settings,
            pyproject=self._pyproject,
            now_ns=time.time_ns(),
            **more,
        )
        running.has_older = has_older
        if running.path is not None:
            self._collected.use(running.path)
            running.is_shared = self._collected.uses_of(running.path) > 1
            if running.mode == "all":
                self._begun_by.setdefault(running.path, node if isinstance(request.node, pytest.Item) else None)
        # where the first session of all is asked for by `getfixturevalue`, the test has begun without us
        test = node.stash.setdefault(_TEST, _Test(is_in_call=isinstance(request.node, pytest.Item)))
        if running.problem is not None and test.is_in_call:
            running.close()
            pytest.fail(str(running.problem.message), pytrace=False)
        test.running = running
        self._running.append(running)
        try:
            yield running.session
        finally:
            self._running.remove(running)
            running.close()
            if running.path is None:
                running.session.settle()
            elif self._is_over:
                self._told.aside[str(path)] = list(running.settle(is_interrupted=self._is_interrupted))
            else:
                self._ended.append(running)
        self._judge_late(running, test)

    def _settle(self) -> list[str]:
        """Decide what becomes of the recordings of the sessions that have ended, and return what is to be told of it."""
        ended, self._ended = self._ended, []
        return [line for each in ended for line in each.settle(is_interrupted=self._is_interrupted)]

    def _judge_late(self, running: Running, test: _Test) -> None:
        """Fail the teardown of a session by what was done since its last test was judged."""
        late = list(running.findings(()))
        nothing = running.nothing_recorded() if running.fixture not in _OF_ONE_TEST else None
        late += [nothing] if nothing is not None else []
        if late and test.outcome != "failed" and not self._is_over:
            test.findings += late
            pytest.fail("\n".join(map(str, late)), pytrace=False)

    def snapshots_of(self, request: pytest.FixtureRequest) -> TraceSnapshot:
        """Return what compares traces with the snapshots of a test."""
        node = cast("pytest.Item", request.node)
        made = TraceSnapshot(
            node.path.parent / self.settings.snapshot_dir / node.path.stem,
            update=self.settings.updates_snapshots,
            default_name=self._path(node, None).name.partition(".otlp.")[0],
            update_command=f"pytest --agenttrace-update-snapshots {self._selector(node)}",
            colour=self._config.get_terminal_writer().hasmarkup,
        )
        self._snapshots.append(made)
        return made

    def _selector(self, node: pytest.Item | pytest.Collector) -> str:
        """Return what to type behind `pytest`, where it was started, to run a test."""
        file, *inside = _nodeid(node).split("::", 1)
        return quote("::".join([told(self._config.rootpath / file, self._config.invocation_params.dir), *inside]))

    # --- one test -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Forget an earlier run of the same test; where its fixtures fail or skip it, tell what they missed."""
        item.stash[_TEST] = test = _Test()
        for running in self._running:
            running.failed.discard(item.nodeid)
        try:
            return (yield)
        except BaseException:
            test.findings += self._findings(item, test, has_failed=True)
            raise

    def pytest_keyboard_interrupt(self) -> None:
        """Have the recordings that are not whole leave the older ones in place."""
        self._is_interrupted = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run a test, and fail it by what its sessions know; without its cassette it does not run."""
        test = item.stash.setdefault(_TEST, _Test())
        test.is_in_call = True
        meant = self._meant(item, test)
        problems = [running.problem for running in meant if running.problem is not None]
        if problems:
            self._findings(item, test, has_failed=True)  # those of fixtures, which asked a cassette that is not there
            test.findings += problems
            pytest.fail("\n".join(str(problem.message) for problem in problems), pytrace=False)
        try:
            result = yield
        except BaseException as error:
            shorten(self._config.rootpath, error)
            test.findings += self._findings(item, test, has_failed=True)
            raise
        test.findings += self._findings(item, test, has_failed=False)
        critical = [finding for finding in test.findings if finding.severity == "critical"]
        if critical:
            pytest.fail("\n".join(map(str, critical)), pytrace=False)
        return result

    def _meant(self, item: pytest.Item, test: _Test) -> list[Running]:
        """Return the open sessions that a test asked for; those of a class or a module may be open for others."""
        return [each for each in self._running if self._has_asked(item, test, each)]

    @staticmethod
    def _has_asked(item: pytest.Item, test: _Test, running: Running) -> bool:
        names: Sequence[str] = getattr(item, "fixturenames", ())
        return running is test.running or running.fixture in names

    def _note_failed(self, item: pytest.Item, test: _Test) -> None:
        """Take note that what a test recorded does not take the place of an older recording; a trial is told as it was."""
        test.outcome = "failed"
        if _trial_of(item) == 0:
            for each in (*self._running, *self._ended):
                if self._has_asked(item, test, each):
                    each.failed.add(item.nodeid)

    def _findings(self, item: pytest.Item, test: _Test, *, has_failed: bool) -> list[Finding]:
        found = [finding for running in self._running for finding in running.findings(self.settings.fail_on)]
        if has_failed:
            return [finding for finding in found if finding.rule in ("miss", "egress")]
        for running in self._meant(item, test):
            found += self._over_budget(item, running)
            if running.fixture not in _OF_ONE_TEST:
                continue
            if not running.is_shared and (nothing := running.nothing_recorded()) is not None:
                found.append(nothing)
            if _trial_of(item) == 0:
                found += outside(envelope_path(self._path(item, None)), running.trace)
        return found

    def _over_budget(self, item: pytest.Item, running: Running) -> Iterator[Finding]:
        mark = item.get_closest_marker("budget")
        if mark is None:
            return
        if mark.args or not mark.kwargs:
            yield Finding("budget", _NO_BUDGET)
            return
        try:
            found = check_trace(running.trace, rules_from(mark.kwargs, "@pytest.mark.budget"))
            yield from in_keywords(found, mark.kwargs)
        except AgentTraceError as error:
            yield Finding("budget", str(error))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what a session knows into the report: beside a failure, and as data when the test is over."""
        report = yield
        if not report.passed:
            self._collected.doubt(item.path)
        test = item.stash.get(_TEST, None)
        if test is None:
            return report
        is_skipped = report.skipped and not hasattr(report, "wasxfail")
        if is_skipped and test.findings:  # "the provider is down, skip": it is the recording that is missing
            report.outcome, report.longrepr = "failed", "\n".join(map(str, test.findings))
        if report.failed:
            self._note_failed(item, test)
        elif is_skipped and test.outcome == "passed":
            test.outcome = "skipped"
        raised = call.excinfo.value if call.excinfo is not None else None
        if report.failed and isinstance(raised, AgentTraceError):
            tell_shortly(report, raised)
        if report.when != "teardown" and report.failed and test.findings:
            shown_already = (str(report.longrepr), _told_by(raised))
            beside = [str(each) for each in test.findings if not any(each.message in text for text in shown_already)]
            if beside:
                report.sections.append(("otel-agenttrace", "\n".join(beside)))
        if report.when == "teardown":
            vars(report)["agenttrace_aside"] = test.aside
        if report.when == "teardown" and test.told is not None:
            report.user_properties += test.properties
            vars(report)["agenttrace"] = test.told
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Take note of what a test did, when its session has ended."""
        test = item.stash.setdefault(_TEST, _Test())
        running = test.running or next(iter(self._meant(item, test)), None)
        try:
            return (yield)
        except BaseException:
            self._note_failed(item, test)
            raise
        finally:
            test.aside = self._settle()
            if running is not None:
                self._take_note(item, test, running)

    def _take_note(self, item: pytest.Item, test: _Test, running: Running) -> None:
        cassette = "" if running.path is None else told(running.path, self._config.rootpath)
        case = running.case(item.nodeid, test.outcome, cassette, tuple(test.findings), in_full=self._tells_in_full)
        facts = {"cassette": cassette, "mode": case.mode, "cost": case.cost, "tokens": case.total_tokens, **case.calls}
        test.properties = tuple((f"agenttrace.{name}", fact) for name, fact in facts.items() if fact not in (None, ""))
        unplayed = running.unplayed() if running.mode == "none" and running.problem is None else ()
        test.told = {"case": case.to_json(), "unplayed": list(unplayed)}
        if _trial_of(item) > 0:
            test.told["envelope"] = told(envelope_path(self._path(item, None)), self._config.rootpath)

    # --- the end --------------------------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of what became of a test, run here or by a worker."""
        if report.when == "teardown":
            self._told.aside[report.nodeid] = getattr(report, "agenttrace_aside", [])
        data = getattr(report, "agenttrace", None)
        if data is not None:
            self._told.take(data)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take note of what a worker saw when it collected."""
        output: dict[str, Any] = getattr(node, "workeroutput", {})
        self._told.orphans.update(output.get("agenttrace_orphans", ()))
        self._told.take_unused(output.get("agenttrace_unused", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports; a worker tells its controller what it saw."""
        self._is_over = True  # what fails from now on would end pytest itself
        root = self._config.rootpath
        self._told.orphans.update(told(path, root) for path in self._collected.orphans())
        used = [path for each in self._snapshots for path in each.used]
        unused = [told(path, root) for path in self._collected.unused_snapshots(self.settings.snapshot_dir, used)]
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["agenttrace_orphans"] = sorted(self._told.orphans)
            output["agenttrace_unused"] = unused
            return
        if self._told.unused is None:
            self._told.take_unused(unused)
        try:
            write_reports(self._told.suite(), self.settings.reports)
            self._told.envelopes += kept(root, self._told.trials)
        except OSError as error:
            self._told.problems.append(f"what was learned cannot be written: {error}")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Say how the sessions went, and what nobody asked for or uses."""
        if exitstatus != pytest.ExitCode.OK:
            self._told.unused = None  # who did not come so far may use them
        lines = list(told_lines(self._told, is_quiet=self._config.get_verbosity() < 0))
        if lines:
            terminalreporter.write_sep("=", "otel-agenttrace")
            for line in lines:
                terminalreporter.write_line(line)


def _nodeid(node: pytest.Item | pytest.Collector) -> str:
    """Return the id of a test, the same for each of its trials."""
    return without_trial(node.nodeid, _trial_of(node))


def _trial_of(node: pytest.Item | pytest.Collector) -> int:
    """Return which trial of a test this is, from 1; 0 where there are none."""
    params: Mapping[str, Any] = getattr(getattr(node, "callspec", None), "params", {})
    return int(params.get("agenttrace_trial", 0))


def _told_by(raised: BaseException | None) -> str:
    """Return the finding that says no more than the error that a test ended with."""
    return told_miss([str(raised)], 1) if isinstance(raised, ReplayMiss) else ""
