"""Hold what a run answered against a baseline by its meaning. Two answers in, a score, or an error that shows both, out."""

from __future__ import annotations

import math
import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from operator import mul
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace.analyze.answers import Answer, newest_answers
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.api import load
from otel_agenttrace.embedders import Embedder, local_embedder
from otel_agenttrace.errors import AnswerUnknown, ConfigError, RegressionFound
from otel_agenttrace.evaluations import evaluation
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.redact.spans import redacted_trace
from otel_agenttrace.sessions import Session

__all__ = ["Compared", "assert_semantic_similarity", "semantic_similarity"]

Compared: TypeAlias = Trace | Session | Path | str
"""What has answers: a trace, a session, the file of a trace, or a text, which is the answer itself."""

_Side: TypeAlias = Literal["baseline", "candidate"]
_RULE: Final = "semantic_similarity"
_DIGITS: Final = 6
_SHOWN: Final = 120
_BEFORE: Final = 30
"""Characters of a text that are shown, and how many of them stand before the first difference."""


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class _Pair:
    name: str
    baseline: _Answer
    candidate: _Answer
    score: float


def assert_semantic_similarity(
    baseline: Compared,
    candidate: Compared,
    threshold: float = 0.85,
    *,
    embedder: Embedder | None = None,
    all_answers: bool = False,
) -> None:
    """Check that a candidate answers what its baseline answered, though perhaps in other words.

    What is found is written as an evaluation `semantic_similarity` of the candidate's answer: see `at.evaluation`.

    Args:
        baseline: A trace, a session, the path of a trace, or a text.
        candidate: The same, of the run that is checked.
        threshold: The similarity from which on two answers say the same, above 0 up to 1. How far a score can be trusted
            depends on the embedder: docs/semantic.md has figures for the local one, which hardly sees a `not`.
        embedder: Turns texts into vectors; that of the extra `semantic` if not given.
        all_answers: Whether each answer of a run is compared with the baseline's at the same place, not only the last.

    Raises:
        RegressionFound: If an answer is less similar than that, or if there are more or fewer answers.
        AnswerUnknown: If a run has no answer, or one that is not known.
        ConfigError: If the threshold has no meaning, a text is the name of a file, or the embedder is of no use.
        CassetteError: If a file cannot be read.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"The threshold {threshold} has no meaning.\n  to fix   give a number above 0, up to 1")
    left, right = _answers(baseline, "baseline", every=all_answers), _answers(candidate, "candidate", every=all_answers)
    if len(left) != len(right):
        counts = f"the baseline has {len(left)}, the candidate {len(right)}"
        evaluation(_RULE, label="fail", explanation=f"numbers of answers: {counts}", threshold=threshold)
        message = (
            f"The runs have different numbers of answers: {counts}.\n  to fix   compare the last ones, or record anew"
        )
        raise RegressionFound(message, (Finding(_RULE, message),))
    findings = tuple(_judged(_pairs(left, right, embedder or local_embedder()), threshold))
    if findings:
        raise RegressionFound("\n".join(finding.message for finding in findings), findings)


def semantic_similarity(left: str, right: str, embedder: Embedder | None = None) -> float:
    """Return how near two texts are in meaning, as an embedder sees it: 1 is the same, 0 and less is unrelated.

    Args:
        left: A text.
        right: A text.
        embedder: Turns texts into vectors; that of the extra `semantic` if not given.

    Raises:
        AnswerUnknown: If a text is empty.
        ConfigError: If the embedder is of no use.
    """
    texts = [*_of_text(left, "baseline"), *_of_text(right, "candidate")]
    return _pairs(texts[:1], texts[1:], embedder or local_embedder())[0].score


# --- scores -----------------------------------------------------------------------------------------------------------


def _pairs(left: Sequence[_Answer], right: Sequence[_Answer], embedder: Embedder) -> list[_Pair]:
    texts = list(dict.fromkeys(answer.text for answer in (*left, *right)))
    vectors = embedder(texts)
    if len(vectors) != len(texts):
        raise _useless(f"{len(vectors)} vectors for {len(texts)} texts")
    vector_of = dict(zip(texts, vectors, strict=True))
    names = [f"answer {number} of {len(left)}" if len(left) > 1 else "the answer" for number in range(1, len(left) + 1)]
    return [
        _Pair(name, one, other, _cosine(vector_of[one.text], vector_of[other.text]))
        for name, one, other in zip(names, left, right, strict=True)
    ]


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    if len(left) != len(right):
        raise _useless(f"vectors of {len(left)} and {len(right)} numbers")
    lengths = math.sqrt(sum(map(mul, left, left)) * sum(map(mul, right, right)))
    score = sum(map(mul, left, right)) / lengths if lengths else math.nan
    if not math.isfinite(score):
        raise _useless("a vector without a direction")
    return round(score, _DIGITS)


def _useless(reason: str) -> ConfigError:
    return ConfigError(
        f"The embedder gave {reason}.\n  to fix   have it give one vector for each text, of the same length"
    )


# --- findings ---------------------------------------------------------------------------------------------------------


def _judged(pairs: Sequence[_Pair], threshold: float) -> Iterator[Finding]:
    """Write the result of each pair, and yield those that are not similar enough."""
    for pair in pairs:
        passes = pair.score >= threshold
        evaluation(
            _RULE,
            score=pair.score,
            label="pass" if passes else "fail",
            explanation=f"cosine similarity of {pair.name} to the baseline's",
            threshold=threshold,
            span=pair.candidate.span,
        )
        if not passes:
            yield _finding(pair, threshold)


def _finding(pair: _Pair, threshold: float) -> Finding:
    left, right = (" ".join(answer.text.split()) for answer in (pair.baseline, pair.candidate))
    same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(left, right, strict=False)))
    message = (
        f"{pair.name.capitalize()} does not say what the baseline's says: "
        f"similarity {pair.score:.3f}, threshold {threshold:g}.\n"
        f"  baseline   {_shown(left, same)}\n"
        f"  candidate  {_shown(right, same)}\n"
        "  to fix     if the new answer is right, record the baseline anew; if it says the same in other words, lower the\n"
        "             threshold, or give an embedder that sees more"
    )
    return Finding(_RULE, message, span_ids=(pair.candidate.span.span_id,) if pair.candidate.span else ())


def _shown(text: str, same: int) -> str:
    """Return the part of a text in which it first differs."""
    start = max(same - _BEFORE, 0)
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"


# --- answers ----------------------------------------------------------------------------------------------------------


def _answers(of: Compared, side: _Side, *, every: bool) -> Sequence[_Answer]:
    if isinstance(of, str):
        if os.path.isfile(of):  # noqa: PTH113 - pathlib raises for a text that can be no name
            raise ConfigError(f"The {side} is the name of a file, given as a text.\n  to fix   Path({of!r})")
        return _of_text(of, side)
    trace = (
        of if isinstance(of, Trace) else redacted_trace(of.trace, of.redactor) if isinstance(of, Session) else load(of)
    )
    newest_first = (_known(answer, side) for answer in newest_answers(trace))
    found = list(newest_first if every else islice(newest_first, 1))
    if not found:
        raise AnswerUnknown(side, "no call to a model answered with text")
    return found[::-1]


def _of_text(text: str, side: _Side) -> Sequence[_Answer]:
    if not text.strip():
        raise AnswerUnknown(side, "the text is empty")
    return (_Answer(text),)


def _known(answer: Answer, side: _Side) -> _Answer:
    if answer.problem:
        span = answer.span
        raise AnswerUnknown(side, f"what the call {span.name!r} ({span.span_id}) answered {answer.problem}")
    return _Answer(answer.text, answer.span)
