"""What the causes of a span are looked up in: who asked for which call, who gave which result, who said what. Trace in, index out.

It is made by one pass over answers and tools; requests are read when they are asked for, each once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.activities import Touch, touches
from otel_agenttrace.analyze.conversations import Conversation, HeldCall, conversation_of, text_of_value
from otel_agenttrace.analyze.kinship import kinship
from otel_agenttrace.analyze.leaves import leaf_texts
from otel_agenttrace.analyze.quoting import Quotes, identifiers
from otel_agenttrace.analyze.retries import Retry, retries
from otel_agenttrace.analyze.tool_calls import ToolCall, arguments_of, executed_tool, is_counted
from otel_agenttrace.jsonvalue import canonical, text
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["Edge", "EdgeKind", "Evidence", "RunIndex", "Source", "nearest_before"]

EdgeKind: TypeAlias = Literal[
    "asked", "result", "answer", "parent", "subagent", "link", "retry", "value", "file", "text", "order"
]
Certainty: TypeAlias = Literal["certain", "inferred"]
_MOST_SOURCES: Final = 1_000
"""Results that hold one identifier; what stands in more tells nothing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an edge rests on: the text in question, and where it stands."""

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Edge:
    """One step from a cause to what it led to.

    Attributes:
        from_: The cause.
        to: What it led to.
        kind: `asked`: a model's answer asked for a tool. `result`: what a tool gave stands in a request. `answer`: what a
            model answered stands in a later request. `parent`, `subagent`: the span it runs in. `link`: a span link.
            `retry`: the failed attempt before. `value`: a path or an identifier of an earlier result. `file`: the last
            call on the same file. `text`: the text of an answer stands in a request. `order`: the call before it.
        certainty: Whether ids say so, or texts and order let it be inferred.
        evidence: What it rests on.
    """

    from_: Span
    to: Span
    kind: EdgeKind
    certainty: Certainty
    evidence: Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A span, and a call of a tool that it asked for, or that it is. Two are the same if they are one object."""

    span: Span
    call: ToolCall


def nearest_before(spans: Sequence[Source], start_ns: int) -> Source | None:
    """Return the latest of some, given in order of their start, that did not start later."""
    place = bisect_right(spans, start_ns, key=lambda each: each.span.start_ns)
    return spans[place - 1] if place else None


