"""A run as the conversation it was: what was said, by whom, which tools were called with what. Trace in, tree of lines out.

Each turn tells what is new in it. Ids and times are left out, so that two files can be compared by it (git's textconv).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.tool_calls import arguments_of
from otel_agenttrace.errors import CassetteError
from otel_agenttrace.jsonvalue import Json, array, canonical, compact, text, value_of
from otel_agenttrace.model import Message, Part, Span, Trace
from otel_agenttrace.report.family import family
from otel_agenttrace.report.growing import Grown, grown, joined
from otel_agenttrace.report.node import Node, block, one_line
from otel_agenttrace.report.text import escaped, first_line
from otel_agenttrace.report.wording import Wording, is_agent, text_of_message
from otel_agenttrace.wire.recorded import asked_of, output_messages

__all__ = ["conversation"]

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function", "model"})
_OF_THE_SYSTEM: Final = ("system", "developer")
_RESPONSES: Final = ("tool_call_response", "server_tool_call_response")
_WORDING: Final = Wording(arguments="values", is_steady=False)


def conversation(trace: Trace) -> tuple[Node, ...]:
    """Return a run as a conversation, agents and tools with what happened inside them below.

    What a recorded call of cannot be read is said in its place.
    """
    shown = family(trace.spans)
    counted_once = {id(span) for span in trace.inferences}
    listener = _Listener()
    said = {
        id(span): tuple(listener.hears(span))
        for span, _ in shown.members
        if not span.is_inference or id(span) in counted_once
    }
    return joined(grown(shown, lambda span, children: _placed(span, said.get(id(span), ()), children)))


def _placed(span: Span, said: tuple[Node, ...], children: Grown) -> tuple[Node, ...]:
    """Return what a span says: of an agent or a tool around what happened inside, of another before it."""
    below = joined(children)
    if is_agent(span) or span.operation == semconv.OPERATION_EXECUTE_TOOL:
        return (Node(_WORDING.heading(span), (*below, *said, *_error(span))),)
    if span.is_error and not span.is_inference:
        return (*said, Node(_WORDING.line(span.name), (*below, *_error(span))))
    return (*said, *below)


def _error(span: Span) -> Iterator[Node]:
    if span.is_error:
        told = first_line(span.status_message)
        yield Node(f"{_WORDING.error(span)}: {told}" if told else _WORDING.error(span))


class _Listener:
    """Hears the spans of a run in their order, and keeps in mind what was said."""

    def __init__(self) -> None:
        self._systems: set[str] = set()
        self._heard: set[bytes] = set()
        self._results: set[str] = set()
        self._names: dict[str, str] = {}

    def hears(self, span: Span) -> Iterator[Node]:
        """Yield what a span says that was not said before."""
        try:
            yield from self._said(span)
        except CassetteError as error:
            yield Node(f"{_WORDING.line(span.name)}: not readable: {first_line(str(error))}")

    def _said(self, span: Span) -> Iterator[Node]:
        if span.is_inference:
            yield from self._asked(span)
            yield from self._answered(span)
        elif span.operation == semconv.OPERATION_EXECUTE_TOOL:
            yield from self._given(span)
        elif span.operation == semconv.OPERATION_RETRIEVAL:
            yield Node(_WORDING.heading(span), tuple(_retrieved(span)))
        elif span.read_call is not None:
            yield Node(_WORDING.heading(span))
        for event in span.events:
            if event.name == semconv.EVENT_AGENTTRACE_DECISION:
                yield _WORDING.decision(event)

    def _asked(self, span: Span) -> Iterator[Node]:
        request = asked_of(span)
        leading = next(
            (at for at, message in enumerate(request.input_messages) if message.role not in _OF_THE_SYSTEM),
            len(request.input_messages),
        )
        instructions = Message("system", request.system_instructions)
        for system in (instructions, *request.input_messages[:leading]):
            told = text_of_message(system)
            if told and told not in self._systems:
                self._systems.add(told)
                yield Node("system", _block(told))
        yield from self._new(request.input_messages[leading:], output_messages(span))

    def _new(self, asked: Sequence[Message], answered: Sequence[Message]) -> Iterator[Node]:
        """Yield the messages after those that were heard in this order before; the last one always."""
        last, known = b"", 0
        digests: list[bytes] = []
        for at, message in enumerate(asked):
            chain = _chain(last, message)
            digests += chain
            last = chain[-1] if chain else last
            known = at + 1 if known == at and self._heard.issuperset(chain) else known
        for message in asked[min(known, len(asked) - 1) :] if asked else ():
            yield from self._message(message)
        for message in answered:  # choices, each of which the conversation may go on with, or one answer in pieces
            digests += _chain(last, message)
        self._heard.update(digests, _chain(last, *answered))

    def _message(self, message: Message) -> Iterator[Node]:
        for part in message.parts:
            if part.get("type") == "tool_call":
                self._names[str(part.get("id"))] = str(part.get("name"))
            elif part.get("type") in _RESPONSES and _plain(part) not in self._results:
                name = self._names.get(str(part.get("id")), "")
                yield Node(f"tool {_WORDING.line(name)}" if name else "tool", _block(_shown(_result(part))))
        if told := tuple(_told(message)):
            yield Node(message.role if message.role in _ROLES else f"message of {one_line(message.role)}", told)

    def _answered(self, span: Span) -> Iterator[Node]:
        answered = output_messages(span)
        calls = (part for message in answered for part in message.parts if part.get("type") == "tool_call")
        self._names.update((str(part.get("id")), str(part.get("name"))) for part in calls)
        model = span.attributes.get(semconv.GEN_AI_REQUEST_MODEL)
        role = "assistant" if span.operation != semconv.OPERATION_EMBEDDINGS else semconv.OPERATION_EMBEDDINGS
        told = tuple(node for message in answered for node in _told(message))
        yield Node(f"{role} {one_line(model) if isinstance(model, str) else '?'}", (*told, *_error(span)))

    def _given(self, span: Span) -> Iterator[Node]:
        result = span.attributes.get(semconv.GEN_AI_TOOL_CALL_RESULT)
        if isinstance(result, str):
            self._results.add(canonical(value_of(result)))
            yield from _block(result)


def _block(told: str) -> tuple[Node, ...]:
    return block(told, escaped)


# --- parts of messages ------------------------------------------------------------------------------------------------


def _told(message: Message) -> Iterator[Node]:
    """Yield the text of a message, the tools it calls, and what else is in it but results of tools."""
    if said := text_of_message(message):
        yield from _block(said)
    for part in message.parts:
        if part.get("type") == "tool_call":
            yield Node(f"calls {_WORDING.asked(part)}")
        elif part.get("type") not in ("text", "refusal", "reasoning", *_RESPONSES):
            yield Node(f"with {_WORDING.other(part)}")


def _result(part: Part) -> Json:
    return part.get("response", part.get("result", part.get("server_tool_call_response")))


def _plain(part: Part) -> str:
    return canonical(value_of(_shown(_result(part))))


def _shown(value: Json) -> str:
    """Return a result as text: a list of texts, as APIs have it, by its texts."""
    if isinstance(value, list):
        texts = [text(part.get("content") or part.get("text")) for part in array(value) if isinstance(part, dict)]
        if texts and all(texts):
            return "\n".join(filter(None, texts))
    return value if isinstance(value, str) else compact(value)


def _chain(before: bytes, *messages: Message) -> list[bytes]:
    """Return what a conversation is known by after each piece of its next messages."""
    digests: list[bytes] = []
    for piece in (piece for message in messages for piece in _pieces(message)):
        before = hashlib.sha256(before + piece.encode("utf-8", "surrogatepass")).digest()
        digests.append(before)
    return digests


def _pieces(message: Message) -> Iterator[str]:
    """Yield what is said in a message, without ids and thoughts. How APIs divide an answer into messages does not count."""
    for part in message.parts:
        if part.get("type") == "tool_call":
            yield canonical([message.role, part.get("name"), arguments_of(part)])
        elif part.get("type") in _RESPONSES:
            yield canonical([message.role, _plain(part)])
        elif part.get("type") != "reasoning" and part.get("content") != "":
            yield canonical([message.role, {name: value for name, value in part.items() if name != "id"}])


def _retrieved(span: Span) -> Iterator[Node]:
    for name, attribute in (
        ("query", semconv.GEN_AI_RETRIEVAL_QUERY_TEXT),
        ("found", semconv.GEN_AI_RETRIEVAL_DOCUMENTS),
    ):
        told = span.attributes.get(attribute)
        if isinstance(told, str):
            yield Node(name, _block(told))
