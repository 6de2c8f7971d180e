"""Recorded calls replaced and removed: what is not touched stays byte-identical, and every call still reads the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.cassette.appending import kept_still
from otel_agenttrace.cassette.aside import set_aside
from otel_agenttrace.cassette.index import Entry
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.rewriting import Change, changes_of, rewrite
from otel_agenttrace.cassette.sidecars import sidecar_folder, sidecars
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.errors import CassetteError, CassetteInaccessible
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.redact import redactor

_TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
_TURNS: Final = 10
_TOOLS: Final = [{"type": "function", "function": {"name": f"tool{n}", "description": "d" * 120}} for n in range(4)]


def _loop(word: str = "") -> list[dict[str, object]]:
    """Return the requests of an agent that calls tools: system prompt and tools large enough to be shared."""
    messages: list[dict[str, str]] = [{"role": "system", "content": f"{word} s" * 300}]
    bodies: list[dict[str, object]] = []
    for turn in range(_TURNS):
        messages = [*messages, {"role": "user", "content": f"{word} turn {turn} " + "x" * 90}]
        bodies.append({"model": "m", "messages": messages, "tools": _TOOLS})
    return bodies


def _call(
    body: object, number: int, *, answer: bytes = b"{}", replaces: str | None = None
) -> tuple[Span, RecordedCall]:
    content = json.dumps(body).encode()
    asked = requested("POST", "https://api.test/v1/chat/completions", "application/json", content, redactor({}))
    start_ns = 1_000_000 * (number + 1)
    exchange = Exchange(asked.request, start_ns + 5, start_ns + 900, "complete", 200, body=answer)
    span = Span(
        _TRACE_ID, f"{number + 1:016x}", "chat m", start_ns, start_ns + 1_000, parent_span_id="00f067aa0ba902b7"
    )
    return span, RecordedCall(Call(asked.key, (exchange,), "/agent#0", number), asked, replaces)


def _write(path: Path, bodies: Sequence[object]) -> None:
    writer = Writer(path, {"service.name": "s"})
    for number, body in enumerate(bodies):
        writer.write(*_call(body, number))
    writer.write(Span(_TRACE_ID, "00f067aa0ba902b7", "invoke_agent a", 1, 99_000_000))


def _requests(path: Path) -> list[object]:
    cassette = open_cassette(path, strict=True)
    return [json.loads(cassette.request(entry).body) for entry in cassette.index.calls]


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _record_again(path: Path, again: Mapping[int, object], *, new: Sequence[object] = ()) -> None:
    """Replace calls of a cassette, by their place from 0, as the root of a run does with the lines of its partial."""
    cassette = open_cassette(path, strict=True)
    writer = Writer(partial_path(path), {"service.name": "s"})
    for number, (index, body) in enumerate(again.items(), 100):
        writer.write(*_call(body, number, answer=b'{"again":true}', replaces=cassette.index.calls[index].place))
    for number, body in enumerate(new, 200):
        writer.write(*_call(body, number))
    if partial_path(path).exists():
        found = changes_of(partial_path(path), cassette)
        rewrite(path, found.changes, found.appended)
        partial_path(path).unlink()


def _entries(path: Path) -> list[Entry]:
    return open_cassette(path, strict=True).index.calls


# --- what stays ---------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.dictionaries(st.integers(0, _TURNS - 1), st.sampled_from(["removed", "same", "other", "short"]), max_size=5),
        min_size=1,
        max_size=3,
    ),
    new=st.integers(0, 2),
)
def test_any_calls_may_be_replaced_and_removed_and_all_others_read_the_same(
    steps: list[dict[int, str]], new: int
) -> None:
    other = _loop("other")
    with TemporaryDirectory() as folder:
        path = Path(folder, "c.otlp.jsonl")
        _write(path, _loop())
        expected = list(_requests(path))
        for step in steps:
            chosen = {index: fate for index, fate in step.items() if index < len(expected)}
            kinds: dict[str, Mapping[int, object]] = {
                "same": dict(enumerate(expected)),
                "other": {index: other[index % _TURNS] for index in range(len(expected))},
                "short": {index: {"model": "m", "input": index} for index in range(len(expected))},
            }
            again = {index: kinds[fate][index] for index, fate in chosen.items() if fate != "removed"}
            untouched = {line for line, entry in _by_line(path) if entry is None or entry not in chosen}
            _record_again(path, again, new=other[:new])
            assert untouched <= set(_lines(path)) | {line for line in untouched if b"shared content" in line}
            expected = [again.get(index, body) for index, body in enumerate(expected)] + other[:new]
            assert _requests(path) == expected
            gone = [index for index, fate in chosen.items() if fate == "removed"]
            rewrite(path, [Change(_entries(path)[index]) for index in gone])
            expected = [body for index, body in enumerate(expected) if index not in gone]
            assert _requests(path) == expected
            assert validated(path, "c").problems == ()
            assert len([span for span in at.load(path).spans if span.call is None]) == 1


def _by_line(path: Path) -> list[tuple[bytes, int | None]]:
    """Return each line of a cassette, with the place of its call among the calls."""
    offsets = {entry.line.offset: index for index, entry in enumerate(_entries(path))}
    lines, at_byte = [], 0
    for line in _lines(path):
        lines.append((line, offsets.get(at_byte)))
        at_byte += len(line)
    return lines


def test_only_the_line_of_a_call_that_is_recorded_again_changes(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    before = _lines(path)
    _record_again(path, {3: _loop()[3]})
    after = _lines(path)
    assert [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [3]


def test_a_call_recorded_again_keeps_its_place_in_tree_and_time_and_tells_when_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    before = at.load(path).spans[4]
    _record_again(path, {3: _loop()[3]})
    after = at.load(path).spans[4]
    made, made_ns = _call(_loop()[3], 100)[0], semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO
    assert after == replace(before, attributes={made_ns: made.start_ns})
    assert after.call is not None
    assert before.call is not None
    assert after.call.attempts == (replace(before.call.attempts[0], body=b'{"again":true}'),)
    assert (after.call.ticket, _entries(path)[3].place) == (before.call.ticket, _entries(path)[3].place)


def test_what_a_removed_call_shared_stands_on_a_carrier_that_nobody_shows(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    before = _lines(path)
    rewrite(path, [Change(_entries(path)[0])])
    after = _lines(path)
    assert after[1:] == before[1:]
    assert b"shared content" in after[0]
    assert b"agenttrace.exchange" not in after[0]
    assert len(after[0]) < len(before[0])
    assert _requests(path) == _loop()[1:]
    assert "shared content" not in [span.name for span in at.load(path).spans]
    assert validated(path, "c").calls == _TURNS - 1


def test_a_removed_call_that_shared_nothing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    before = _lines(path)
    rewrite(path, [Change(_entries(path)[-1])])
    assert _lines(path) == [*before[:9], *before[10:]]


def test_a_carrier_that_nobody_needs_any_more_goes(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    rewrite(path, [Change(_entries(path)[0])])
    rewrite(path, [Change(entry) for entry in _entries(path)[1:]])
    assert [b"shared content" in line for line in _lines(path)] == [True, False, False]
    rewrite(path, [Change(_entries(path)[0])], [_lines(path)[1]])
    rewrite(path, [Change(entry) for entry in _entries(path)])
    assert [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in _lines(path)] == [
        "invoke_agent a"
    ]


def test_a_line_with_several_spans_loses_only_the_call_that_goes(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop()[:2])
    first, second, agent = (json.loads(line) for line in _lines(path))
    scope = first["resourceSpans"][0]["scopeSpans"][0]
    for line in (second, agent):
        scope["spans"] += line["resourceSpans"][0]["scopeSpans"][0]["spans"]
    path.write_text(json.dumps(first) + "\n")
    assert _requests(path) == _loop()[:2]
    rewrite(path, [Change(_entries(path)[0])])
    assert _requests(path) == _loop()[1:2]
    assert [span.name for span in at.load(path).spans] == ["invoke_agent a", "chat m"]


def test_a_torn_last_line_goes_and_a_missing_newline_comes(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop()[:2])
    lines = _lines(path)
    path.write_bytes(b"".join(lines) + lines[1][:99])
    rewrite(path, [], [lines[1]])
    assert _lines(path) == [*lines, lines[1]]
    path.write_bytes(b"".join(lines)[:-1])
    rewrite(path, [], [lines[1]])
    assert _lines(path) == [*lines, lines[1]]


# --- files --------------------------------------------------------------------------------------------------------------


def test_the_large_body_of_a_call_that_goes_is_removed_unless_another_call_has_it(tmp_path: Path) -> None:
    path = tmp_path / "c"
    writer = Writer(path, {})
    for number, letter in enumerate((b"a", b"b", b"a")):
        writer.write(*_call({"input": number}, number, answer=letter * ((1 << 20) + 1)))
    assert len(sidecars(path)) == 2
    rewrite(path, [Change(entry) for entry in _entries(path)[:2]])
    (kept,) = sidecars(path)
    assert (sidecar_folder(path) / kept).read_bytes()[:1] == b"a"
    assert validated(path, "c").problems == ()


def test_a_cassette_that_cannot_be_written_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "held" / "c"
    path.parent.mkdir()
    _write(path, _loop())
    before = path.read_bytes()
    blocked = path.with_name(f"c.{os.getpid()}.{threading.get_ident()}")
    blocked.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CassetteInaccessible, match="cannot be written"):
        rewrite(path, [Change(_entries(path)[0])])
    assert path.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_cassette_that_is_written_anew_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    path.chmod(mode)
    rewrite(path, [Change(_entries(path)[0])])
    assert path.stat().st_mode & 0o777 == mode
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_a_cassette_that_was_changed_in_between_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _write(path, _loop())
    (entry, *_) = _entries(path)
    path.unlink()
    _write(path, _loop("other"))
    before = path.read_bytes()
    with pytest.raises(CassetteError, match="was changed while it was being recorded to again"):
        rewrite(path, [Change(entry)])
    assert path.read_bytes() == before


def test_no_other_process_appends_while_a_file_is_kept_still(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(b"{}\n")
    appends = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with kept_still(path) as content:
        assert content == b"{}\n"
        refused = subprocess.run(
            [sys.executable, "-c", appends, str(path)], capture_output=True, text=True, check=False
        )
    assert "BlockingIOError" in refused.stderr


def test_the_lines_of_one_run_are_set_aside_and_all_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for number, run in enumerate(("a1", "b2", "a11", "a1")):
        Writer(path, {semconv.AGENTTRACE_RUN_ID: run}).write(*_call({"n": number}, number))
    first, second, third, last = _lines(path)
    assert set_aside(path, "c3") is None
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
    assert set_aside(path, "a1") == partial_path(path)
    assert (_lines(path), _lines(partial_path(path))) == ([second, third], [first, last])
    path.write_bytes(first)
    set_aside(path, "a1")
    assert (path.exists(), _lines(partial_path(path))) == (False, [first])
