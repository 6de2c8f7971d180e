"""Tell how much of what a model is asked was retrieved. Question and documents in, a share out; by characters, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from otel_agenttrace.analyze.retrievals import Retrieval
from otel_agenttrace.model import Span

__all__ = ["pieces_before", "share_of"]


def pieces_before(span: Span, found: Sequence[Retrieval]) -> list[str]:
    """Return the content of the documents of retrievals that had ended when a call began, each once."""
    ended = [each for each in found if each.span.end_ns is not None and each.span.end_ns <= span.start_ns]
    told = (document.content for each in ended for document in each.documents or ())
    return list(dict.fromkeys(filter(None, told)))


def share_of(question: str | None, pieces: Sequence[str]) -> float | None:
    """Return the share of the characters of a question that stand in one of some pieces; None without a question."""
    if not question:
        return None
    changes = [0] * (len(question) + 1)
    for piece in pieces:
        at = question.find(piece)
        while at >= 0:
            changes[at] += 1
            changes[at + len(piece)] -= 1
            at = question.find(piece, at + len(piece))
    return sum(depth > 0 for depth in accumulate(changes[:-1])) / len(question)
