"""`replay --freeze llm,tools`: a dry run of a program and its children, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
CASSETTE: Final = "run.otlp.jsonl"

_AGENT: Final = """
import asyncio, contextvars, dataclasses, os, sys
from concurrent.futures import ThreadPoolExecutor
import openai
import otel_agenttrace as at

def mark(name):
    with open("done.txt", "a") as file:
        file.write(name + "\\n")

@dataclasses.dataclass
class Booking:
    city: str
    nights: tuple

@at.tool
def book(city):
    mark(f"book {city}")
    return Booking(city, (1, 2))

@at.tool
async def look(city):
    mark(f"look {city}")
    return {"city": city, "order": sum(1 for _ in open("done.txt"))}

@at.tool
def days(city):
    mark(f"days {city}")
    yield from "ab"

async def around():
    return await asyncio.gather(*(look(city) for city in ("Bern", "Chur", "Bern")))

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
print(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}]).choices[0].message.content)
cities = sys.argv[1:] or ["Bern", "Chur"]
with ThreadPoolExecutor(4) as threads:
    print([each.result() for each in [threads.submit(contextvars.copy_context().run, book, city) for city in cities]])
print(asyncio.run(around()), list(days("Bern")))
"""
_FAMILY: Final = """
import fcntl, multiprocessing, subprocess, sys
import otel_agenttrace as at

@at.tool
def number(name):
    with open("done.txt", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(name + "\\n")
        file.flush()
        file.seek(0)
        return len(file.readlines())

def child(_):
    return number("same")

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(number("same"))
    else:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            numbers = pool.map(child, range(4), chunksize=1)
        numbers += [int(subprocess.check_output([sys.executable, __file__, "child"])) for _ in range(2)]
        if hasattr(__import__("os"), "fork"):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                numbers += pool.map(child, range(4), chunksize=1)
        print(sorted([*numbers, number("same")]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, code in {"agent.py": _AGENT, "family.py": _FAMILY}.items():
        (tmp_path / name).write_text(textwrap.dedent(code), encoding="utf-8")
    return tmp_path


def _run(folder: Path, *arguments: str, provider: Provider | None = None) -> subprocess.CompletedProcess[str]:
    environment = instrumented_environment(None, None, provider)
    environment.setdefault("PROVIDER_URL", "http://127.0.0.1:9/v1")
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _done(folder: Path) -> list[str]:
    """Return what the bodies of the tools have done so far."""
    return sorted((folder / "done.txt").read_text(encoding="utf-8").split("\n")[:-1])


@pytest.fixture
def live(folder: Path) -> subprocess.CompletedProcess[str]:
    with Provider() as provider:
        result = _run(folder, "record", CASSETTE, "--", sys.executable, "agent.py", provider=provider)
    assert result.returncode == 0, result.stderr
    assert _done(folder) == sorted(["book Bern", "book Chur", "look Bern", "look Chur", "look Bern", "days Bern"])
    assert "Booking(city='Bern', nights=(1, 2))" in result.stdout
    return result


def test_a_dry_run_prints_the_same_and_no_body_runs(folder: Path, live: subprocess.CompletedProcess[str]) -> None:
    (folder / "done.txt").unlink()
    for _ in range(2):
        again = _run(folder, "replay", "--freeze", "llm,tools", CASSETTE, "--", sys.executable, "agent.py")
        assert (again.returncode, again.stdout) == (0, live.stdout), again.stderr
        assert again.stderr == "replayed 1 call, 6 tools: 7 hit, 0 drift, 0 miss · run.otlp.jsonl\n"
        assert not (folder / "done.txt").exists()


def test_a_tool_that_is_called_otherwise_is_a_miss_and_runs_only_if_it_is_asked_for(
    folder: Path, live: subprocess.CompletedProcess[str]
) -> None:
    before = _done(folder)
    dry = ("replay", "--freeze", "llm,tools", "--fail-on", "miss")
    missed = _run(folder, *dry, CASSETTE, "--", sys.executable, "agent.py", "Bern", "Genf")
    assert missed.returncode == 1
    assert 'No recording answers the tool call book({"city":"Genf"})' in missed.stderr
    assert "1 miss · run.otlp.jsonl · 5 recordings never asked for" in missed.stderr
    assert _done(folder) == before
    ran = _run(folder, *dry, "--run-tool", "book", CASSETTE, "--", sys.executable, "agent.py", "Bern", "Genf")
    assert ran.returncode == 0, ran.stderr
    assert _done(folder) == sorted([*before, "book Bern", "book Genf"])
    assert ran.stderr.startswith("replayed 1 call, 6 tools: 5 hit, 0 drift, 0 miss, 2 live · run.otlp.jsonl")


def test_the_processes_of_a_run_give_each_recording_once(folder: Path) -> None:
    live = _run(folder, "record", CASSETTE, "--", sys.executable, "family.py")
    assert live.returncode == 0, live.stderr
    numbers = len(_done(folder))
    assert live.stdout.strip() == str(list(range(1, numbers + 1)))
    again = _run(folder, "replay", "--freeze", "llm,tools", CASSETTE, "--", sys.executable, "family.py")
    assert (again.returncode, again.stdout) == (0, live.stdout), again.stderr
    assert f"replayed 0 calls, {numbers} tools: {numbers} hit, 0 drift, 0 miss" in again.stderr
    assert len(_done(folder)) == numbers


def test_show_marks_what_no_dry_run_can_give(folder: Path) -> None:
    code = "import otel_agenttrace as at\nat.tool('socket')(object)()\nat.tool('data')(dict)()"
    _run(folder, "record", CASSETTE, "--", sys.executable, "-c", code)
    shown = _run(folder, "show", CASSETTE).stdout.splitlines()
    assert ["live-only" in line for line in shown if "execute_tool" in line] == [True, False]
