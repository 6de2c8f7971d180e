"""Find the causes of a span that ids prove: containment of messages, parents, subagents, links. Index and span in, edges out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.conversations import HeldCall, HeldResult, text_of_value
from otel_agenttrace.analyze.kinship import is_agent
from otel_agenttrace.analyze.run_index import Edge, Evidence, RunIndex, Source
from otel_agenttrace.analyze.tool_calls import ToolCall, is_counted
from otel_agenttrace.jsonvalue import Json, canonical, obj
from otel_agenttrace.model import Span

__all__ = ["certain_edges", "predecessor"]

_CALL_ID: Final = "the id of the call"
_WORD: Final = re.compile(r"\w+")


def certain_edges(index: RunIndex, span: Span) -> Iterator[Edge]:
    """Yield the causes that are certain, the nearest first."""
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        yield from _asked(index, span)
    if span.is_inference:
        yield from _results(index, span)
        yield from _answers(index, span)
    yield from _links(index, span)
    yield from _parent(index, span)


# --- messages ---------------------------------------------------------------------------------------------------------


def _asked(index: RunIndex, span: Span) -> Iterator[Edge]:
    call = index.calls[id(span)]
    asked = _only(index.asked_by_id.get((span.trace_id, call.call_id or "")))
    ran = _only(index.tools_by_id.get((span.trace_id, call.call_id or "")))
    if asked is None or ran is None or ran.span is not span:
        return
    if _agree(asked.call.name, call.name) and asked.span.start_ns <= span.start_ns and not _differ(asked.call, call):
        if index.is_doubtful(call.call_id or "", span):
            return
        where = f"{_CALL_ID}, in the answer and on the tool"
        yield Edge(asked.span, span, "asked", "certain", Evidence(call.call_id or "", where))


def _results(index: RunIndex, span: Span) -> Iterator[Edge]:
    """Yield the tools whose results stand in a request, but for those that stood in the request before it already."""
    conversation = index.conversation(span)
    before = predecessor(index, span)
    known = {each.call_id for each in index.conversation(before).results} if before is not None else set[object]()
    for held in conversation.results:
        if held.call_id and (held.is_new or held.call_id not in known):
            ran = _ran(index, span, held)
            if ran is not None:
                where = f"{_CALL_ID}, on the tool and beside the result in the request"
                yield Edge(ran.span, span, "result", "certain", Evidence(held.call_id, where))


def _ran(index: RunIndex, span: Span, held: HeldResult) -> Source | None:
    """Return the tool that gave a result, if its id leaves no doubt."""
    place = (span.trace_id, held.call_id or "")
    ran = _only(index.tools_by_id.get(place))
    asked = index.asked_by_id.get(place, [])
    if ran is None or not held.is_single or len(asked) > 1:
        return None
    if not _has_ended(ran, span):
        return None
    names = [each.call.name for each in asked] + ([held.call.name] if held.call is not None else [])
    if not all(_agree(name, ran.call.name) for name in names):
        return None
    told = [each.call for each in asked] or [ran.call]
    is_told_otherwise = held.call is not None and any(_differ(held.call, each) for each in told)
    if is_told_otherwise or _is_another_text(held.text, ran.call.result) or index.is_doubtful(held.call_id or "", span):
        return None
    return ran


def _has_ended(ran: Source, span: Span) -> bool:
    return max(ran.span.start_ns, ran.span.end_ns or 0) <= span.start_ns


def _is_of_another(index: RunIndex, span: Span, held: HeldResult) -> bool:
    """Whether a result is none that the tool with its id gave: the id is counted, and the conversation another one."""
    ran = _only(index.tools_by_id.get((span.trace_id, held.call_id or "")))
    if ran is None or not is_counted(held.call_id or "") or not _has_ended(ran, span):
        return False
    return held.call is not None and held.call.name == ran.call.name and _is_another_text(held.text, ran.call.result)


def _differ(one: HeldCall | ToolCall, other: ToolCall) -> bool:
    """Whether two calls are told with different arguments: what only one of them tells may be a default of the tool."""
    left, right = obj(one.arguments), obj(other.arguments)
    return any(canonical(left[name]) != canonical(right[name]) for name in left.keys() & right.keys())


def _is_another_text(held: str, result: Json) -> bool:
    """Whether a text has hardly a word of a result: not one that was cut off, wrapped or written in another form."""
    words, told = (set(_WORD.findall(each)) for each in (held, text_of_value(result)))
    return bool(words and told) and len(words & told) <= min(len(words), len(told)) / 2


def predecessor(index: RunIndex, span: Span) -> Span | None:
    """Return the call whose answer is the newest in a request that ids prove; None where there is none."""
    found = _newest_answer(index, span)
    return None if found is None else found[0].span


def _newest_answer(index: RunIndex, span: Span) -> tuple[Source, HeldCall] | None:
    if id(span) not in index.newest_answers:
        index.newest_answers[id(span)] = next(_answered(index, span), None)
    return index.newest_answers[id(span)]


def _answered(index: RunIndex, span: Span) -> Iterator[tuple[Source, HeldCall]]:
    conversation = index.conversation(span)
    calls = conversation.calls
    counts = Counter(each.call_id for each in calls)
    for held in reversed(calls):
        asked = _only(index.asked_by_id.get((span.trace_id, held.call_id or "")))
        if asked is None or counts[held.call_id] > 1 or asked.span is span or asked.span.start_ns > span.start_ns:
            continue
        if not _agree(asked.call.name, held.name) or canonical(asked.call.arguments) != canonical(held.arguments):
            continue
        given = (each for each in conversation.results if each.call_id == held.call_id)
        if not index.is_doubtful(held.call_id or "", span) and not any(
            _is_of_another(index, span, each) for each in given
        ):
            yield asked, held


def _answers(index: RunIndex, span: Span) -> Iterator[Edge]:
    found = _newest_answer(index, span)
    if found is not None:
        where = f"{_CALL_ID} that the answer asked for, in the request"
        yield Edge(found[0].span, span, "answer", "certain", Evidence(found[1].call_id or "", where))
    previous = index.conversation(span).previous_response
    named = index.responses.get((span.trace_id, previous or ""), [])
    is_before = len(named) == 1 and named[0] is not span and named[0].start_ns <= span.start_ns
    if is_before and (found is None or found[0].span is not named[0]):
        evidence = Evidence(previous or "", "the id of the response that the request goes on from")
        yield Edge(named[0], span, "answer", "certain", evidence)


# --- spans ------------------------------------------------------------------------------------------------------------


def _parent(index: RunIndex, span: Span) -> Iterator[Edge]:
    parent = index.kin.parents.get(id(span))
    if parent is not None:
        is_sub = is_agent(span) and (is_agent(parent) or id(span) in index.kin.agents)
        evidence = Evidence(parent.span_id, "the id of the parent span")
        yield Edge(parent, span, "subagent" if is_sub else "parent", "certain", evidence)


def _links(index: RunIndex, span: Span) -> Iterator[Edge]:
    for link in span.links:
        linked = index.spans.get((link.trace_id, link.span_id), [])
        if len(linked) == 1 and linked[0] is not span and linked[0].start_ns <= (span.end_ns or span.start_ns):
            yield Edge(linked[0], span, "link", "certain", Evidence(link.span_id, "a link of the span"))


def _only(found: list[Source] | None) -> Source | None:
    return found[0] if found is not None and len(found) == 1 else None


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other
