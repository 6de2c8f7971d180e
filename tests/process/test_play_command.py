"""The command `play`: a recorded run again, and a run that is being recorded by another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

import pytest

from tests.support.processes import instrumented_environment

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_CLI: Final = (sys.executable, "-m", "otel_agenttrace")
_AGENT: Final = """
import sys
import otel_agenttrace as at

@at.tool
def step(name):
    return name

@at.agent("walker")
def walk():
    for line in sys.stdin:
        step(line.strip())

walk()
"""


def _begun(folder: Path, *arguments: str, given: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_CLI, *arguments],
        env=instrumented_environment(None, None),
        cwd=folder,
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _stream(opened: IO[str] | None) -> IO[str]:
    assert opened is not None
    return opened


@pytest.mark.parametrize("speed", [("--speed", "0"), ("--speed", "1000"), ("--pause", "0.01")])
def test_a_run_is_printed_span_by_span(speed: tuple[str, ...], tmp_path: Path) -> None:
    playing = _begun(tmp_path, "play", str(_GOLDEN), *speed, "--filter", "tool | agent")
    shown, errors = playing.communicate(timeout=60)
    assert (playing.returncode, errors) == (0, "")
    assert "execute_tool weather" in shown
    assert "chat gpt-4o-mini" not in shown
    assert shown.splitlines()[-1].endswith("invoke_agent packing-advisor  14 ms  2 calls  565 tokens  $0.0001119")


def test_a_pause_that_is_cut_short_is_told(tmp_path: Path) -> None:
    playing = _begun(tmp_path, "play", str(_GOLDEN), "--pause", "0.003")
    shown, _ = playing.communicate(timeout=60)
    assert [line.strip() for line in shown.splitlines() if "…" in line] == ["… 4 ms", "… 7 ms"]


def test_a_run_is_told_while_another_process_records_it(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(_AGENT, encoding="utf-8")
    with _begun(tmp_path, "play", "run.otlp.jsonl", "--live") as playing:
        assert "waiting for a run" in _stream(playing.stderr).readline()
        command = ("record", "run.otlp.jsonl", "--", sys.executable, "agent.py")
        with _begun(tmp_path, *command, given=subprocess.PIPE) as recording:
            for name in ("one", "two"):  # the agent waits for the next name: each is told before the run goes on
                _stream(recording.stdin).write(f"{name}\n")
                _stream(recording.stdin).flush()
                assert f'{{"name":"{name}"}}' in _stream(playing.stdout).readline()
            _stream(recording.stdin).close()
            assert recording.wait(60) == 0
        assert "invoke_agent walker" in _stream(playing.stdout).readline()
        assert playing.wait(60) == 0


def test_following_ends_on_ctrl_c_and_is_no_failure(tmp_path: Path) -> None:
    with _begun(tmp_path, "play", "run.otlp.jsonl", "--live") as playing:
        _stream(playing.stderr).readline()
        playing.send_signal(signal.SIGINT)
        assert playing.wait(60) == 0


def test_the_standard_input_cannot_be_followed(tmp_path: Path) -> None:
    playing = _begun(tmp_path, "play", "-", "--live", given=subprocess.DEVNULL)
    _, errors = playing.communicate(timeout=60)
    assert playing.returncode == 2
    assert "--live follows a file: name it." in errors
