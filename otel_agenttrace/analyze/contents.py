"""Read what an act was given and what it gave, in a form that can be compared across runs and dialects. Acts in, pieces out.

Ids, times and temporary paths differ in any two runs: they are no difference, unless it is to be exact. What is not
recorded is None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.acts import Act
from otel_agenttrace.analyze.questioning import Piece, Questions
from otel_agenttrace.analyze.tool_calls import arguments_of
from otel_agenttrace.jsonvalue import Json, JsonObject, array, canonical, inner_json, obj, parse, text, value_of
from otel_agenttrace.model import CallGist, Message, Part, Span
from otel_agenttrace.volatile import steady_value
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["Contents", "given_by", "given_to", "written"]

_REQUEST: Final = (
    semconv.GEN_AI_REQUEST_CHOICE_COUNT,
    semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    semconv.GEN_AI_REQUEST_MAX_TOKENS,
    semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
    semconv.GEN_AI_REQUEST_REASONING_LEVEL,
    semconv.GEN_AI_REQUEST_SEED,
    semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    semconv.GEN_AI_REQUEST_STREAM,
    semconv.GEN_AI_REQUEST_TEMPERATURE,
    semconv.GEN_AI_REQUEST_TOP_K,
    semconv.GEN_AI_REQUEST_TOP_P,
    semconv.GEN_AI_OUTPUT_TYPE,
    semconv.OPENAI_REQUEST_SERVICE_TIER,
)
_OWN_PLACES: Final = frozenset(
    {"model", "messages", "input", "contents", "system", "instructions", "tools", "functions"}
)
"""Members of a request that are compared each for itself; what else there is, is a parameter."""


class Contents:
    """What the acts of one run say, read once each."""

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._steady: dict[tuple[str, bool], str] = {}
        self._questions = Questions(self._piece)
        self._answered: dict[tuple[str, str] | int, tuple[tuple[Message, ...], int]] = {}
        self._members: dict[str, str] = {}
        self._definitions: dict[int, dict[str, str]] = {}
        self._outputs: dict[int, tuple[Piece, ...]] = {}
        self._begun: dict[object, bool] = {}

    # --- models -------------------------------------------------------------------------------------------------------

    def asked_alike(self, old: Act, new: Act) -> bool:
        """Whether two calls to models are known to have been asked the same."""
        one, other = old.span.call_digests, new.span.call_digests
        if one is not None and other is not None and one[0] == other[0]:
            return True
        was, now = self.gist(old), self.gist(new)
        return was is not None and now is not None and was.asked == now.asked and self._began_alike(was, now)

    def _began_alike(self, was: CallGist, now: CallGist) -> bool:
        """Whether the messages before their own are the same in two calls. No two beginnings are gone through twice."""
        passed: list[object] = []
        while was.before != now.before and not self._begun.get(place := (was.before, now.before)):
            if place in self._begun:
                return False
            self._begun[place] = False  # until it is known: calls may go on with each other in a circle
            passed.append(place)
            one, other = was.earlier(), now.earlier()
            if one is None or other is None or was.count != now.count or one.asked != other.asked:
                return False
            was, now = one, other
        self._begun.update(dict.fromkeys(passed, True))
        return True

    def answered_alike(self, old: Act, new: Act) -> bool:
        """Whether two calls to models are known to have been answered the same."""
        one, other = old.span.call_digests, new.span.call_digests
        if one is not None and other is not None and one[1] == other[1]:
            return True
        was, now = self.gist(old), self.gist(new)
        return was is not None and now is not None and was.answered == now.answered

    def gist(self, act: Act) -> CallGist | None:
        """Return what a call to a model adds, without the ids in it; None where these count, or it is not plain to see."""
        return None if self._exact else act.span.gist

    def begin_alike(self, old: Act, new: Act) -> bool:
        """Whether two calls are known to begin with the same messages, after which each has others."""
        was, now = self.gist(old), self.gist(new)
        is_alike = was is not None and now is not None and self._began_alike(was, now)
        return self._questions.begin_alike(old.span, new.span, is_alike=is_alike)

    def system(self, span: Span, *, is_tail: bool = False) -> str | None:
        """Return the instructions to a model, in its request or in messages; None where no content is recorded.

        Args:
            span: The call.
            is_tail: Whether messages are left out that another call is known to hold.
        """
        said = self._questions.said(span, is_tail=is_tail)
        own = (text(part.get("content")) or "" for part in self._questions.head(span).system_instructions)
        told = "\n".join((*own, *said.system))
        return told if told or said.is_any else None

    def messages(self, span: Span, *, is_tail: bool = False) -> tuple[Piece, ...]:
        """Return what a model was given to read, but instructions; nothing where it is not recorded. `is_tail` as above."""
        return self._questions.said(span, is_tail=is_tail).pieces

    def newest(self, span: Span) -> str | None:
        """Return what tells a call from others of the same conversation: what was said since the model spoke last."""
        said = self.messages(span, is_tail=True)
        if not any(map(_is_answer, said)):
            said = self.messages(span)
        newest = takewhile(lambda piece: not _is_answer(piece), reversed(said))
        return "\n".join(piece.key for piece in newest) or None

    def output(self, span: Span) -> tuple[Piece, ...]:
        """Return what a model answered, the tools it asked for, too, which are acts of their own."""
        found = self._outputs.get(id(span))
        if found is None:
            parts = ((message.role, part) for message in self.answered(span) for part in message.parts)
            found = self._outputs[id(span)] = tuple(self._piece(role, part) for role, part in parts)
        return found

    def answered(self, span: Span) -> tuple[Message, ...]:
        """Return the messages of a model's answer."""
        return self._answer(span)[0]

    def tried(self, act: Act) -> int:
        """Return how often a call was tried, as far as that is recorded."""
        return self._answer(act.span)[1]

    def _answer(self, span: Span) -> tuple[tuple[Message, ...], int]:
        key = span.call_digests or id(span)
        found = self._answered.get(key)
        if found is None:
            attempts = span.attempts
            found = self._answered[key] = output_messages(span, attempts), len(attempts)
        return found

    def question(self, span: Span) -> str:
        """Return a digest of all that a model was given to read; "" where it is not recorded."""
        system, said = self.system(span), self.messages(span)
        if system is None and not said:
            return ""
        read = "\0".join([self.key_of(system or ""), *(piece.key for piece in said)])
        return hashlib.sha256(read.encode("utf-8", "surrogatepass")).hexdigest()

    def given(self, span: Span) -> str:
        """Return what was given newest to what a span tells, as one text; "" where that is not recorded."""
        if span.is_inference:
            return self.newest(span) or ""
        told = _text(span, semconv.GEN_AI_TOOL_CALL_ARGUMENTS) or _text(span, semconv.GEN_AI_RETRIEVAL_QUERY_TEXT)
        return "" if told is None else canonical(self._steady_of(value_of(told)))

    def answer(self, span: Span) -> str:
        """Return what a model answered, as one text; "" where that is not recorded."""
        return "\n".join(piece.key for piece in self.output(span))

    def parameters(self, act: Act) -> Mapping[str, str]:
        """Return the parameters of a request as canonical JSON, by the names they have on spans."""
        told = act.span.attributes
        given = {**self._questions.head(act.span).parameters, **{name: told[name] for name in _REQUEST if name in told}}
        return {_short_name(name): canonical(value) for name, value in given.items() if name in _REQUEST}

    def members(self, act: Act) -> Mapping[str, str] | None:
        """Return the parameters of a recorded request as it has them: canonical JSON; None where it is not recorded."""
        request = self._questions.request(act.span)
        if request is not None:
            return {name: self._member(member) for name, member in request.members.items() if name not in _OWN_PLACES}
        call = act.span.call
        if call is None or not call.attempts:
            return None
        try:
            told = obj(parse(call.attempts[-1].request.body))
        except ValueError:
            return None
        return {name: canonical(self._steady_of(value)) for name, value in told.items() if name not in _OWN_PLACES}

    def _member(self, member: str) -> str:
        found = self._members.get(member)
        if found is None:
            found = self._members[member] = canonical(self._steady_of(parse(member)))
        return found

    def definitions(self, act: Act) -> Mapping[str, str] | None:
        """Return the tools that a model was offered, by name, as canonical JSON; None where that is not known."""
        defined = self._questions.head(act.span).tool_definitions
        if defined:  # once for all calls that are offered the same
            found = self._definitions.get(id(defined))
            if found is None:
                found = self._definitions[id(defined)] = dict(map(self._defined, defined))
            return found
        told = act.span.attributes.get(semconv.GEN_AI_TOOL_DEFINITIONS)
        listed = array(inner_json(told) if isinstance(told, str) else told)
        is_known = bool(listed) or act.span.call_digests is not None
        return dict(self._defined(obj(each)) for each in listed) if is_known else None

    def _defined(self, definition: JsonObject) -> tuple[str, str]:
        function = obj(definition.get("function")) or definition
        said: Json = {name: function.get(name) for name in ("description", "parameters")}
        return text(function.get("name")) or "", canonical(self._steady_of(said))

    # --- tools --------------------------------------------------------------------------------------------------------

    def arguments(self, act: Act) -> Json:
        """Return what a tool or a retrieval was given, without what changes from run to run."""
        return self._steady_of(given_to(act))

    def _steady_of(self, value: Json) -> Json:
        return value if self._exact else steady_value(value)

    def result(self, act: Act) -> Json:
        """Return what a tool or a retrieval gave, without what changes from run to run."""
        return self._of_tool(given_by(act))

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _piece(self, role: str, part: Part) -> Piece:
        kind = text(part.get("type")) or ""
        told = _told(kind, part)
        if kind == "tool_call":
            return Piece(role, kind, told, f"{kind} {self.key_of(told)}")
        if kind == "tool_call_response":
            return Piece("tool", kind, told, self.result_key(told))
        return Piece(role, kind, told, f"{role} {kind} {self.key_of(told.strip())}")

    def key_of(self, told: str) -> str:
        """Return the text by which a text is compared."""
        if self._exact:
            return told
        found = self._steady.get((told, False))
        if found is None:
            found = self._steady[told, False] = str(steady_value(told))
        return found

    def call_key(self, name: str, given: Json) -> str:
        """Return the text by which a call of a tool is compared where it stands in a message."""
        return f"tool_call {self.key_of(f'{name}({canonical(given)})')}"

    def result_key(self, result: Json) -> str:
        """Return the text by which the result of a tool is compared where it stands in a message."""
        told = written(result)
        found = self._steady.get((told, True))
        if found is None:
            found = self._steady[told, True] = written(self._of_tool(inner_json(told) or told))
        return f"tool_call_response {found}"

    def _of_tool(self, value: Json) -> Json:
        if self._exact:
            return value
        return obj(steady_value({"role": "tool", "content": value})).get("content")


def _is_answer(piece: Piece) -> bool:
    return piece.role == "assistant"


def _told(kind: str, part: Part) -> str:
    """Return the text of a part of a message."""
    if kind in ("text", "reasoning", "refusal"):
        return text(part.get("content")) or ""
    if kind == "tool_call":
        return f"{text(part.get('name')) or ''}({canonical(arguments_of(part))})"
    if kind == "tool_call_response":
        return written(part.get("response", part.get("result")))
    return canonical({name: value for name, value in part.items() if name not in ("id", "type")})


def given_to(act: Act) -> Json:
    """Return what a tool or a retrieval was given; None where it is not told."""
    return act.call.arguments if act.call is not None else _text(act.span, semconv.GEN_AI_RETRIEVAL_QUERY_TEXT)


def given_by(act: Act) -> Json:
    """Return what a tool or a retrieval gave; None where it is not told."""
    if act.call is not None:
        return act.call.result
    return inner_json(_text(act.span, semconv.GEN_AI_RETRIEVAL_DOCUMENTS))


def written(value: Json) -> str:
    """Return a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical(value)


def _text(span: Span, name: str) -> str | None:
    return text(span.attributes.get(name))


def _short_name(attribute: str) -> str:
    return attribute.rpartition(".")[2]
