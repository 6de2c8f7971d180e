"""Parts of cassettes: whichever spans are kept, each request reads as it did, and lines that are not touched stay as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.cassette.beginning import check_may_be_replaced
from otel_agenttrace.cassette.places import runs_below
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.errors import CassetteCorrupt, CassetteInaccessible, ConfigError
from otel_agenttrace.library.combining import merged, opened, sliced, split, write
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.redact import redactor

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_TURNS: Final = 6
_TOOLS: Final = [{"name": f"tool{n}", "description": "d" * 300} for n in range(3)]


def _write(path: Path, word: str = "a", trace: int = 1) -> None:
    """Write a conversation that grows, below one root: each call leaves to the ones before what they hold."""
    writer = Writer(path, {"service.name": "s"})
    trace_id, root = f"{trace:032x}", f"{trace:015x}f"
    messages: list[dict[str, str]] = [{"role": "system", "content": f"{word} s" * 200}]
    for turn in range(_TURNS):
        messages = [*messages, {"role": "user", "content": f"{word} {turn} " + "x" * 300}]
        body = json.dumps({"model": "m", "messages": messages, "tools": _TOOLS}).encode()
        asked = requested("POST", "https://api.test/v1/chat/completions", "application/json", body, redactor({}))
        start_ns = 1_000 * (turn + 1)
        exchange = Exchange(asked.request, start_ns, start_ns + 9, "complete", 200, body=f"{turn}".encode())
        span = Span(
            trace_id, f"{trace:08x}{turn + 1:08x}", f"chat {turn}", start_ns, start_ns + 10, parent_span_id=root
        )
        writer.write(span, RecordedCall(Call(asked.key, (exchange,), "", turn), asked))
    writer.write(Span(trace_id, root, f"root {word}", 1, 99_000))


def _requests(path: Path) -> dict[str, str]:
    """Return the whole request of each call, by the id of its span."""
    cassette = open_cassette(path, strict=True)
    return {entry.span_id: cassette.request(entry).body for entry in cassette.index.calls}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 2 * _TURNS + 1), min_size=1))
def test_whatever_is_kept_each_request_is_whole_and_each_line_as_it_was(chosen: set[int]) -> None:
    with TemporaryDirectory() as folder:
        one, two, both, part = (Path(folder, f"{name}.otlp.jsonl") for name in ("one", "two", "both", "part"))
        _write(one)
        _write(two, trace=2)  # says the same: its lines hold all that the first one's do
        write(merged([one, two]), both, replaces=False)
        before = _requests(both)
        source = opened(both)
        kept = {at for number, at in enumerate(source.spans) if number in chosen}
        write(source.only(kept), part, replaces=False)
        report = validated(part, "part")
        assert (report.problems, report.spans) == ((), len(kept))
        after = _requests(part)
        assert after == {span_id: before[span_id] for span_id in after}
        assert {span.span_id for span in open_cassette(part).spans()} == {source.spans[at].span_id for at in kept}
        lines = both.read_bytes().splitlines(keepends=True)
        starts = [offset for offset, _ in source.spans]
        assert {line for line, start in zip(lines, starts, strict=True) if (start, 0) in kept} <= set(
            part.read_bytes().splitlines(keepends=True)
        )


def test_a_part_holds_nothing_of_the_others_that_it_does_not_need(tmp_path: Path) -> None:
    path = tmp_path / "a.otlp.jsonl"
    _write(path)
    made = sliced(opened(path), "name='chat 1'", lambda _: None)
    assert b"a 1 xxx" in made.content
    assert b"a 0 xxx" in made.content  # the beginning of its conversation
    assert b"a 2 xxx" not in made.content
    assert (made.spans, made.left_out) == (2, _TURNS - 1)


def test_those_above_come_along_and_those_inside_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.otlp.jsonl"
    _write(path)
    alone = sliced(opened(path), "name='root a'", lambda _: None)
    inside = sliced(opened(path), "name='root a'", lambda _: None, with_inside=True)
    assert (alone.spans, inside.spans) == (1, _TURNS + 1)
    assert inside.content == path.read_bytes()


def test_traces_without_an_agent_are_split_by_what_stands_above_all(tmp_path: Path) -> None:
    for number, word in enumerate("ab", 1):
        _write(tmp_path / f"{word}.otlp.jsonl", word, number)
    both = tmp_path / "both.otlp.jsonl"
    write(merged([tmp_path / "a.otlp.jsonl", tmp_path / "b.otlp.jsonl"]), both, replaces=False)
    assert [name for name, _ in split(opened(both), "agent")] == ["root a", "root b"]
    assert [name for name, _ in split(opened(both), "trace")] == [f"{1:032x}", f"{2:032x}"]


def test_of_a_span_that_two_files_tell_the_first_counts_and_what_others_need_of_the_second_stays(
    tmp_path: Path,
) -> None:
    one, two, both = (tmp_path / f"{name}.otlp.jsonl" for name in ("one", "two", "both"))
    _write(one, "a")
    _write(two, "b")  # the same ids, another conversation
    extra = (
        two.read_bytes()
        .splitlines(keepends=True)[3]
        .replace(b'"spanId":"0000000100000004"', b'"spanId":"%s"' % (b"c" * 16))
    )
    two.write_bytes(two.read_bytes() + extra)
    write(merged([one, two]), both, replaces=False)
    requests = _requests(both)
    assert requests.pop("c" * 16) == _requests(two)["0000000100000004"]
    assert requests == _requests(one)
    assert validated(both, "both").problems == ()


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    one, two = tmp_path / "one.otlp.jsonl", tmp_path / "two.otlp.jsonl"
    _write(one)
    whole = one.read_bytes()
    _write(two, "b", 2)
    one.write_bytes(whole[:-30])
    lines = whole.splitlines(keepends=True)
    assert merged([one, two]).content == b"".join(lines[:-1]) + two.read_bytes()


def test_a_damaged_cassette_is_named_and_nothing_is_made_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.otlp.jsonl"
    path.write_bytes(b"{]\n" + _GOLDEN.read_bytes())
    with pytest.raises(CassetteCorrupt, match=r"a\.otlp\.jsonl:1: not JSON"):
        merged([_GOLDEN, path])


def test_recordings_and_exported_traces_are_not_mixed(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.otlp.jsonl"
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    foreign.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n")
    with pytest.raises(ConfigError, match=r"foreign\.otlp\.jsonl is a trace that others exported"):
        merged([_GOLDEN, foreign])
    assert merged([foreign, foreign]).content == foreign.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.otlp.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(CassetteInaccessible, match="it is no file but a pipe"):
        check_may_be_replaced(pipe, "written")
    assert runs_below(tmp_path) == ()


def test_what_is_no_cassette_is_not_replaced(tmp_path: Path) -> None:
    program = tmp_path / "agent.py"
    program.write_text("print('hi')\n")
    with pytest.raises(CassetteInaccessible, match="it is a file of another kind"):
        write(merged([_GOLDEN]), program, replaces=True)
    link = tmp_path / "link.otlp.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        write(merged([_GOLDEN]), link, replaces=True)
    with pytest.raises(ConfigError, match="the name of a packed cassette"):
        write(merged([_GOLDEN]), tmp_path / "a.otlp.jsonl.zst", replaces=False)
    assert program.read_text() == "print('hi')\n"
    assert not (tmp_path / "elsewhere").exists()