class RunIndex:
    """One trace, read for the causes of its spans. Texts and ids of different traces in one file are kept apart."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.kin = kinship(trace.spans)
        self.inferences = tuple(sorted(trace.inferences, key=lambda each: each.start_ns))
        self.tools = tuple(
            Source(call.span, call)
            for call in sorted(map(executed_tool, trace.tool_calls), key=lambda each: each.span.start_ns)
        )
        self.calls = {id(each.span): each.call for each in self.tools}
        """What each tool that ran was called with, by the `id()` of its span."""
        self.asked = tuple(self._asked())
        self.newest_answers: dict[int, tuple[Source, HeldCall] | None] = {}
        """What was looked up already: the newest answer in a request that ids prove, by the span's `id()`."""
        self._conversations: dict[int, Conversation] = {}

    def _asked(self) -> Iterable[Source]:
        for span in self.inferences:
            for message in output_messages(span):
                for part in message.parts:
                    if part.get("type") == "tool_call":
                        called = arguments_of(part)
                        call_id = text(part.get("id")) or None
                        name = text(part.get("name")) or ""
                        yield Source(span, ToolCall(name, called, None, call_id, span, is_executed=False))

    def conversation(self, span: Span) -> Conversation:
        """Return what stands in the request of a call to a model."""
        if id(span) not in self._conversations:
            self._conversations[id(span)] = conversation_of(span)
        return self._conversations[id(span)]

    @cached_property
    def spans(self) -> dict[tuple[str, str], list[Span]]:
        """The spans by trace and span id: more than one where a file holds an id twice."""
        found: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self.trace.spans:
            found[span.trace_id, span.span_id].append(span)
        return found

    @cached_property
    def telling(self) -> frozenset[int]:
        """The `id()` of the calls to models that tell for which tools they asked."""
        return frozenset(id(each.span) for each in self.asked)

    @cached_property
    def _silent(self) -> dict[str, int]:
        """When the first call to a model started that may have asked for tools and does not tell, by trace."""
        found: dict[str, int] = {}
        for span in self.inferences:
            if not (span.is_error or span.operation == semconv.OPERATION_EMBEDDINGS or output_messages(span)):
                found.setdefault(span.trace_id, span.start_ns)
        return found

    def is_doubtful(self, call_id: str, span: Span) -> bool:
        """Whether an id of a call, as `call_0`, may be that of another call too: one that a model asked for before, and does not tell."""
        return is_counted(call_id) and self._silent.get(span.trace_id, span.start_ns) < span.start_ns

    @cached_property
    def by_scope(self) -> dict[tuple[str, str], list[Span]]:
        """The calls to models of each agent, in order of their start."""
        found: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self.inferences:
            found[self.kin.scope(span)].append(span)
        return found

    @cached_property
    def asked_by_id(self) -> dict[tuple[str, str], list[Source]]:
        """Who asked for a call, by trace and the id of the call."""
        return _by_id(self.asked)

    @cached_property
    def tools_by_id(self) -> dict[tuple[str, str], list[Source]]:
        """Which tool ran for a call, by trace and the id of the call."""
        return _by_id(self.tools)

    @cached_property
    def asked_anywhere(self) -> dict[str, list[Source]]:
        """Who asked for a call in whatever trace, by the id of the call."""
        found: defaultdict[str, list[Source]] = defaultdict(list)
        for each in self.asked:
            found[each.call.call_id or ""].append(each)
        return found

    @cached_property
    def asked_by_name(self) -> dict[tuple[tuple[str, str], str, str | None], list[Source]]:
        """Who asked for a tool, by agent, name and arguments (None for whatever arguments), in order of their start."""
        found: defaultdict[tuple[tuple[str, str], str, str | None], list[Source]] = defaultdict(list)
        for each in self.asked:
            for scope in {self.kin.scope(each.span), (each.span.trace_id, "*")}:
                for arguments in (None, canonical(each.call.arguments)):
                    found[scope, each.call.name, arguments].append(each)
        return found

    @cached_property
    def responses(self) -> dict[tuple[str, str], list[Span]]:
        """Calls to models by trace and the id of the response."""
        found: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self.inferences:
            response_id = text(span.attributes.get(semconv.GEN_AI_RESPONSE_ID))
            if response_id:
                found[span.trace_id, response_id].append(span)
        return found

    @cached_property
    def results(self) -> dict[str, Quotes[Source]]:
        """What tools gave, by trace."""
        found: defaultdict[str, Quotes[Source]] = defaultdict(Quotes)
        for each in self.tools:
            found[each.span.trace_id].add(each, each.span.start_ns, text_of_value(each.call.result))
        return found

    @cached_property
    def answers(self) -> dict[str, Quotes[Span]]:
        """What models said, by trace."""
        found: defaultdict[str, Quotes[Span]] = defaultdict(Quotes)
        for span in self.inferences:
            for message in output_messages(span):
                for part in message.parts:
                    found[span.trace_id].add(span, span.start_ns, text(part.get("content")) or "")
        return found

    @cached_property
    def named(self) -> dict[tuple[str, str], list[tuple[Source, str]]]:
        """In which results a path or an identifier stands, and where in each, by trace, in order of the tools' start."""
        found: defaultdict[tuple[str, str], list[tuple[Source, str]]] = defaultdict(list)
        for each in self.tools:
            for leaf in leaf_texts(each.call.result):
                for name in dict.fromkeys(identifiers((leaf.text,))):
                    held = found[each.span.trace_id, name]
                    if len(held) < _MOST_SOURCES and not (held and held[-1][0] is each):
                        held.append((each, leaf.pointer))
        return found

    @cached_property
    def files(self) -> dict[tuple[str, str], list[tuple[Source, Touch]]]:
        """Which calls touched a file, by trace, in order of their start."""
        found: defaultdict[tuple[str, str], list[tuple[Source, Touch]]] = defaultdict(list)
        for each in self.tools:
            for touch in touches(each.call):
                if touch.kind != "run":
                    found[each.span.trace_id, touch.target].append((each, touch))
        return found

    @cached_property
    def retried(self) -> dict[int, Retry]:
        """What was tried again, by the `id()` of the new attempt."""
        return {id(each.span): each for each in retries(self.trace, self.kin)}


def _by_id(sources: Iterable[Source]) -> dict[tuple[str, str], list[Source]]:
    found: defaultdict[tuple[str, str], list[Source]] = defaultdict(list)
    for each in sources:
        if each.call.call_id:
            found[each.span.trace_id, each.call.call_id].append(each)
    return found
