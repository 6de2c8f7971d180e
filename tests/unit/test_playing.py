"""Facts about how a run is played: what comes when, and what is followed while it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.library.following import Followed
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.report.playing import paused_line, played, wait_ns
from otel_agenttrace.selectors import parse_selector

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_MS: Final = 1_000_000


def _lines(chosen: str | None = None) -> list[tuple[int, str]]:
    selector = parse_selector(chosen) if chosen else None
    return [(each.at_ns // _MS, str(each.line)) for each in played(at.load(_GOLDEN), selector, excerpt)]


def test_each_span_comes_when_it_ended_the_run_with_its_totals_last() -> None:
    lines = _lines()
    assert [ms for ms, _ in lines] == [4, 6, 13, 14]
    assert lines[1][1] == '     +6 ms  execute_tool weather  1 ms  {"city":"Zürich"}'
    assert lines[-1][1].endswith("invoke_agent packing-advisor  14 ms  2 calls  565 tokens  $0.0001119")


def test_a_selector_chooses_what_is_shown() -> None:
    assert [line.split("  ")[-2] for _, line in _lines("tool")] == ["1 ms"]


@pytest.mark.parametrize(
    ("speed", "longest_ns", "waited_ns"),
    [(1, None, 900), (2, None, 450), (0, None, 0), (1, 100, 100), (0.5, 2000, 1800)],
)
def test_waits_are_scaled_and_never_longer_than_asked_for(speed: float, longest_ns: int | None, waited_ns: int) -> None:
    assert wait_ns(900, speed, longest_ns) == waited_ns
    assert str(paused_line(90_000 * _MS)).strip() == "… 1 min 30 s"


def test_a_run_is_followed_from_before_it_begins_until_it_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    lines = _GOLDEN.read_bytes().splitlines(keepends=True)
    warned: list[str] = []
    followed = Followed(path, warned.append)
    assert (followed.is_there, followed.look()) == (False, ())
    recording = Recording(path)
    names: list[list[str]] = []
    for end in (lines[0], lines[1] + lines[2][:50], lines[2][50:], b""):
        with partial_path(path).open("ab") as file:
            file.write(end)
        names.append([span.name for span in followed.look()])
        assert not followed.is_over
    with partial_path(path).open("ab") as file:
        file.write(lines[3])
    recording.finish()
    names.append([span.name for span in followed.look()])
    in_file = [span.name for span in at.load(_GOLDEN).spans]
    assert [len(each) for each in names] == [1, 1, 1, 0, 1]
    assert sorted(name for each in names for name in each) == sorted(in_file)
    assert (followed.is_over, followed.was_killed, warned) == (True, False, [])


def test_a_partial_that_nobody_holds_is_read_and_over(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    partial_path(path).write_bytes(_GOLDEN.read_bytes()[:-40])
    warned: list[str] = []
    followed = Followed(partial_path(path), warned.append)
    assert len(followed.look()) == 3
    assert not followed.is_over
    followed.look()
    assert (followed.is_over, followed.was_killed, len(followed.spans), len(warned)) == (True, True, 3, 1)


def test_a_file_that_others_append_to_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    lines = _GOLDEN.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    followed = Followed(path, pytest.fail)
    assert len(followed.look()) == 1
    with path.open("ab") as file:
        file.writelines(lines[1:])
    assert (len(followed.look()), len(followed.look()), followed.is_over) == (3, 0, False)
