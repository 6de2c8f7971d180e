"""Find what was tried again: the same intent after a failed attempt. Trace in, retries with their evidence out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.amounts import only_amounts_differ
from otel_agenttrace.analyze.kinship import Kinship, kinship
from otel_agenttrace.analyze.leaves import leaf_texts
from otel_agenttrace.analyze.questions import told_question
from otel_agenttrace.analyze.tool_calls import ToolCall, executed_tool
from otel_agenttrace.jsonvalue import Json, canonical, obj, text
from otel_agenttrace.model import Span, Trace

__all__ = ["ALIKE", "Attempts", "Retry", "attempts", "failure_of", "retries"]

ALIKE: Final = 0.75
"""From this likeness of their arguments on, 0 to 1, two calls have the same intent."""

_REMEMBERED: Final = 5
"""Failed calls of one tool and agent that wait for a retry."""
_COMPARED: Final = 400
_BETWEEN: Final = "\n"
_FAILED_TEXT: Final = re.compile(
    r"\s*(error(?:\s*(?:[:!.-]|$)| (?:code|executing|calling|invoking|running|reading|occurred)\b)|traceback \(most recent call last\)|exit code:? [1-9])",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+")
_DIGIT: Final = re.compile(r"\d")
_FLAGS: Final = ("isError", "is_error")
_CODES: Final = ("exit_code", "exitCode", "returncode")


@dataclass(frozen=True, slots=True)
class Retry:
    """A call that does again what failed before.

    Attributes:
        span: The new attempt.
        previous: The one that failed.
        failure: How it failed.
        likeness: Of the arguments, 0 to 1; None where they are not recorded.
        has_failed: Whether the new attempt failed too.
    """

    span: Span
    previous: Span
    failure: str
    likeness: float | None
    has_failed: bool


@dataclass(frozen=True, slots=True)
class Attempts:
    """The HTTP attempts of one call to a model that was sent more than once.

    Attributes:
        span: The call.
        outcomes: Of each attempt, in order: its status, or the error of the transport.
        wasted_ns: From the start of the first attempt to the start of the last.
    """

    span: Span
    outcomes: tuple[str, ...]
    wasted_ns: int


def failure_of(call: ToolCall) -> str | None:
    """Return how a call of a tool failed, by its span or by what its result says; None where neither tells a failure."""
    span = call.span
    if span.is_error:
        return span.status_message or str(span.attributes.get(semconv.ERROR_TYPE) or "error")
    told = obj(call.result)
    if error := told.get("error"):
        return text(error) or canonical(error)
    if any(told.get(flag) is True for flag in _FLAGS):
        return "its result says so"
    code = next((told[name] for name in _CODES if told.get(name)), None)
    if code is not None:
        return f"exit code {canonical(code)}"
    said = text(call.result)
    return said if said is not None and _FAILED_TEXT.match(said) else None


def retries(trace: Trace, of: Kinship | None = None) -> tuple[Retry, ...]:
    """Return what was tried again, in order of the new attempt.

    A tool is tried again when the same agent calls it after a failed call has ended, with the same arguments or with
    arguments that are alike; without arguments, when it is the agent's next call of a tool. A model is tried again when
    the same request is sent after a call failed; without content, when it is the agent's next call to the same model.
    """
    related = of or kinship(trace.spans)
    found = (*_tool_retries(trace, related), *_model_retries(trace, related))
    return tuple(sorted(found, key=lambda each: each.span.start_ns))


def _tool_retries(trace: Trace, of: Kinship) -> Iterator[Retry]:
    failed: defaultdict[Hashable, deque[tuple[ToolCall, str]]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
    newest: dict[Hashable, ToolCall] = {}
    for call in sorted(map(executed_tool, trace.tool_calls), key=lambda each: each.span.start_ns):
        scope = of.scope(call.span)
        waiting = failed[scope, call.name]
        failure = failure_of(call)
        best = _alike(call, waiting, newest.get(scope))
        if best is not None:
            (previous, reason), likeness = best
            waiting.remove((previous, reason))
            yield Retry(call.span, previous.span, reason, likeness, failure is not None)
        if failure is not None:
            waiting.append((call, failure))
        newest[scope] = call


def _alike(
    call: ToolCall, failed: Iterable[tuple[ToolCall, str]], newest: ToolCall | None
) -> tuple[tuple[ToolCall, str], float | None] | None:
    """Return the failed call that is most like this one, the latest of several, and how alike they are."""
    best: tuple[tuple[ToolCall, str], float | None] | None = None
    for each in failed:
        previous = each[0]
        if (previous.span.end_ns or previous.span.start_ns) > call.span.start_ns:
            continue
        if previous.arguments is None or call.arguments is None:
            likeness, is_again = None, previous is newest
        else:
            likeness, is_again = _likeness(previous.arguments, call.arguments, each[1])
        if is_again and (best is None or (likeness or 0) >= (best[1] or 0)):
            best = each, likeness
    return best


def _likeness(failed: Json, again: Json, failure: str) -> tuple[float, bool]:
    """Return how alike two arguments are by the characters of their values, keys are the same anyway, and whether they mean the same."""
    if canonical(failed) == canonical(again):
        return 1.0, True
    told = [_BETWEEN.join(each.text for each in leaf_texts(side))[:_COMPARED] for side in (failed, again)]
    matcher = SequenceMatcher(None, *told, autojunk=False)
    if _name_others(*told):
        is_same = only_amounts_differ(failed, again, failure)
        return matcher.ratio() if is_same else 0.0, is_same
    likeness = matcher.ratio() if all(told) and matcher.quick_ratio() >= ALIKE else 0.0
    return likeness, likeness >= ALIKE


def _name_others(one: str, other: str) -> bool:
    """Whether two texts differ only in numbers and words with digits, each in its own: they may be about another thing of the kind."""
    left, right = (Counter(word.lstrip("0") or "0" for word in _WORD.findall(each)) for each in (one, other))
    only = (left - right, right - left)
    return all(only) and all(_DIGIT.search(word) for words in only for word in words)


def _model_retries(trace: Trace, of: Kinship) -> Iterator[Retry]:
    failed: dict[Hashable, Span] = {}
    for span in trace.inferences:
        asked = _asked(span)
        key = (of.scope(span), asked or span.attributes.get(semconv.GEN_AI_REQUEST_MODEL))
        previous = failed.get(key)
        if previous is not None and (previous.end_ns or previous.start_ns) <= span.start_ns:
            del failed[key]
            failure = previous.status_message or str(previous.attributes.get(semconv.ERROR_TYPE) or "error")
            yield Retry(span, previous, failure, 1.0 if asked else None, span.is_error)
        if span.is_error:
            failed[key] = span


def _asked(span: Span) -> str:
    """Return what tells a request apart: its key where it is recorded, else its messages; empty where neither is."""
    call = span.call
    return call.key if call is not None else told_question(span) or ""


def attempts(trace: Trace) -> tuple[Attempts, ...]:
    """Return the calls to models that were sent more than once, as far as the attempts are recorded."""
    found: list[Attempts] = []
    for span in trace.inferences:
        call = span.call
        if call is None or len(call.attempts) < 2:
            continue
        outcomes = (
            str(each.status) if each.status is not None else each.error.name if each.error is not None else each.end
            for each in call.attempts
        )
        wasted_ns = call.attempts[-1].start_ns - call.attempts[0].start_ns
        found.append(Attempts(span, tuple(outcomes), max(0, wasted_ns)))
    return tuple(found)
