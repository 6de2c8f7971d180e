"""Facts about what people put beside the spans of a run."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.naming import spans_named
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.sidecars import notes_path
from otel_agenttrace.errors import CassetteInaccessible
from otel_agenttrace.library.annotations import (
    Annotation,
    Mark,
    add_remarks,
    annotations_of,
    delete_remarks,
    new_remarks,
    remarks_on,
)
from otel_agenttrace.library.combining import merged, opened, sliced, split, write
from otel_agenttrace.library.pruning import Pruned, remove
from otel_agenttrace.report.annotated import annotated, annotated_page, unplaced_lines
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.terminal import trace_json
from otel_agenttrace.selectors import subjects

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_SECOND: Final = "78e510617311d8a3"
"""The span id of the second call to a model in the golden cassette."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_GOLDEN.read_bytes())
    return path


def _put(run: Path, meant: str, *told: tuple[Mark, str]) -> None:
    trace = at.load(run)
    add_remarks(run, new_remarks(annotations_of(trace), spans_named(trace, meant), told))


def test_what_is_put_on_a_span_is_beside_the_cassette_which_stays_as_it_is(run: Path) -> None:
    _put(run, "inference[2]", ("note", "asks twice"), ("label", "flaky"), ("bookmark", ""))
    trace = at.load(run)
    found = {span.span_id: annotations_of(trace).of(span) for span in trace.spans}
    assert found.pop(_SECOND) == Annotation(("asks twice",), ("flaky",), bookmark=True)
    assert set(found.values()) == {None}
    assert run.read_bytes() == _GOLDEN.read_bytes()
    assert [path.name for path in run.parent.iterdir() if path != run] == ["run.otlp.jsonl.notes.jsonl"]


@pytest.mark.parametrize("meant", [_SECOND, _SECOND[:4].upper(), "inference[2]", "inference[-1]"])
def test_a_span_is_meant_by_its_id_or_by_a_selector(meant: str) -> None:
    assert [each.span.span_id for each in spans_named(at.load(_GOLDEN), meant)] == [_SECOND]


def test_a_name_means_each_span_that_has_it() -> None:
    places = [each.place for each in spans_named(at.load(_GOLDEN), "chat gpt-4o-mini")]
    assert places == ["inference[1]", "inference[2]"]


def test_the_same_thing_is_put_on_a_span_once(run: Path) -> None:
    for _ in range(2):
        _put(run, "tool", ("label", "slow"), ("label", "slow"))
    assert len(notes_path(run).read_text(encoding="utf-8").splitlines()) == 1


def test_partial_packed_form_and_cassette_share_one_file() -> None:
    names = ("a.otlp.jsonl", "a.otlp.jsonl.partial", "a.otlp.jsonl.zst")
    assert {notes_path(Path(name)) for name in names} == {Path("a.otlp.jsonl.notes.jsonl")}


def test_a_run_recorded_anew_keeps_them_by_name_and_place(run: Path) -> None:
    _put(run, "inference[2]", ("note", "asks twice"))
    trace = at.load(run)
    anew = replace(
        trace, spans=tuple(replace(span, trace_id="b" * 32, span_id=span.span_id[::-1]) for span in trace.spans)
    )
    found = annotations_of(anew)
    assert [span.span_id[::-1] for span in anew.spans if found.of(span)] == [_SECOND]
    assert found.gone == ()


def test_of_a_span_that_is_gone_they_are_told_and_can_be_deleted(run: Path) -> None:
    _put(run, "inference[2]", ("note", "asks twice"))
    _put(run, "tool", ("note", "here"))
    trace = at.load(run)
    shorter = replace(trace, spans=tuple(span for span in trace.spans if span.span_id != _SECOND))
    found = annotations_of(shorter)
    assert [remark.text for remark in found.gone] == ["asks twice"]
    assert list(unplaced_lines(found)) == ["1 annotation is of a span that is not in this run any more"]
    assert "asks twice" in page_markdown(annotated_page(annotated(shorter, found)))
    doomed = remarks_on(found, (), _SECOND[:5])
    assert delete_remarks(run, doomed.__contains__) == found.gone
    assert annotations_of(shorter).gone == ()


