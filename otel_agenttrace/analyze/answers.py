"""Read what a run answered. Calls to models in, what they answered out; what is not known is told as that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import text
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["Answer", "final_answer", "newest_answers", "word_similarity"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        span: The call.
        text: What it said; empty where that is not known.
        problem: Why it is not known: words after "the answer"; empty where it is.
    """

    span: Span
    text: str = ""
    problem: str = ""


def newest_answers(trace: Trace) -> Iterator[Answer]:
    """Yield what models answered, the last answer first, known or not: none is passed over for an earlier one.

    Calls that asked for a tool are no answers, whatever they said beside it, and neither are embeddings.
    """
    for span in reversed(trace.inferences):
        if span.operation == semconv.OPERATION_EMBEDDINGS:
            continue
        parts = [part for message in output_messages(span) for part in message.parts]
        kinds = {str(part.get("type")) for part in parts}
        if "tool_call" in kinds:
            continue
        said = "\n".join(text(part.get("content")) or "" for part in parts if part.get("type") == "text")
        if span.is_error:
            yield Answer(span, problem="is not whole: the call failed")
        elif said.strip():
            yield Answer(span, said)
        else:
            others = ", ".join(sorted(kinds - {"text"}))
            yield Answer(span, problem=f"holds no text, but {others}" if others else "is empty or not recorded")


def final_answer(trace: Trace) -> Answer | None:
    """Return what the run answered: the last answer of a model; None where there is none."""
    return next(newest_answers(trace), None)


def word_similarity(left: str, right: str) -> float:
    """Return how much of two texts is the same, 0 to 1: twice the words that both have in the same order, by the words of both.

    It is the ratio of `difflib.SequenceMatcher` over words; two texts without a word are the same.
    """
    return SequenceMatcher(None, left.split(), right.split(), autojunk=False).ratio()
