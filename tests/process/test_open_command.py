"""The command `open`: a page that a browser shows, and what is said where there is none."""

from __future__ import annotations

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
    done = _open("latest", "--no-browser", "-o", "run.html", at=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "look &lt;here&gt;" in (tmp_path / "run.html").read_text("utf-8")


def test_no_page_is_written_over_a_recording(tmp_path: Path) -> None:
    shutil.copy(_GOLDEN / _RUN, tmp_path)
    shutil.copy(_GOLDEN / _RUN, tmp_path / "other.otlp.jsonl")
    for output in (_RUN, "other.otlp.jsonl"):
        done = _open(_RUN, "--no-browser", "-o", output, at=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert output in done.stderr
        assert (tmp_path / output).read_bytes() == (_GOLDEN / _RUN).read_bytes()


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
