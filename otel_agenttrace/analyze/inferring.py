"""Find the causes of a span that texts, names and order suggest. Index, span and its certain causes in, edges out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.activities import touches
from otel_agenttrace.analyze.conversations import HeldCall, HeldResult
from otel_agenttrace.analyze.leaves import Leaf, leaf_texts
from otel_agenttrace.analyze.linking import predecessor
from otel_agenttrace.analyze.quoting import identifiers
from otel_agenttrace.analyze.run_index import Edge, EdgeKind, Evidence, RunIndex, Source, nearest_before
from otel_agenttrace.analyze.tool_calls import ToolCall, asks_for_tools
from otel_agenttrace.jsonvalue import canonical, compact, text
from otel_agenttrace.model import Span
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["inferred_edges"]

_SHOWN: Final = 120
_MOST_VALUES: Final = 5
"""Values of one call that are followed: the longest say most."""

_MOST_TOOLS: Final = 100
_SHORTEST: Final = 4
"""Letters of an argument that stands in an answer, so that it says something."""


def inferred_edges(index: RunIndex, span: Span, certain: Sequence[Edge]) -> Iterator[Edge]:
    """Yield the causes that are likely, and not certain already."""
    retry = index.retried.get(id(span))
    if retry is not None:
        yield _edge(retry.previous, span, "retry", retry.failure, "how the attempt before failed")
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        yield from _of_tool(index, span, certain)
    if span.is_inference:
        yield from _of_inference(index, span, certain)


def _edge(cause: Span, span: Span, kind: EdgeKind, told: str, where: str) -> Edge:
    shown = told.strip()
    return Edge(cause, span, kind, "inferred", Evidence(shown[:_SHOWN] + ("…" if shown[_SHOWN:] else ""), where))


# --- of a tool --------------------------------------------------------------------------------------------------------


def _of_tool(index: RunIndex, span: Span, certain: Sequence[Edge]) -> Iterator[Edge]:
    call = index.calls[id(span)]
    asked = next((edge for edge in certain if edge.kind == "asked"), None)
    if asked is None:
        asked = next(_asked(index, call), None)
        if asked is not None:
            yield asked
    seen_until = span.start_ns if asked is None else asked.from_.start_ns
    yield from _values(index, call, asked, seen_until)
    yield from _files(index, call)


def _asked(index: RunIndex, call: ToolCall) -> Iterator[Edge]:
    """Yield who may have asked for a call, the likeliest first."""
    span = call.span
    sharing = [each for each in index.asked_by_id.get((span.trace_id, call.call_id or ""), ()) if _fits(each, call)]
    if found := nearest_before(sharing, span.start_ns):
        yield _edge(found.span, span, "asked", call.call_id or "", "an id that several calls share")
    written = None if call.arguments is None else canonical(call.arguments)
    scopes = (index.kin.scope(span), (span.trace_id, "*"))
    for arguments in dict.fromkeys((written, None)):
        for scope in scopes:
            found = nearest_before(index.asked_by_name.get((scope, call.name, arguments), ()), span.start_ns)
            if found is not None:
                where = "the same name and arguments in the answer" if arguments else "the same name in the answer"
                yield _edge(found.span, span, "asked", f"{call.name}({compact(found.call.arguments)})", where)
    elsewhere = [each for each in index.asked_anywhere.get(call.call_id or "-", ()) if _fits(each, call)]
    if (found := nearest_before(elsewhere, span.start_ns)) and found.span.trace_id != span.trace_id:
        yield _edge(found.span, span, "asked", call.call_id or "", "the same id of a call, in another trace")
    yield from _asked_in_words(index, call)
    yield from _asked_in_order(index, span)


def _fits(asked: Source, call: ToolCall) -> bool:
    return asked.call.name == call.name or not asked.call.name


def _asked_in_words(index: RunIndex, call: ToolCall) -> Iterator[Edge]:
    """Yield the last call to a model of the same agent, if all that the tool was called with stands in what it said."""
    newest = _newest(index, call.span)
    words = [leaf.text.strip() for leaf in leaf_texts(call.arguments)]
    if newest is None or not all(len(each) >= _SHORTEST for each in words) or not words:
        return
    said = "\n".join(text(part.get("content")) or "" for message in output_messages(newest) for part in message.parts)
    if all(each in said for each in words):
        yield _edge(newest, call.span, "asked", words[0], "the arguments, in the text of the answer")


def _newest(index: RunIndex, span: Span) -> Span | None:
    before = index.by_scope.get(index.kin.scope(span), [])
    place = bisect_right(before, span.start_ns, key=lambda each: each.start_ns)
    return before[place - 1] if place else None


def _asked_in_order(index: RunIndex, span: Span) -> Iterator[Edge]:
    """Yield the last call to a model of the same agent, if it asked for a tool and does not tell for which."""
    newest = _newest(index, span)
    if newest is not None and asks_for_tools(newest) and id(newest) not in index.telling:
        yield _edge(newest, span, "order", "asked for a tool", "how the last answer before it finished")


def _values(index: RunIndex, call: ToolCall, asked: Edge | None, seen_until: int) -> Iterator[Edge]:
    """Yield the earlier results in which a value of the arguments stands: the first and the last that the model had seen."""
    found: list[tuple[str, Leaf, tuple[tuple[Source, str], ...]]] = []
    for leaf in leaf_texts(call.arguments):
        for name in dict.fromkeys(identifiers((leaf.text,))):
            held = _last_and_first(index.named.get((call.span.trace_id, name), ()), seen_until)
            if held:
                found.append((name, leaf, held))
    found.sort(key=lambda each: -len(each[0]))
    for name, leaf, held in found[:_MOST_VALUES]:
        for source, pointer in dict.fromkeys(held):
            where = f"{_place(pointer, 'the result')}, and {_place(leaf.pointer, 'the arguments')}{_said(index, asked, name)}"
            yield _edge(source.span, call.span, "value", name, where)


def _last_and_first(held: Sequence[tuple[Source, str]], until_ns: int) -> tuple[tuple[Source, str], ...]:
    begun = bisect_right(held, until_ns, key=lambda each: each[0].span.start_ns)
    first = next((held[place] for place in range(begun) if _had(held[place][0], until_ns)), None)
    last = next((held[place] for place in range(begun - 1, -1, -1) if _had(held[place][0], until_ns)), None)
    return () if first is None or last is None else (last, first)


def _had(source: Source, until_ns: int) -> bool:
    return (source.span.end_ns or source.span.start_ns) <= until_ns


def _place(pointer: str, of: str) -> str:
    return f"{pointer} of {of}" if pointer else of


def _said(index: RunIndex, asked: Edge | None, name: str) -> str:
    if asked is None:
        return ""
    prompts = index.conversation(asked.from_).prompts
    return "; the user said it too" if any(name in each.text for each in prompts) else ""


def _files(index: RunIndex, call: ToolCall) -> Iterator[Edge]:
    for touch in touches(call):
        before = index.files.get((call.span.trace_id, touch.target), ())
        place = bisect_right(before, call.span.start_ns, key=lambda each: each[0].span.start_ns)
        earlier = (before[each] for each in range(place - 1, -1, -1))
        found = next((each for each in earlier if _had(each[0], call.span.start_ns)), None)
        if found is not None and found[0].span is not call.span:
            yield _edge(found[0].span, call.span, "file", touch.target, f"the same file, {found[1].kind} before")


# --- of a call to a model ---------------------------------------------------------------------------------------------


def _of_inference(index: RunIndex, span: Span, certain: Sequence[Edge]) -> Iterator[Edge]:
    conversation = index.conversation(span)
    if not (conversation.texts or conversation.calls or conversation.results):
        yield from _in_order(index, span)
        return
    before = predecessor(index, span)
    proved = {edge.evidence.text for edge in certain if edge.kind == "result"}
    given: set[Source] = set()
    for held in conversation.results:
        if held.call_id not in proved and (held.is_new or before is None):
            yield from _result(index, span, held, given)
    if before is None:
        yield from _shared_answer(index, span, conversation.calls)
        last = [each for each in conversation.texts if each.role == "assistant"][-1:]
        yield from _texts(index, span, (each.text for each in last), "answer")
    new = (each.text for each in conversation.texts if each.place >= conversation.new_from or before is None)
    yield from _texts(index, span, new, "text")


def _in_order(index: RunIndex, span: Span) -> Iterator[Edge]:
    """Yield what ran since the agent's last call to a model, for a request that is not recorded; else that call itself."""
    scope = index.kin.scope(span)
    calls = index.by_scope.get(scope, [])
    place = bisect_left(calls, span.start_ns, key=lambda each: each.start_ns)
    before = calls[place - 1] if place else None
    begun = bisect_left(index.tools, span.start_ns, key=lambda each: each.span.start_ns)
    since = bisect_left(index.tools, before.start_ns if before else 0, key=lambda each: each.span.start_ns)
    tools = [each for each in index.tools[max(since, begun - _MOST_TOOLS) : begun] if _had(each, span.start_ns)]
    ran = [each for each in tools if index.kin.scope(each.span) == scope]
    for each in ran:
        yield _edge(each.span, span, "order", each.call.name, "ran since the last call of the same agent to a model")
    if not ran and before is not None:
        yield _edge(before, span, "order", before.name, "the last call of the same agent to a model")


