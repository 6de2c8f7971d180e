"""Whatever the disk does while a run is recorded, the program runs as without us, and what was written can be read.

Two hundred rounds of an agent that speaks to two providers in four threads, with streams and large bodies: writes, opens
and renames that fail or do half, files that may not grow, folders that go away, and kills at any moment.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import partial_path
from tests.support import anthropic_answers, failing_files, openai_answers
from tests.support.answers import Question
from tests.support.loopback import Answer, LoopbackServer, Received
from tests.support.processes import instrumented_environment

_ROOT: Final = Path(__file__).parents[2]
_AGENT: Final = _ROOT / "tests" / "support" / "faulted_agent.py"
_CALLS: Final = 12
_SEED: Final = 20261130
_ID: Final = re.compile(rb'"id":\s*"((?:chatcmpl-|msg_)\d+)"')
_EXIT: Final = 7
_ERRNOS: Final = (errno.ENOSPC, errno.EACCES, errno.EIO)


class _SteadyProvider:
    """Answers each request always in the same way, whatever came before; `sent` has each answer by its id."""

    def __init__(self) -> None:
        self.sent: dict[str, bytes] = {}
        self.server = LoopbackServer(self._answer)

    def _answer(self, request: Received) -> Answer:
        if len(request.body) < int(request.header("content-length")):  # its client was killed
            return Answer(end="drop")
        question = Question(request, request.path.removeprefix("/v1"), number=zlib.crc32(request.body), again=0)
        answer = (anthropic_answers if question.is_anthropic else openai_answers).answer(question)
        assert answer is not None
        body = b"".join(answer.pieces)
        self.sent[_id_of(body)] = body
        return answer


def _id_of(body: bytes) -> str:
    found = _ID.search(body)
    assert found is not None
    return found[1].decode()


@pytest.fixture
def provider() -> Iterator[_SteadyProvider]:
    provider = _SteadyProvider()
    with provider.server:
        yield provider


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return failing_files.compiled(tmp_path_factory.mktemp("library"))


# --- running the agent --------------------------------------------------------------------------------------------------


class _Agent:
    def __init__(self, folder: Path, provider: _SteadyProvider, rounds: Sequence[dict[str, Any]], **more: Any) -> None:
        self._folder = folder
        self.report = folder / "report.json"
        self._setup = {
            "url": provider.server.url,
            "rounds": rounds,
            "records": True,
            "forks": False,
            "report": str(self.report),
            "code": _EXIT,
            **more,
        }

    def command(self, **changes: Any) -> list[str]:
        setup = self._folder / f"setup{len(list(self._folder.iterdir()))}.json"
        setup.write_text(json.dumps(self._setup | changes))
        return [sys.executable, str(_AGENT), str(setup)]

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        told = instrumented_environment(None, None) | environment
        return subprocess.run(command, env=told, capture_output=True, text=True, timeout=240, check=False)

    def answers(self) -> list[str]:
        """Return what it says when nobody records it."""
        ended = self.run(self.command(records=False))
        assert (ended.returncode, ended.stderr) == (_EXIT, "")
        return sorted(ended.stdout.splitlines())


def _round(number: int, folder: Path, **more: Any) -> dict[str, Any]:
    home = folder / f"round{number}"
    home.mkdir()
    return {"number": number, "cassette": str(home / "c.otlp.jsonl"), "large": number % 3 == 0, **more}


def _readable(path: Path, provider: _SteadyProvider, *, may_be_torn: bool = False) -> list[str]:
    """Return the ids of the answers in a cassette, each whole; a bad line is an error."""
    warnings: list[str] = []
    cassette = open_cassette(path, strict=True, warn=warnings.append)
    assert may_be_torn or warnings == []
    bodies = [cassette.call(entry).attempts[0].body for entry in cassette.index.calls]
    cassette.close()
    ids = [_id_of(body) for body in bodies]
    assert [provider.sent[answer] for answer in ids] == bodies
    assert len(set(ids)) == len(ids)
    return ids


def _where(cassette: Path) -> Path | None:
    return next((path for path in (cassette, partial_path(cassette)) if path.exists()), None)


# --- what fails ---------------------------------------------------------------------------------------------------------


def _plan(random: random.Random) -> list[Any]:
    """Return kinds of calls, error, which fails first, how many fail (0 is all), whether writes do half."""
    code = random.choice(_ERRNOS)
    first, count = random.randint(1, 14), random.choice([0, 0, 1, 1, 2, 5])
    return random.choice(
        [
            ["w", code, first, count, 0],
            ["w", code, first, 2 if count == 1 else count, 1],  # half a line, then the error
            ["w", 0, 1, 0, 1],  # only halves
            ["wo", code, first, count, 0],
            ["o", code, 1, count, 0],  # with the files open that it has: large bodies
            ["r", code, 1, 0, 0],
            ["wors", code, first, count, 1],
        ]
    )


def _check(told: dict[str, Any], said: dict[str, Any], completed: set[str], provider: _SteadyProvider) -> None:
    """Check that each complete call of a round is readable, or was counted as lost and warned of."""
    lost, _ = said["lost"]
    cassette = Path(told["cassette"])
    found = _where(cassette)
    ids = _readable(found, provider) if found is not None and found.stat().st_size else []
    assert set(ids) <= completed, told
    assert len(ids) + lost == len(completed) == _CALLS, (told, said)
    if "plan" in told and told["plan"][1] == 0:
        assert lost == 0
    warnings = [
        each for each in said["warnings"] if "cannot be written: " in each and "the recording stays" not in each
    ]
    assert len(warnings) == (1 if lost else 0), said
    assert all(str(cassette) in each and "\n  to fix   " in each for each in warnings)
    stays = [each for each in said["warnings"] if "the recording stays" in each]
    assert len(said["warnings"]) == len(warnings) + len(stays)
    assert bool(stays) == (found is not None and found != cassette and found.stat().st_size > 0)


def _completed(lines: Sequence[str], number: int) -> set[str]:
    return {line.split()[-2] for line in lines if line.startswith(f"{number} ")}


@pytest.mark.slow
def test_writes_that_fail_lose_what_is_counted_and_nothing_else(
    library: Path | None, provider: _SteadyProvider, tmp_path: Path
) -> None:
    chosen = random.Random(_SEED)
    sizes = [{"largest": chosen.randint(0, 60_000)} for _ in range(15 if library is not None else 125)]
    sure = [{"plan": ["w", code, 1, count, 0]} for code in _ERRNOS for count in (0, 1)]
    plans = [*sure, *({"plan": _plan(chosen)} for _ in range(104))] if library is not None else []
    rounds = [_round(number, tmp_path, **plan) for number, plan in enumerate([*plans, *sizes])]
    agent = _Agent(tmp_path, provider, rounds)
    ended = agent.run(agent.command(), **({"LD_PRELOAD": str(library)} if library is not None else {}))
    assert (ended.returncode, ended.stderr) == (_EXIT, "")
    assert sorted(ended.stdout.splitlines()) == agent.answers()
    reports = json.loads(agent.report.read_text())
    for told, said in zip(rounds, reports, strict=True):
        _check(told, said, _completed(ended.stdout.splitlines(), told["number"]), provider)
    lost = [said["lost"][0] for said in reports]
    assert library is None or [lost[at] for at in range(len(sure))] == [_CALLS, 1] * len(_ERRNOS)
    assert lost.count(0) > 10


@pytest.mark.slow
def test_a_folder_that_goes_away_takes_its_recording_along_and_nothing_else(
    provider: _SteadyProvider, tmp_path: Path
) -> None:
    chosen = random.Random(_SEED + 1)
    ways = ["removed_after"] * 15 + ["moved_after"] * 10
    rounds = [
        _round(number, tmp_path, **{way: chosen.randint(1, _CALLS)}, large=False) for number, way in enumerate(ways)
    ]
    agent = _Agent(tmp_path, provider, rounds)
    ended = agent.run(agent.command())
    assert (ended.returncode, ended.stderr) == (_EXIT, "")
    assert sorted(ended.stdout.splitlines()) == agent.answers()
    for told, said in zip(rounds, json.loads(agent.report.read_text()), strict=True):
        (warning,) = said["warnings"]
        assert str(partial_path(Path(told["cassette"]))) in warning
        assert "removed" in warning
        home = Path(told["cassette"]).parent
        assert not home.exists()
        if "moved_after" in told:
            moved = home.with_name(home.name + " moved") / "c.otlp.jsonl.partial"
            assert set(_readable(moved, provider)) == _completed(ended.stdout.splitlines(), told["number"])


@pytest.mark.slow
def test_a_kill_at_any_moment_keeps_each_call_that_was_complete(provider: _SteadyProvider, tmp_path: Path) -> None:
    chosen = random.Random(_SEED + 2)
    rounds = [_round(number, tmp_path) for number in range(50)]
    agent = _Agent(tmp_path, provider, rounds, forks=True)
    environment, killed = instrumented_environment(None, None), 0
    with subprocess.Popen(agent.command(), env=environment, stdout=subprocess.PIPE, text=True) as running:
        for told in rounds:
            said = _killed_after(chosen.randint(0, _CALLS), running.stdout, told["number"])
            killed += len(said) < _CALLS
            found = _where(Path(told["cassette"]))
            kept = _readable(found, provider, may_be_torn=True) if found is not None and found.stat().st_size else []
            assert _completed(said, told["number"]) <= set(kept), told
    assert running.returncode == 0
    assert killed > 25


def _killed_after(count: int, output: Any, number: int) -> list[str]:
    """Kill the process of a round when it has said so much; return all that it has said."""
    pid = int(output.readline().split()[-1])
    said: list[str] = []
    for line in output:
        if line == f"{number} ends\n":
            return said
        said.append(line)
        if len(said) == max(count, 1):
            os.kill(pid, signal.SIGKILL)
    raise AssertionError("the agent ended too early")


@pytest.mark.slow
def test_record_on_the_command_line_passes_the_exit_code_on_and_says_what_was_lost(
    library: Path | None, provider: _SteadyProvider, tmp_path: Path
) -> None:
    if library is None:
        pytest.skip("no C compiler")
    told = _round(1, tmp_path)
    agent = _Agent(tmp_path, provider, [told])
    command = [sys.executable, "-m", "otel_agenttrace", "record", told["cassette"], "--", *agent.command(records=False)]
    plan = failing_files.plan_text(tmp_path / "round1", "w", errno.ENOSPC, 6, 3, 0)
    ended = agent.run(command, LD_PRELOAD=str(library), FAULT_PLAN=plan)
    assert ended.returncode == _EXIT
    assert sorted(ended.stdout.splitlines()) == agent.answers()
    assert len(_readable(Path(told["cassette"]), provider)) == _CALLS - 3
    warning, cure, closing = [line for line in ended.stderr.splitlines() if "no price is known" not in line]
    assert f"c.otlp.jsonl.partial cannot be written: {os.strerror(errno.ENOSPC)}. The application goes on" in warning
    assert cure.startswith("  to fix   ")
    assert f"recorded {_CALLS - 3} calls" in closing
    assert closing.endswith(" · 3 calls could not be written"), closing


@pytest.mark.slow
def test_record_on_the_command_line_says_that_its_file_was_removed(provider: _SteadyProvider, tmp_path: Path) -> None:
    told = _round(1, tmp_path)
    agent = _Agent(tmp_path, provider, [told])
    inner = agent.command(records=False)
    code = "import shutil, subprocess, sys; code = subprocess.call(sys.argv[2:]); shutil.rmtree(sys.argv[1]); sys.exit(code)"
    removing = [sys.executable, "-c", code, str(tmp_path / "round1"), *inner]
    ended = agent.run([sys.executable, "-m", "otel_agenttrace", "record", told["cassette"], "--", *removing])
    assert ended.returncode == _EXIT
    assert sorted(ended.stdout.splitlines()) == agent.answers()
    assert "recorded 0 calls: " in ended.stderr
    assert ended.stderr.count("was removed or moved while it was recorded to") == 2  # the warning, and the last line
