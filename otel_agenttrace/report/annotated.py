"""Show what people put on the spans of a run. Trace and annotations in, a report and its page out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otel_agenttrace.library.annotations import Annotation, Annotations, Remark
from otel_agenttrace.model import Trace
from otel_agenttrace.report.page import Block, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import counted
from otel_agenttrace.selectors import Subject, subjects

__all__ = ["AnnotatedRun", "AnnotatedSpan", "annotated", "annotated_page", "unplaced_lines"]


@dataclass(frozen=True, slots=True)
class AnnotatedSpan:
    """A span with what people put on it; `place` is the selector of its place in the run."""

    trace_id: str
    span_id: str
    name: str
    place: str
    annotation: Annotation


@dataclass(frozen=True, slots=True)
class AnnotatedRun:
    """What is annotated in a run.

    Attributes:
        spans: Annotated spans, in order of their start.
        gone: Remarks on spans that are not there any more.
        damaged: Numbers of the lines, in the file of the annotations, that tell nothing.
    """

    spans: tuple[AnnotatedSpan, ...]
    gone: tuple[Remark, ...]
    damaged: tuple[int, ...]


def annotated(trace: Trace, annotations: Annotations, only: Iterable[Subject] | None = None) -> AnnotatedRun:
    """Return the annotated spans of a run, or those of some spans."""
    spans = [
        AnnotatedSpan(span.trace_id, span.span_id, span.name, subject.place, annotation)
        for subject in (subjects(trace) if only is None else only)
        if (annotation := annotations.of(span := subject.span)) is not None
    ]
    return AnnotatedRun(tuple(spans), annotations.gone, annotations.damaged)


def annotated_page(run: AnnotatedRun) -> Iterator[Block]:
    """Yield the blocks that tell it."""
    if not run.spans:
        yield Line(("no span is annotated",))
    else:
        columns = (Column("span"), Column("place"), Column("name"), Column("annotation"))
        yield Table(columns, tuple(_rows(run.spans)))
    for line in unplaced_lines(run):
        yield Line((line,), "yellow")
    if run.gone:
        columns = (Column("span"), Column("was at"), Column("name"), Column("annotation"))
        yield Heading("of spans that are gone")
        rows = (
            (Told(each.span_id[:8]), Told(each.place), Told(each.name), _told(each.mark, each.text))
            for each in run.gone
        )
        yield Table(columns, tuple(rows))


def _rows(spans: Iterable[AnnotatedSpan]) -> Iterator[tuple[str | Told, ...]]:
    """Yield a row for each remark; what names the span stands in the first one."""
    for each in spans:
        head: tuple[str | Told, ...] = (each.span_id[:8], each.place, Told(each.name))
        for told in _remarks(each.annotation):
            yield (*head, told)
            head = ("", "", "")


def _remarks(annotation: Annotation) -> Iterator[str | Told]:
    if annotation.bookmark:
        yield _told("bookmark", "")
    for label in annotation.labels:
        yield _told("label", label)
    for note in annotation.notes:
        yield _told("note", note)


def _told(mark: str, text: str) -> str | Told:
    return "★" if mark == "bookmark" else Told(f"[{text}]" if mark == "label" else text)


def unplaced_lines(run: AnnotatedRun | Annotations) -> Iterator[str]:
    """Yield what cannot be shown beside a span."""
    if run.gone:
        one = len(run.gone) == 1
        yield f"{counted(len(run.gone), 'annotation')} {'is of a span that is' if one else 'are of spans that are'} not in this run any more"
    if run.damaged:
        yield f"not read in the file of the annotations: line {', '.join(map(str, run.damaged))}"
