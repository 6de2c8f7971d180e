"""Files that anybody may have written, as a user of the command line meets them: named, bounded, and shown harmlessly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_GOLDEN: Final = (Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl").read_bytes()
_FIRST: Final = _GOLDEN.splitlines(keepends=True)[0]

# --- lines and files without measure ------------------------------------------------------------------------------------

_HUGE: Final = 1_181_116_006
_ROOM_KB: Final = 300_000
_MEASURED: Final = """
import resource, sys
from otel_agenttrace.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def _measured(*arguments: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run a command, and return with it the most memory it had, in kilobytes."""
    result = _run([sys.executable, "-c", _MEASURED.format(arguments=list(arguments))])
    *_, peak = result.stderr.splitlines()
    return result, int(peak) if sys.platform != "darwin" else int(peak) // 1024


def _run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """Give a cassette whose second line is more than a gigabyte of nothing; the disk holds none of it."""
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_FIRST)
    os.truncate(path, _HUGE)
    with path.open("ab") as file:
        file.write(b"\n" + _FIRST.replace(b"1e2feb89414c343c", b"1e2feb89414c343d"))
    return path


def test_a_line_of_a_gigabyte_is_named_and_skipped_and_never_in_memory(huge: Path) -> None:
    result, peak = _measured("show", str(huge))
    assert result.returncode == 0
    assert result.stdout.count("chat gpt-4o-mini") == 2
    assert f"{huge}:2: a line of 1,181,1" in result.stderr
    assert "lines above 268,435,456 bytes are not read" in result.stderr
    assert peak < _ROOM_KB


def test_a_line_of_a_gigabyte_spoils_a_replay_and_is_named(huge: Path) -> None:
    result, peak = _measured("replay", str(huge), "--", sys.executable, "-c", "")
    assert result.returncode == 3
    assert f"otel-agenttrace: {huge}:2: a line of" in result.stderr
    assert "Traceback" not in result.stderr
    assert peak < _ROOM_KB


def test_a_line_of_some_megabytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_FIRST.replace(b'"name":"chat', b'"name":"' + b"x" * (5 << 20) + b"chat") + _FIRST)
    result, _ = _measured("validate", str(path))
    assert (result.returncode, result.stdout) == (0, f"{path}: 2 spans, 2 recorded calls, all readable\n")


@pytest.mark.parametrize("arguments", [("grade",), ("ingest", "har", "-o", "out"), ("ingest", "vcr", "-o", "out")])
def test_a_foreign_file_of_a_gigabyte_is_refused_unread(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "huge.har"
    path.write_bytes(b"[")
    os.truncate(path, _HUGE)
    result, peak = _measured(*arguments, str(path))
    assert result.returncode == 3
    assert re.search(r"a (line|file) of 1,181,116,006 bytes", f"{result.stdout}{result.stderr}")
    assert peak < _ROOM_KB