def _shared_answer(index: RunIndex, span: Span, calls: Sequence[HeldCall]) -> Iterator[Edge]:
    """Yield the latest call that asked for the newest call in the request, whose id proves nothing."""
    for held in calls[-1:]:
        asked = index.asked_by_id.get((span.trace_id, held.call_id or ""), [])
        sharing = [each for each in asked if each.call.name == held.name and each.span is not span]
        if found := nearest_before(sharing, span.start_ns):
            yield _edge(
                found.span, span, "answer", held.call_id or "", "an id that several calls share, in the request"
            )


def _result(index: RunIndex, span: Span, held: HeldResult, given: set[Source]) -> Iterator[Edge]:
    """Yield the tool whose result this may be: of several with the same text, one of the same id, call or name, the last.

    `given` are those that have been found for other results of the request.
    """
    if span.trace_id not in index.results:
        return
    quotes = index.results[span.trace_id]
    for look_up in (quotes.whole, quotes.cut_off):
        alike = [
            (quote.words, quote.source)
            for quote in look_up(held.text, span.start_ns)
            if _had(quote.source, span.start_ns)
            and quote.source not in given
            and (held.call is None or held.call.name == quote.source.call.name)
        ]
        if alike:
            _, found = max(alike, key=lambda each: (each[0], _fitness(each[1], held), each[1].span.start_ns))
            given.add(found)
            yield _edge(found.span, span, "result", held.text, "the same text in the request")
            return


def _fitness(source: Source, held: HeldResult) -> int:
    is_same_call = held.call is not None and canonical(held.call.arguments) == canonical(source.call.arguments)
    return 2 * (source.call.call_id == held.call_id) + is_same_call


def _texts(index: RunIndex, span: Span, texts: Iterable[str], kind: EdgeKind) -> Iterator[Edge]:
    """Yield the earlier answers that stand in some texts of a request."""
    if span.trace_id not in index.answers:
        return
    quotes = index.answers[span.trace_id]
    looks = (quotes.whole, quotes.cut_off) if kind == "answer" else (quotes.within,)
    for said in texts:
        for quote in (quote for look_up in looks for quote in look_up(said, span.start_ns)):
            cause = quote.source
            if cause is not span and (cause.end_ns or cause.start_ns) <= span.start_ns:
                yield _edge(cause, span, kind, said, "the text of the answer, in the request")
