"""Notes, labels and bookmarks that people put on spans, in a file beside the cassette. Spans and texts in, and back.

A line of the file is one of them. It names its span by its id, and by name and place: a run that is recorded again has
new ids. What the cassette holds is never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace.cassette.appending import AppendedFile, kept_still
from otel_agenttrace.cassette.held import recordable
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.cassette.sidecars import notes_path, other_forms
from otel_agenttrace.jsonvalue import obj, parse, text
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Subject, subjects

__all__ = [
    "NOTHING",
    "Annotation",
    "Annotations",
    "Mark",
    "Remark",
    "add_remarks",
    "annotations_of",
    "carried",
    "delete_remarks",
    "new_remarks",
    "remarks_on",
    "remove_annotations",
    "replace_remarks",
]

Mark: TypeAlias = Literal["note", "label", "bookmark"]
_MARKS: Final[tuple[Mark, ...]] = ("note", "label", "bookmark")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that somebody put on a span; a bookmark has no text.

    Attributes:
        trace_id: Of the span, as it was then.
        span_id: The same.
        name: The same.
        place: The selector of its place then: `inference[2]`, `#7`.
        mark: What it is.
        text: What it says.
    """

    trace_id: str
    span_id: str
    name: str
    place: str
    mark: Mark
    text: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """All that people put on one span."""

    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    bookmark: bool = False


_Key: TypeAlias = "tuple[str, str]"


@dataclass(frozen=True, slots=True)
class Annotations:
    """What is annotated in a run.

    Attributes:
        remarks: Each remark whose span is there, by trace id and span id, in the order they were made.
        gone: Remarks whose spans are not there any more.
        damaged: Numbers of the lines that tell nothing.
    """

    remarks: Mapping[_Key, tuple[Remark, ...]] = field(default_factory=dict[_Key, "tuple[Remark, ...]"])
    gone: tuple[Remark, ...] = ()
    damaged: tuple[int, ...] = ()

    def on(self, span: Span) -> tuple[Remark, ...]:
        """Return the remarks on a span."""
        return self.remarks.get((span.trace_id, span.span_id), ())

    def of(self, span: Span) -> Annotation | None:
        """Return what people put on a span, or None."""
        found = self.on(span)
        if not found:
            return None
        notes = tuple(remark.text for remark in found if remark.mark == "note")
        labels = tuple(remark.text for remark in found if remark.mark == "label")
        return Annotation(notes, labels, any(remark.mark == "bookmark" for remark in found))


NOTHING: Final = Annotations()


def annotations_of(trace: Trace) -> Annotations:
    """Return what is annotated in a run that was read from a file.

    A remark is of the span with its ids; where there is none, of the span with its name at its place: in one run of several
    that a file tells, places are others.

    Raises:
        OSError: If the file beside it cannot be read.
    """
    path = None if trace.path is None else notes_path(trace.path)
    if path is None or not path.is_file():
        return NOTHING
    remarks, damaged = _read(path.read_bytes())
    found = list(subjects(trace))
    by_id = {(subject.span.trace_id, subject.span.span_id): subject for subject in found}
    by_place = {} if trace.is_part else {(subject.span.name, subject.place): subject for subject in found}
    there: dict[_Key, tuple[Remark, ...]] = {}
    gone: list[Remark] = []
    for remark in remarks:
        subject = by_id.get((remark.trace_id, remark.span_id)) or by_place.get((remark.name, remark.place))
        if subject is None:
            gone.append(remark)
        else:
            key = (subject.span.trace_id, subject.span.span_id)
            there[key] = (*there.get(key, ()), remark)
    return Annotations(there, tuple(gone), damaged)


def _read(content: bytes) -> tuple[tuple[Remark, ...], tuple[int, ...]]:
    lines = [(number, _remark(line)) for number, line in enumerate(content.splitlines(), 1)]
    remarks = tuple(remark for _, remark in lines if remark is not None)
    return remarks, tuple(number for number, remark in lines if remark is None)


