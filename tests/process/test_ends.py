"""However a process ends, its finished calls are in the cassette or in its partial."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.writer import partial_path
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

_CALLS = """
import os, signal, sys, threading
import openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
def ask(text):
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
for number in range(3):
    ask(f"call {number}")
"""

_INTERRUPTED = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background of a shell ignores it
os.kill(os.getpid(), signal.SIGINT)
import time; time.sleep(5)
"""

_ENDS = {
    "normal": ("", 3, True),
    "exception": ("raise RuntimeError('over')", 3, True),
    "sys.exit": ("sys.exit(4)", 3, True),
    "SIGINT": (_INTERRUPTED, 3, False),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", 3, False),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", 3, False),
    "os._exit": ("os._exit(0)", 3, False),
    "fork child": ("pid = os.fork()\nif not pid:\n    ask('in the child'); os._exit(0)\nos.waitpid(pid, 0)", 4, True),
    "fork child that exits": (
        "pid = os.fork()\nif not pid:\n    ask('in the child'); sys.exit(0)\nos.waitpid(pid, 0)",
        4,
        True,
    ),
    "thread": ("t = threading.Thread(target=ask, args=('in a thread',)); t.start(); t.join()", 4, True),
    "daemon thread": ("d = threading.Thread(target=ask, args=('d',), daemon=True); d.start(); d.join()", 4, True),
    "subprocess": (
        "import subprocess; subprocess.run([sys.executable, '-c', os.environ['CHILD']], check=True)",
        6,
        True,
    ),
}


@pytest.mark.parametrize("end", _ENDS)
def test_every_finished_call_is_kept(end: str, tmp_path: Path, provider: Provider) -> None:
    code, calls, is_named = _ENDS[end]
    cassette = tmp_path / "run.otlp.jsonl"
    environment = instrumented_environment(cassette, "all", provider, CHILD=_CALLS)
    run_python(_CALLS + code, environment, check=False)
    kept = cassette if is_named else partial_path(cassette)
    assert kept.exists(), sorted(tmp_path.iterdir())
    assert len(at.load(kept).inferences) == calls
    assert provider.hits == calls


def test_a_parent_with_two_instrumented_children_keeps_all_calls(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    parent = textwrap.dedent("""
        import os, subprocess, sys
        children = [subprocess.Popen([sys.executable, "-c", os.environ["CHILD"]]) for _ in range(2)]
        sys.exit(max(child.wait() for child in children))
    """)
    run_python(parent, instrumented_environment(cassette, "all", provider, CHILD=_CALLS))
    assert len(at.load(cassette).inferences) == 6


def test_two_processes_of_four_threads_lose_and_tear_nothing(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    threads = _CALLS + textwrap.dedent("""
        def work(name):
            for number in range(10):
                ask(f"{name} {number} " + "x" * 4000)
        threads = [threading.Thread(target=work, args=(f"{os.getpid()}-{n}",)) for n in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
    """)
    environment = instrumented_environment(cassette, "all", provider)
    running = [subprocess.Popen([sys.executable, "-c", threads], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(at.load(cassette).inferences) == 2 * (3 + 4 * 10) == provider.hits


def test_record_on_the_command_line_keeps_what_a_killed_command_finished(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    command = [sys.executable, "-c", _CALLS + "os.kill(os.getpid(), signal.SIGKILL)"]
    main = [sys.executable, "-m", "otel_agenttrace", "record", str(cassette), "--", *command]
    environment = instrumented_environment(None, None, provider)
    result = subprocess.run(main, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 128 + signal.SIGKILL
    assert len(at.load(partial_path(cassette)).inferences) == 3
    assert "recorded 3 calls" in result.stderr


def test_a_stream_dropped_inside_a_locked_write_does_not_deadlock(tmp_path: Path, provider: Provider) -> None:
    code = _CALLS + textwrap.dedent("""
        import gc
        from otel_agenttrace.cassette.writer import Writer
        append = Writer._append
        def append_and_collect(self, line):
            global dropped
            dropped = None
            gc.collect()
            append(self, line)
        Writer._append = append_and_collect
        dropped = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "s"}], stream=True)
        next(iter(dropped))
        ask("writes while the stream is dropped")
    """)
    cassette = tmp_path / "run.otlp.jsonl"
    run_python(code, instrumented_environment(cassette, "all", provider), timeout=30)
    assert len(at.load(cassette).inferences) == 5
