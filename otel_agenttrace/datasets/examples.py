"""Read the calls of a run as examples: what a model was asked, with all that was said before, and what it answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call
from otel_agenttrace.analyze.measures import whole
from otel_agenttrace.analyze.retrievals import Retrieval, retrievals
from otel_agenttrace.analyze.tool_calls import ToolCall, arguments_of, tool_calls
from otel_agenttrace.jsonvalue import Json, canonical, obj, parse, text, without
from otel_agenttrace.model import Message, Part, Span, Trace
from otel_agenttrace.wire.recorded import asked_of, output_messages

__all__ = ["Beside", "Example", "Per", "examples_of", "last_of_conversations", "text_of"]

Per: TypeAlias = Literal["conversation", "call"]
_ASSISTANT: Final = frozenset({"assistant", "model"})


class Beside:
    """What a trace tells beside what was asked and answered, read when it is asked for, once for all its examples."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    @cached_property
    def retrievals(self) -> tuple[Retrieval, ...]:
        """The retrievals, in order of their start."""
        return retrievals(self.trace)

    @cached_property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls of tools, in order of the start of their spans."""
        return tool_calls(self.trace)

    @cached_property
    def costs(self) -> Mapping[str, float | None]:
        """What each run with a call to a model cost, by its trace id; None where that is not known."""
        costs: dict[str, list[float | None]] = {}
        for span in self.trace.inferences:
            costs.setdefault(span.trace_id, []).append(cost_of_call(self.trace, span))
        return {run: whole(each) for run, each in costs.items()}

    @cached_property
    def failed(self) -> frozenset[str]:
        """The trace ids of the runs of which a span without a parent failed."""
        return frozenset(span.trace_id for span in self.trace.errors if span.parent_span_id is None)


@dataclass(frozen=True, slots=True)
class Example:
    """One call to a model.

    Attributes:
        file: Where it is from, as the user named it.
        span: The call.
        messages: What was asked: the whole conversation, instructions left out.
        system: The instructions that the API keeps apart from the messages.
        answer: What was answered, the first choice; None where that is not known.
        tools: The definitions of the tools that could be called.
        is_parallel: Whether several may be called at once, where the request says so.
        is_broken_off: Whether it goes on from an answer that the trace does not have.
        since_ns: When its run had answered what the user asked before in this conversation; 0 where there is no such.
        alone_since_ns: The same of all runs of the trace: what is told outside of any run belongs to the next call.
        beside: What else the trace tells that it is from.
    """

    file: str
    span: Span
    messages: tuple[Message, ...]
    system: tuple[Part, ...]
    answer: Message | None
    tools: tuple[Mapping[str, Json], ...]
    is_parallel: bool | None = None
    is_broken_off: bool = False
    since_ns: int = 0
    alone_since_ns: int = 0
    beside: Beside = field(default=Beside(Trace()), repr=False, compare=False)

    @property
    def question(self) -> str:
        """What the user said last; empty where that is no text."""
        return next((said for each in reversed(self.messages) if each.role == "user" and (said := text_of(each))), "")

    @property
    def opening(self) -> str:
        """A digest of what the user said first: runs of one task have the same."""
        said = next((said for each in self.messages if each.role == "user" and (said := text_of(each))), None)
        return hashlib.sha256(said.strip().encode("utf-8", "surrogatepass")).hexdigest() if said else self.digest

    @property
    def digest(self) -> str:
        """A digest of all of it but the ids of tool calls: those change from run to run."""
        tools = canonical([dict(tool) for tool in self.tools])
        return _digests(tools, self._parts((*self.messages, *_known(self.answer))))[-1]

    @property
    def prefixes(self) -> list[str]:
        """A digest of what was asked up to each part of it."""
        return _digests("", self._parts(self.messages))

    @property
    def whole(self) -> str:
        """The digest of what was asked and answered: one of the prefixes of a call that goes on from here."""
        return _digests("", self._parts((*self.messages, *_known(self.answer))))[-1]

    def _parts(self, messages: Iterable[Message]) -> Iterator[str]:
        yield from _plain_parts("system", self.system)
        for message in messages:
            yield from _plain_parts("assistant" if message.role in _ASSISTANT else message.role, message.parts)


def _known(answer: Message | None) -> tuple[Message, ...]:
    return () if answer is None else (answer,)


def _digests(begin: str, pieces: Iterable[str]) -> list[str]:
    digest = hashlib.sha256(begin.encode("utf-8", "surrogatepass"))
    found = [digest.hexdigest()]
    for piece in pieces:
        digest.update(f"\n{piece}".encode("utf-8", "surrogatepass"))
        found.append(digest.hexdigest())
    return found


def _plain_parts(role: str, parts: Iterable[Part]) -> Iterator[str]:
    """Yield what parts say, without what a program changes as it sends an answer again: ids, blanks around, reasoning."""
    for part in parts:
        kind = part.get("type")
        if kind == "text":
            said = (text(part.get("content")) or "").strip()
            if said:
                yield canonical([role, said])
        elif kind == "tool_call":
            yield canonical([role, part.get("name"), arguments_of(part)])
        elif kind != "reasoning":
            yield canonical(["tool" if kind == "tool_call_response" else role, without(part, "id")])


def text_of(message: Message) -> str:
    """Return the texts of a message, a line each."""
    return "\n".join(text(part.get("content")) or "" for part in message.parts if part.get("type") == "text")


# --- from a trace -----------------------------------------------------------------------------------------------------


def examples_of(file: str, trace: Trace) -> tuple[Example, ...]:
    """Return each call to a model of a trace, in order of start.

    One that names an earlier response, as OpenAI's Responses API lets it, gets the messages of that one before its own.
    """
    answered: dict[str, Example] = {}
    ends: dict[tuple[str, str], int] = {}
    beside = Beside(trace)
    found: list[Example] = []
    for span in trace.inferences:
        example = _within(_example(file, span, beside, answered), ends)
        found.append(example)
        response_id = text(span.attributes.get(semconv.GEN_AI_RESPONSE_ID))
        if response_id:
            answered[response_id] = example
    return tuple(found)


def _within(example: Example, ends: dict[tuple[str, str], int]) -> Example:
    """Return the example with the time from which on something was done for it; `ends` are those of earlier calls."""
    run, question = example.span.trace_id, example.question
    before = {text_of(each) for each in example.messages if each.role == "user"} - {question}
    own = max((end for (trace_id, asked), end in ends.items() if trace_id == run and asked in before), default=0)
    other = max((end for (_, asked), end in ends.items() if asked != question), default=0)
    end = example.span.end_ns or example.span.start_ns
    ends[run, question] = max(end, ends.get((run, question), 0))
    return replace(example, since_ns=own, alone_since_ns=other)


def _example(file: str, span: Span, beside: Beside, answered: Mapping[str, Example]) -> Example:
    asked = asked_of(span)
    told = semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID
    previous_id = text(asked.parameters.get(told) or span.attributes.get(told))
    before = answered.get(previous_id or "")
    history = () if before is None else (*before.messages, *_known(before.answer))
    return Example(
        file=file,
        span=span,
        messages=(*history, *asked.input_messages),
        system=asked.system_instructions,
        answer=next(iter(output_messages(span)), None) if not span.is_error else None,
        tools=asked.tool_definitions,
        is_parallel=_is_parallel(span),
        is_broken_off=previous_id is not None and (before is None or before.is_broken_off or before.answer is None),
        beside=beside,
    )


def _is_parallel(span: Span) -> bool | None:
    call = span.call
    if call is None or not call.attempts:
        return None
    try:
        told = obj(parse(call.attempts[-1].request.body)).get("parallel_tool_calls")
    except ValueError:
        return None
    return told if isinstance(told, bool) else None


def last_of_conversations(examples: Iterable[Example]) -> tuple[Example, ...]:
    """Return the examples that no other goes on from: each holds the whole of its conversation."""
    each = tuple(examples)
    prefixes = [example.prefixes for example in each]
    begun = {digest for found in prefixes for digest in found}
    wholes = [example.whole for example in each]
    return tuple(
        example
        for example, whole, found in zip(each, wholes, prefixes, strict=True)
        if whole not in begun or whole == found[-1]  # nothing was answered: nothing can go on from that
    )
