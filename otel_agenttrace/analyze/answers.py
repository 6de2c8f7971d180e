"""Read what a run answered. Spans of calls to models in, their text out."""

from __future__ import annotations

from difflib import SequenceMatcher

from otel_agenttrace.jsonvalue import text
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["answer_of", "answers", "final_answer", "word_similarity"]


def answer_of(span: Span) -> str | None:
    """Return the text a model answered with, or None where it gave none or it is not recorded."""
    texts = [
        content
        for message in output_messages(span)
        for part in message.parts
        if part.get("type") == "text" and (content := text(part.get("content"))) is not None
    ]
    return "\n".join(texts) if texts else None


def answers(trace: Trace) -> tuple[str, ...]:
    """Return the texts of all calls to models that have one, in order of their start."""
    return tuple(answer for span in trace.inferences if (answer := answer_of(span)) is not None)


def final_answer(trace: Trace) -> str | None:
    """Return the text of the last call to a model that has one: what the run answered; None where there is none."""
    return next((answer for span in reversed(trace.inferences) if (answer := answer_of(span)) is not None), None)


def word_similarity(left: str, right: str) -> float:
    """Return how much of two texts is the same, 0 to 1: twice the words that both have in the same order, by the words of both.

    It is the ratio of `difflib.SequenceMatcher` over words; two texts without a word are the same.
    """
    return SequenceMatcher(None, left.split(), right.split(), autojunk=False).ratio()
