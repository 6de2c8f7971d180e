"""An agent that talks to two providers in several threads, round after round. Its rounds as JSON in, its answers out.

Run as a program. Each round may be recorded and may be disturbed. Each answer is told on the standard output as soon as it
is complete, in one write, so that whoever kills the program knows which calls were complete.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Final

import anthropic
import openai

import otel_agenttrace as at

_THREADS: Final = 4
_CALLS: Final = 3
_LARGE: Final = 1_100_000
_setup: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
_warnings: list[str] = []


class _Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _warnings.append(record.getMessage())


@cache
def _clients() -> tuple[Any, Any]:
    key = "none"
    return (
        openai.OpenAI(base_url=_setup["url"] + "/v1", api_key=key, max_retries=0),
        anthropic.Anthropic(base_url=_setup["url"], api_key=key, max_retries=0),
    )


def _openai(text: str) -> str:
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    answer = _clients()[0].chat.completions.create(**asked)
    return f"{answer.id} {answer.choices[0].message.content}"


def _openai_stream(text: str) -> str:
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "stream": True}
    chunks = list(_clients()[0].chat.completions.create(**asked))
    return f"{chunks[0].id} {[chunk.choices[0].delta.content for chunk in chunks if chunk.choices]}"


def _anthropic(text: str) -> str:
    asked: Any = {"model": "claude-fake-1", "max_tokens": 10, "messages": [{"role": "user", "content": text}]}
    answer = _clients()[1].messages.create(**asked)
    return f"{answer.id} {answer.content[0].text}"


def _anthropic_stream(text: str) -> str:
    asked: Any = {"model": "claude-fake-1", "max_tokens": 10, "messages": [{"role": "user", "content": text}]}
    with _clients()[1].messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        return f"{stream.get_final_message().id} {text}"


_ASKS: Final[tuple[Callable[[str], str], ...]] = (_openai, _openai_stream, _anthropic, _anthropic_stream)


class _Round:
    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._count = 0

    def play(self) -> None:
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, thread: int) -> None:
        for call in range(_CALLS):
            ask = _ASKS[(thread + call) % len(_ASKS)]
            text = f"round {self._told['number']} thread {thread} call {call}"
            is_large = self._told["large"] and (thread, call) == (0, 0)
            answer = ask(text + "." * _LARGE if is_large else text)
            digest = hashlib.sha256(answer.encode()).hexdigest()
            os.write(1, f"{self._told['number']} {text!r} {answer.split()[0]} {digest}\n".encode())
            self._take_away()

    def _take_away(self) -> None:
        if not _setup["records"]:
            return
        with self._lock:
            self._count += 1
            if self._count == self._told.get("removed_after"):
                shutil.rmtree(Path(self._told["cassette"]).parent)
            if self._count == self._told.get("moved_after"):
                folder = Path(self._told["cassette"]).parent
                folder.rename(folder.with_name(folder.name + " moved"))


def _disturbed(told: dict[str, Any]) -> Callable[[], None]:
    """Begin to disturb a round; return what ends it."""
    if "plan" in told:
        library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        kinds, code, first, count, half = told["plan"]
        library.fault_plan(str(Path(told["cassette"]).parent).encode(), kinds.encode(), code, first, count, half)
        return lambda: library.fault_plan(b"", b"", 0, 0, 0, 0)
    if "largest" in told:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (told["largest"], before[1]))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return lambda: None


def _play(told: dict[str, Any]) -> dict[str, Any]:
    """Play a round and return what can be said of its recording."""
    _warnings.clear()
    with at.record(told["cassette"], quiet=True) if _setup["records"] else nullcontext() as session:
        end = _disturbed(told) if _setup["records"] else lambda: None
        _Round(told).play()
    end()
    lost = None if session is None else [session.losses.calls, session.losses.is_file_gone]
    return {"number": told["number"], "lost": lost, "warnings": list(_warnings)}


def _play_in_a_fork(told: dict[str, Any]) -> None:
    pid = os.fork()
    if not pid:
        os.write(1, f"{told['number']} begins {os.getpid()}\n".encode())
        _play(told)
        os._exit(0)
    os.waitpid(pid, 0)
    os.write(1, f"{told['number']} ends\n".encode())


def main() -> None:
    if _setup["records"]:
        logging.getLogger("otel_agenttrace").addHandler(_Kept())
    _clients()  # before any fork, and before anybody talks
    if _setup["forks"]:
        with at.record(Path(_setup["report"]).with_name("nothing"), quiet=True):
            pass  # what a first session imports is not imported in each fork
        for told in _setup["rounds"]:
            _play_in_a_fork(told)
        return
    reports = [_play(told) for told in _setup["rounds"]]
    if _setup["records"]:
        Path(_setup["report"]).write_text(json.dumps(reports))
    raise SystemExit(_setup["code"])


if __name__ == "__main__":
    main()
