"""Read what retrievals found. Trace in, documents with their scores out; what is not told is None."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, array, number, obj, parse, text
from otel_agenttrace.model import Span, Trace

__all__ = ["Document", "Retrieval", "retrievals"]


@dataclass(frozen=True, slots=True)
class Document:
    """A document, or a piece of one, that a retrieval found."""

    id: str | None
    score: float | None
    content: str | None
    content_sha256: str | None = None

    @property
    def identity(self) -> str | None:
        """What it is known by: its id, else its content; None where neither is told."""
        return self.id or self.content or None

    @property
    def digest(self) -> str | None:
        """The sha256 of its content, or what is told to be that; None where neither is."""
        if self.content is None:
            return self.content_sha256
        return hashlib.sha256(self.content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A retrieval and what it found, best first as it is told; None where that is not recorded."""

    span: Span
    documents: tuple[Document, ...] | None

    @property
    def query(self) -> str | None:
        """What was looked for; None where that is not recorded."""
        return text(self.span.attributes.get(semconv.GEN_AI_RETRIEVAL_QUERY_TEXT))


def retrievals(trace: Trace) -> tuple[Retrieval, ...]:
    """Return the retrievals of a run, in order of their start."""
    spans = (span for span in trace.spans if span.operation == semconv.OPERATION_RETRIEVAL)
    return tuple(Retrieval(span, _documents(span)) for span in spans)


def _documents(span: Span) -> tuple[Document, ...] | None:
    told = span.attributes.get(semconv.GEN_AI_RETRIEVAL_DOCUMENTS)
    if isinstance(told, str):
        try:
            listed = parse(told)
        except ValueError:
            return None
    else:
        listed = cast("Json", told)
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return None
    return tuple(_document(each) for each in array(listed))


def _document(told: Json) -> Document:
    if isinstance(told, str):
        return Document(None, None, told)
    members = obj(told)
    named, score = members.get("id"), number(members.get("score"))
    return Document(
        id=None if named is None else str(named),
        score=None if score is None else float(score),
        content=text(members.get("content")),
        content_sha256=text(members.get("content_sha256")),
    )