def _remark(line: bytes) -> Remark | None:
    try:
        record = obj(parse(line))
    except (ValueError, RecursionError):
        return None
    mark = text(record.get("mark"))
    if mark not in _MARKS:
        return None
    told = [text(record.get(name)) or "" for name in ("trace_id", "span_id", "name", "place")]
    return Remark(*told, mark=mark, text=text(record.get("text")) or "")


def new_remarks(known: Annotations, spans: Iterable[Subject], told: Sequence[tuple[Mark, str]]) -> tuple[Remark, ...]:
    """Return a remark for each span and each thing told that is not on it yet."""
    return tuple(
        Remark(span.trace_id, span.span_id, span.name, place, mark, text)
        for span, place in ((subject.span, subject.place) for subject in spans)
        for mark, text in dict.fromkeys(told)
        if not any((there.mark, there.text) == (mark, text) for there in known.on(span))
    )


def carried(sources: Iterable[Annotations], made: Trace) -> tuple[Remark, ...]:
    """Return the remarks on the spans of a run that was made of others, each once, with its place there."""
    known = tuple(sources)
    found = (
        Remark(span.trace_id, span.span_id, span.name, place, remark.mark, remark.text)
        for span, place in ((subject.span, subject.place) for subject in subjects(made))
        for annotations in known
        for remark in annotations.on(span)
    )
    return tuple(dict.fromkeys(found))


def remarks_on(known: Annotations, spans: Iterable[Span] | None, span_id: str = "") -> tuple[Remark, ...]:
    """Return the remarks on some spans, and those on a span that is gone, whose id began so; without spans all of them."""
    if spans is None:
        return (*chain.from_iterable(known.remarks.values()), *known.gone)
    return (
        *chain.from_iterable(map(known.on, spans)),
        *(remark for remark in known.gone if remark.span_id.startswith(span_id)),
    )


def add_remarks(path: Path, remarks: Iterable[Remark]) -> None:
    """Write remarks beside a cassette, each as a line of its own under a lock.

    Raises:
        CassetteInaccessible: If they cannot be written.
    """
    beside = notes_path(path)
    with recordable(beside):
        file = AppendedFile(beside, create=True)
        for remark in remarks:
            file.append((json.dumps(asdict(remark), ensure_ascii=False) + "\n").encode(errors="backslashreplace"))


def replace_remarks(path: Path, remarks: Sequence[Remark]) -> None:
    """Let these remarks be beside a cassette, and no others.

    Raises:
        CassetteInaccessible: If they cannot be written.
        OSError: If those that are there cannot be read.
    """
    beside = notes_path(path)
    there = frozenset(_read(beside.read_bytes())[0] if beside.is_file() else ())
    add_remarks(path, (remark for remark in remarks if remark not in there))
    if not there <= frozenset(remarks):
        delete_remarks(path, lambda remark: remark not in remarks)


def delete_remarks(path: Path, is_meant: Callable[[Remark], bool]) -> tuple[Remark, ...]:
    """Remove remarks beside a cassette, and return them; the file goes with the last one.

    Raises:
        CassetteInaccessible: If the file cannot be written.
    """
    beside = notes_path(path)
    with recordable(beside), kept_still(beside) as content:
        lines = [(line, _remark(line)) for line in content.splitlines(keepends=True)]
        deleted = tuple(remark for _, remark in lines if remark is not None and is_meant(remark))
        kept = b"".join(line for line, remark in lines if remark is None or not is_meant(remark))
        if deleted and kept:
            write_private(beside, kept)
        elif deleted:
            beside.unlink()
    return deleted


def remove_annotations(path: Path) -> None:
    """Remove what stands beside a cassette that was removed, unless its partial or its packed form is still there.

    Raises:
        OSError: If the file cannot be removed.
    """
    if next(other_forms(path), None) is None and not path.exists():
        notes_path(path).unlink(missing_ok=True)