def test_what_is_deleted_is_no_longer_on_disk(run: Path) -> None:
    _put(run, "tool", ("note", "a name of somebody"), ("label", "slow"))
    delete_remarks(run, lambda remark: remark.mark == "note")
    assert "somebody" not in notes_path(run).read_text(encoding="utf-8")
    delete_remarks(run, lambda _: True)
    assert not notes_path(run).exists()


def test_a_line_that_tells_nothing_is_named_and_kept(run: Path) -> None:
    _put(run, "tool", ("note", "before"))
    with notes_path(run).open("a", encoding="utf-8") as file:
        file.write("no json\n" + json.dumps({"mark": "curse"}) + "\n")
    _put(run, "tool", ("note", "after"))
    found = annotations_of(at.load(run))
    assert found.damaged == (2, 3)
    assert [remark.text for remarks in found.remarks.values() for remark in remarks] == ["before", "after"]
    delete_remarks(run, lambda remark: remark.text == "before")
    assert notes_path(run).read_text(encoding="utf-8").startswith("no json\n")


def test_many_may_write_at_once(run: Path) -> None:
    writers = [threading.Thread(target=_put, args=(run, "tool", ("note", f"note {number}"))) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    (remarks,) = annotations_of(at.load(run)).remarks.values()
    assert sorted(remark.text for remark in remarks) == [f"note {number}" for number in range(8)]


def test_no_link_is_followed_on_writing(run: Path, tmp_path: Path) -> None:
    notes_path(run).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        _put(run, "tool", ("note", "see"))
    assert not (tmp_path / "elsewhere").exists()


def test_programs_are_told_of_them_beside_each_span(run: Path) -> None:
    _put(run, "tool", ("label", "slow"))
    trace = at.load(run)
    told = json.loads(json.dumps(trace_json(trace, annotations_of(trace))))
    assert [span["annotation"] for span in told["spans"] if span["annotation"]] == [
        {"notes": [], "labels": ["slow"], "bookmark": False}
    ]


def test_they_come_along_where_cassettes_are_put_together_and_taken_apart(run: Path) -> None:
    _put(run, "inference[1]", ("note", "first"))
    _put(run, "inference[2]", ("note", "second"), ("label", "flaky"))
    second, all_of_it, again = (run.with_name(f"{name}.otlp.jsonl") for name in ("second", "all", "again"))
    write(sliced(opened(run), "inference[2]", lambda _: None), second, replaces=False)
    assert _told(second) == [("inference[1]", "second"), ("inference[1]", "flaky")]
    _put(second, "inference[1]", ("note", "of the part"))
    write(merged([second, run]), all_of_it, replaces=False)
    assert [text for _, text in _told(all_of_it)] == ["first", "second", "flaky", "of the part"]
    ((_, made),) = split(opened(all_of_it), "trace")
    write(made, again, replaces=False)
    assert _told(again) == _told(all_of_it)


def test_those_on_spans_of_a_file_that_is_replaced_stay_if_the_spans_do(run: Path) -> None:
    _put(run, "inference[1]", ("note", "first"))
    _put(run, "inference[2]", ("note", "second"))
    write(sliced(opened(run), "inference[2]", lambda _: None), run, replaces=True)
    assert _told(run) == [("inference[1]", "second")]
    assert annotations_of(at.load(run)).gone == ()
    run.write_bytes(b"{]\n")  # a damaged one may be replaced, and tells nothing of what is gone
    part = run.with_name("part.otlp.jsonl")
    part.write_bytes(_GOLDEN.read_bytes())
    write(merged([part]), run, replaces=True)
    assert _told(run) == [("inference[2]", "second")]


def _told(run: Path) -> list[tuple[str, str]]:
    trace = at.load(run)
    places = {subject.span.span_id: subject.place for subject in subjects(trace)}
    return [(places[span.span_id], remark.text) for span in trace.spans for remark in annotations_of(trace).on(span)]


def test_they_go_with_the_last_form_of_their_cassette(run: Path) -> None:
    _put(run, "tool", ("note", "see"))
    pack(run)
    remove([Pruned(run, None, 0)])
    assert notes_path(run).exists()
    remove([Pruned(run.with_name("run.otlp.jsonl.zst"), None, 0)])
    assert list(run.parent.iterdir()) == []
