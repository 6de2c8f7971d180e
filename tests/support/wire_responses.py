"""Responses of the model as each API can answer them: one that has everything, and hypothesis strategies for any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, obj
from otel_agenttrace.model import InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire import anthropic_messages, openai_chat, openai_completions, openai_responses
from otel_agenttrace.wire.codec import Codec

__all__ = ["CODECS", "RICH", "json_values", "responses"]

_Strategy: TypeAlias = "st.SearchStrategy[Any]"

CODECS: Final[Mapping[str, Codec]] = {
    codec.name: codec
    for codec in (openai_chat.CODEC, openai_completions.CODEC, openai_responses.CODEC, anthropic_messages.CODEC)
}
"""The codecs that have a way back."""

_TIER: Final = {semconv.OPENAI_RESPONSE_SERVICE_TIER: "default"}
_FINGERPRINT: Final = {semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: "fp_1"}
_USAGE: Final = Usage(100, 50, 30, 20, 10)


def _text(content: str, **more: Json) -> Part:
    return {"type": "text", "content": content, **more}


def _call(call_id: str, name: str, arguments: Json, **more: Json) -> Part:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments, **more}


_CHAT_CHOICES: Final = (
    Message(
        "assistant",
        (
            {"type": "reasoning", "content": "First look."},
            _text("It is 21° in Paris.\n"),
            _call("call_1", "weather", {"city": "Paris", "days": [1, 2]}),
            _call("call_2", "shell", "ls -l", custom=True),
            _call("call_3", "time", {}),
            {"type": "blob", "modality": "audio", "content": "UklGRg==", "id": "audio_1", "transcript": "Hi"},
        ),
        None,
        "tool_calls",
    ),
    Message("assistant", ({"type": "refusal", "content": "I can not."},), None, "stop"),
)
_NOTE: Final[Json] = {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}
_RESPONSES_PARTS: Final[tuple[Part, ...]] = (
    {"type": "reasoning", "id": "rs_1", "content": "First look.", "encrypted_content": "gAAA"},
    {
        "type": "server_tool_call",
        "name": "web_search",
        "server_tool_call": {
            "id": "ws_1",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "weather"},
        },
    },
    _text("It is 21° in Paris.\n", annotations=[_NOTE]),
    {"type": "refusal", "content": "No more."},
    _call("call_1", "weather", {"city": "Paris", "days": [1, 2]}),
    _call("call_2", "shell", "ls -l", custom=True),
)
_CITED: Final[Json] = {
    "type": "char_location",
    "cited_text": "21°",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 3,
    "file_id": None,
}
_ANTHROPIC_PARTS: Final[tuple[Part, ...]] = (
    {"type": "reasoning", "content": "First look.", "signature": "EqQB"},
    {"type": "reasoning", "content": "", "redacted": "gAAA"},
    {
        "type": "server_tool_call",
        "id": "srvtoolu_1",
        "name": "web_search",
        "server_tool_call": {"type": "web_search", "input": {"query": "weather"}},
    },
    {
        "type": "server_tool_call_response",
        "id": "srvtoolu_1",
        "server_tool_call_response": {
            "type": "web_search",
            "content": [{"type": "web_search_result", "url": "https://a.test", "title": "A", "encrypted_content": "x"}],
        },
    },
    _text("It is 21° in Paris.\n", citations=[_CITED]),
    _call("toolu_1", "weather", {"city": "Paris", "days": [1, 2]}),
    _call("toolu_2", "time", {}),
)

RICH: Final[Mapping[str, InferenceResponse]] = {
    "openai.chat": InferenceResponse(
        "chatcmpl-1", "gpt-5", ("tool_calls", "stop"), _CHAT_CHOICES, _USAGE, {**_TIER, **_FINGERPRINT}
    ),
    "openai.completions": InferenceResponse(
        "cmpl-1",
        "gpt-3.5-turbo-instruct",
        ("stop", "length"),
        (Message("assistant", (_text("One,"),), None, "stop"), Message("assistant", (_text("two"),), None, "length")),
        _USAGE,
        _FINGERPRINT,
    ),
    "openai.responses": InferenceResponse(
        "resp_1",
        "gpt-5",
        ("tool_calls",),
        (Message("assistant", _RESPONSES_PARTS, None, "tool_calls"),),
        _USAGE,
        _TIER,
    ),
    "anthropic.messages": InferenceResponse(
        "msg_1",
        "claude-opus-5",
        ("tool_use",),
        (Message("assistant", _ANTHROPIC_PARTS, None, "tool_use"),),
        _USAGE,
    ),
}
"""For each API an answer with every kind of part it knows."""


# --- any response -----------------------------------------------------------------------------------------------------

_EVERY_CHARACTER: Final = st.characters(exclude_categories=())


def json_values(*, names: _Strategy | None = None, leaves: _Strategy | None = None, size: int = 6) -> _Strategy:
    """Return a strategy for JSON values; not-a-number is left out, for it differs from itself."""
    words = names if names is not None else st.text(max_size=4)
    plain = leaves if leaves is not None else st.none() | st.booleans() | st.integers() | st.text(max_size=4)

    def nested(inner: _Strategy) -> _Strategy:
        return st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4)

    return st.recursive(plain | st.floats(allow_nan=False), nested, max_leaves=size)


@cache
def responses(api: str, *, is_readable: bool = False) -> _Strategy:
    """Return a strategy for responses of an API; readable ones have all that its SDK requires."""
    return _Grammar(is_readable).responses(api)


class _Grammar:
    """What an API can answer. Where the SDK shall read it, nothing is unknown and no text is half a surrogate pair."""

    def __init__(self, is_readable: bool) -> None:
        self._is_readable = is_readable
        characters = st.characters(exclude_categories=("Cs",)) if is_readable else _EVERY_CHARACTER
        self._words = st.text(characters, min_size=1, max_size=5)
        self._arguments = st.dictionaries(
            self._words, self._words | st.integers() | st.lists(st.booleans()), max_size=2
        )

    def responses(self, api: str) -> _Strategy:
        made: Mapping[str, Callable[[], _Strategy]] = {
            "openai.chat": lambda: self._choices(
                self._chat_parts(), ("stop", "tool_calls", "length", "content_filter")
            ),
            "openai.completions": lambda: self._choices(st.tuples(self._plain()), ("stop", "length")),
            "openai.responses": self._responses_answers,
            "anthropic.messages": self._anthropic_answers,
        }
        told = st.tuples(
            made[api](),
            self._known(self._words),
            self._known(self._words),
            self._usage(api),
            st.just({}) if api == "anthropic.messages" else st.sampled_from([{}, _FINGERPRINT]),
            st.none() if self._is_readable else st.sampled_from([None, "overloaded_error", "500"]),
        )
        return told.map(_response)

    def _known(self, told: _Strategy) -> _Strategy:
        return told if self._is_readable else st.none() | told

    def _usage(self, api: str) -> _Strategy:
        """Return tokens; those of the cache are never more than those of the input."""
        few, many = self._known(st.integers(0, 1000)), self._known(st.integers(2000, 3000))
        told = st.builds(Usage, many, few, few, st.none() if api == "openai.completions" else few, few)
        return told if self._is_readable else told | st.just(Usage())

    def _choices(self, parts: _Strategy, reasons: tuple[str, ...]) -> _Strategy:
        choice = st.builds(Message, st.just("assistant"), parts, st.none(), self._known(st.sampled_from(reasons)))
        several = st.lists(choice, min_size=int(self._is_readable), max_size=3).map(tuple)
        return several.map(lambda told: (told, tuple(each.finish_reason for each in told if each.finish_reason)))

    def _responses_answers(self) -> _Strategy:
        odd = [] if self._is_readable else [None, "failed", "cancelled", "incomplete"]
        reasons = st.sampled_from(["stop", "max_output_tokens", "content_filter", *odd])
        return st.tuples(self._responses_parts().map(_numbered), reasons).map(_responses_answer)

    def _anthropic_answers(self) -> _Strategy:
        odd = [] if self._is_readable else [None]
        reasons = st.sampled_from(
            ["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", *odd]
        )
        return st.tuples(self._anthropic_parts(), reasons).map(lambda told: _answer(*told, is_told=any(told)))

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _plain(self) -> _Strategy:
        return st.builds(_text, self._words | st.just(""))

    def _calls(self, *more: _Strategy) -> _Strategy:
        cut = st.just('{"cut')
        given = self._arguments if self._is_readable else st.one_of(self._arguments, cut, *more)
        return st.builds(_call, self._words, self._words, given)

    def _custom_calls(self) -> _Strategy:
        return st.builds(_call, self._words, self._words, self._words, custom=st.just(True))

    def _maybe(self, part: _Strategy) -> _Strategy:
        return st.lists(part, max_size=1)

    def _chat_parts(self) -> _Strategy:
        kinds = (
            self._maybe(st.fixed_dictionaries({"type": st.just("reasoning"), "content": self._words})),
            self._maybe(self._plain()),
            self._maybe(st.fixed_dictionaries({"type": st.just("refusal"), "content": self._words})),
            st.lists(self._calls(st.just("")) | self._custom_calls(), max_size=3),
        )
        return st.tuples(*kinds).map(lambda told: tuple(part for of_kind in told for part in of_kind))

    def _responses_parts(self) -> _Strategy:
        reasoning = {"type": st.just("reasoning"), "content": self._words | st.just(""), "id": self._words}
        search = {"id": self._words, "type": st.just("web_search_call"), "status": st.just("completed")}
        server = {
            "type": st.just("server_tool_call"),
            "name": st.just("web_search"),
            "server_tool_call": st.fixed_dictionaries({**search, "action": st.just({"type": "search", "query": "q"})}),
        }
        own = {"type": st.just("compaction"), "id": self._words, "encrypted_content": self._words}
        return _lists(
            self._plain(),
            st.builds(_text, self._words, annotations=st.just([_NOTE])),
            st.fixed_dictionaries({"type": st.just("refusal"), "content": self._words}),
            st.fixed_dictionaries(reasoning, optional={"encrypted_content": self._words}),
            st.fixed_dictionaries(server),
            st.fixed_dictionaries(own),
            self._calls(st.just("")),
            self._custom_calls(),
        )

    def _anthropic_parts(self) -> _Strategy:
        thinking = {"type": st.just("reasoning"), "content": self._words | st.just(""), "signature": self._words}
        redacted = {"type": st.just("reasoning"), "content": st.just(""), "redacted": self._words}
        return _lists(
            self._plain(),
            st.builds(_text, self._words, citations=st.just([_CITED, _CITED]) | st.none()),
            st.fixed_dictionaries(thinking),
            st.fixed_dictionaries(redacted),
            st.sampled_from([part for part in _ANTHROPIC_PARTS if str(part["type"]).startswith("server_tool")]),
            st.fixed_dictionaries({"type": st.just("container_upload"), "file_id": self._words}),
            self._calls(),
        )


def _lists(*kinds: _Strategy) -> _Strategy:
    return st.lists(st.one_of(*kinds), max_size=4).map(tuple)


def _numbered(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts with distinct ids, which the SDK insists on."""
    numbered = [{**part, "id": f"{part['id']}{place}"} if "id" in part else part for place, part in enumerate(parts)]
    servers = [
        ({**part, "server_tool_call": {**obj(part["server_tool_call"]), "id": f"ws{place}"}})
        if "server_tool_call" in part
        else part
        for place, part in enumerate(numbered)
    ]
    return tuple(servers)


def _response(told: tuple[Any, ...]) -> InferenceResponse:
    (messages, reasons), response_id, model, usage, attributes, error_type = told
    return InferenceResponse(response_id, model, reasons, messages, usage, attributes, error_type)


def _responses_answer(told: tuple[tuple[Part, ...], str | None]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return an answer that ended as its parts say: the API tells only that it is complete."""
    parts, reason = told
    is_calling = reason == "stop" and any(part["type"] == "tool_call" for part in parts)
    return _answer(parts, "tool_calls" if is_calling else reason, is_told=bool(parts))


def _answer(
    parts: tuple[Part, ...], reason: str | None, *, is_told: bool
) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return the messages and finish reasons of an API that answers with one message, or with none."""
    messages = (Message("assistant", parts, None, reason),) if is_told else ()
    return messages, (reason,) if reason else ()
