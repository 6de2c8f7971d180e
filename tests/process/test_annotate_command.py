"""The command `annotate`, and where its notes are shown."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import instrumented_environment

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_RUN: Final = "run.otlp.jsonl"


def _cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", *arguments]
    environment = instrumented_environment(None, None)
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / _RUN).write_bytes(_GOLDEN.read_bytes())
    return tmp_path


def test_a_note_is_told_when_it_is_made_and_shown_with_the_run_until_it_is_deleted(folder: Path) -> None:
    made = _cli(folder, "annotate", _RUN, "inference[2]", "--note", "asks twice", "--label", "flaky", "--bookmark")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines() == [
        "3 annotations added to 1 span",
        "  78e510617311d8a3  inference[2]  chat gpt-4o-mini",
    ]
    assert "★ [flaky] “asks twice”  echo 4" in _cli(folder, "show", _RUN).stdout
    assert "★ [flaky] “asks twice”  echo 4" in _cli(folder, "play", "--speed", "0", _RUN).stdout
    told = json.loads(_cli(folder, "show", "--json", _RUN).stdout)["spans"][3]["annotation"]
    assert told == {"notes": ["asks twice"], "labels": ["flaky"], "bookmark": True}
    handed = json.loads(_cli(folder, "export", _RUN, "--format", "json").stdout)["runs"][0]["spans"][3]["annotation"]
    assert handed == told
    assert _cli(folder, "annotate", _RUN, "78e5", "--delete").stdout == "3 annotations deleted\n"
    assert "asks twice" not in _cli(folder, "show", _RUN).stdout


def test_what_is_on_a_span_that_is_gone_is_deleted_by_the_id_that_it_had(folder: Path) -> None:
    assert _cli(folder, "annotate", _RUN, "last", "--note", "asks twice").returncode == 0
    lines = (folder / _RUN).read_bytes().splitlines(keepends=True)
    (folder / _RUN).write_bytes(lines[0])
    listed = _cli(folder, "annotate", _RUN, "--list", "--json")
    (gone,) = json.loads(listed.stdout)["gone"]
    deleted = _cli(folder, "annotate", _RUN, gone["span_id"], "--delete")
    assert (deleted.returncode, deleted.stdout) == (0, "1 annotation deleted\n")
    assert [path.name for path in folder.iterdir()] == [_RUN]


def test_the_list_tells_span_place_and_what_is_on_it(folder: Path) -> None:
    _cli(folder, "annotate", _RUN, "inference", "--all", "--label", "seen")
    told = json.loads(_cli(folder, "annotate", _RUN, "--list", "--json").stdout)
    assert [(each["place"], each["annotation"]["labels"]) for each in told["spans"]] == [
        ("inference[1]", ["seen"]),
        ("inference[2]", ["seen"]),
    ]
    shown = _cli(folder, "annotate", _RUN, "inference[2]").stdout.splitlines()
    assert [line.split() for line in shown[1:]] == [["78e51061", "inference[2]", "chat", "gpt-4o-mini", "[seen]"]]


def test_a_secret_in_a_note_is_replaced_before_it_is_written(folder: Path) -> None:
    secret = "ghp_" + secrets.token_hex(18)
    made = _cli(folder, "annotate", _RUN, "tool", "--note", f"used {secret}")
    assert made.returncode == 0
    assert "a secret was replaced" in made.stderr
    assert all(secret not in path.read_text(encoding="utf-8") for path in folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("inference", "--label", "x"), "'inference' means 2 spans: name one of them, or give --all."),
        (("retrieval", "--label", "x"), "No span is meant by 'retrieval'"),
        (("chatt", "--label", "x"), "No span is meant by 'chatt'"),
        (("inference[", "--label", "x"), "The selector cannot be read"),
        (("--label", "x"), "Which span?"),
        (("--delete",), "Delete what?"),
        (("tool", "--list", "--bookmark"), "--list prints, and changes nothing"),
    ],
)
def test_what_is_not_certain_is_refused_and_nothing_is_written(
    arguments: tuple[str, ...], told: str, folder: Path
) -> None:
    refused = _cli(folder, "annotate", _RUN, *arguments)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert [path.name for path in folder.iterdir()] == [_RUN]


def test_tools_are_counted_by_show(folder: Path) -> None:
    shown = _cli(folder, "inspect", "--tools", _RUN)
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["tool", "calls", "errors", "time", "arguments"],
        ["weather", "1", "0", "1", "ms", "{city:", "string}"],
    ]
    told = json.loads(_cli(folder, "show", "--tools", "--json", _RUN).stdout)
    assert told == {
        "tools": [
            {
                "tool": "weather",
                "calls": 1,
                "executed": 1,
                "errors": 0,
                "duration_ns": 1_000_000,
                "shapes": [{"arguments": "{city: string}", "calls": 1}],
            }
        ],
        "untold": 0,
    }
