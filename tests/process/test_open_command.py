"""The command `open`: a page that a browser shows, and what is said where there is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

_GOLDEN: Final = Path(__file__).parents[1] / "golden"
_RUN: Final = "cassette_v1.otlp.jsonl"
_CHROMIUM: Final = shutil.which("chromium")


def _open(
    *arguments: str, at: Path = _GOLDEN, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "otel_agenttrace", "open", *arguments)
    environment = {name: value for name, value in os.environ.items() if name not in ("BROWSER", "DISPLAY")}
    return subprocess.run(
        command, cwd=at, env={**environment, **(more or {})}, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_browser_gets_a_page_with_all_parts(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/asked"\n')
    browser.chmod(0o755)
    done = _open(_RUN, more={"BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    page = Path(done.stdout.rstrip("\n"))
    assert page.parent == tmp_path
    assert page.stat().st_mode & 0o077 == 0  # what was said is for nobody else
    assert (tmp_path / "asked").read_text() == page.as_uri()
    told = page.read_text("utf-8")
    for part in ("What it did", "Over time", "Tree", "What was said", "Tools", "Context windows"):
        assert f"<summary>{part}</summary>" in told
    assert "packing-advisor" in told
    assert "Annotations" not in told


def test_without_a_browser_it_says_where_the_page_is(tmp_path: Path) -> None:
    done = _open(_RUN, "-o", str(tmp_path / "run.html"), more={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'run.html'}\n")
    assert done.stderr == "otel-agenttrace: there is no browser here; open that file in one\n"
    assert (tmp_path / "run.html").read_text("utf-8").startswith("<!doctype html>")


def test_annotations_are_part_of_the_page(tmp_path: Path) -> None:
    shutil.copy(_GOLDEN / _RUN, tmp_path)
    noted = (sys.executable, "-m", "otel_agenttrace", "annotate", _RUN, "tool", "--note", "look <here>")
    subprocess.run(noted, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "run.html").touch(0o600)
    for _ in range(2):  # an empty file may be written over, and so may a page
        done = _open("-o", "run.html", at=tmp_path, more={"BROWSER": "true %s"})
        assert (done.returncode, done.stdout, done.stderr) == (0, "run.html\n", "")
    assert "look &lt;here&gt;" in (tmp_path / "run.html").read_text("utf-8")


@pytest.mark.parametrize(
    "output", [_RUN, "other.otlp.jsonl", "packed.otlp.jsonl.zst", f"{_RUN}.notes.jsonl", "log.json"]
)
def test_a_page_is_written_over_nothing_but_a_page(output: str, tmp_path: Path) -> None:
    shutil.copy(_GOLDEN / _RUN, tmp_path)
    content = (_GOLDEN / _RUN).read_bytes() if output.endswith(".otlp.jsonl") else output.encode()
    (tmp_path / output).write_bytes(content)
    done = _open(_RUN, "--no-browser", "-o", output, at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert output in done.stderr
    assert (tmp_path / output).read_bytes() == content


def test_of_several_runs_one_is_to_be_named(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    runs = [{"task_id": 7, "trial": trial, "reward": 1, "traj": said} for trial in (0, 1)]
    (tmp_path / "log.json").write_text(json.dumps(runs))
    done = _open("log.json", "--no-browser", "-o", "run.html", at=tmp_path)
    assert (done.returncode, "name it: log.json#7-0" in done.stderr) == (2, True)
    assert _open("log.json#7-1", "--no-browser", "-o", "run.html", at=tmp_path).returncode == 0
    assert (tmp_path / "run.html").stat().st_mode & 0o077 == 0


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = _open(_RUN, "--no-browser", "-o", str(tmp_path / "no" / "run.html"))
    assert (done.returncode, "no/run.html cannot be written" in done.stderr) == (2, True)
    limited = f"ulimit -f 0; exec '{sys.executable}' -m otel_agenttrace open {_RUN} --no-browser"
    done = subprocess.run(["sh", "-c", limited], cwd=_GOLDEN, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, "temporary file: " in done.stderr) == (2, "", True)


def test_a_run_from_the_standard_input_has_a_name(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "otel_agenttrace", "open", "-", "--no-browser", "-o", str(tmp_path / "run.html"))
    subprocess.run(command, input=(_GOLDEN / _RUN).read_bytes(), check=True, capture_output=True, timeout=60)
    assert "<h1>standard input</h1>" in (tmp_path / "run.html").read_text("utf-8")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.otlp.jsonl").write_text("no run\n")
    done = _open("bad.otlp.jsonl", "--no-browser", at=tmp_path, more={"TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (3, "")
    assert "bad.otlp.jsonl" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.otlp.jsonl"]


@pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium here")
def test_a_real_browser_shows_it(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    assert _open(_RUN, "--no-browser", "-o", str(page)).returncode == 0
    told = subprocess.run(
        [
            str(_CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "What do I pack for Zürich" in told.stdout
    assert "Refused to" not in told.stderr  # what the policy of the page forbids
