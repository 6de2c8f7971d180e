"""What a request asks, in a form that all APIs and instrumentations share, and whether two requests ask the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.dialects.told import Told
from otel_agenttrace.jsonvalue import Json, JsonObject, array, canonical, number, obj, parse, text, without
from otel_agenttrace.matching import digested
from otel_agenttrace.model import AttributeValue, InferenceRequest, Message, Part
from otel_agenttrace.wire.codec import Codec

__all__ = [
    "Agreement",
    "Asked",
    "agreement",
    "asked_of",
    "form_of",
    "is_self_contained",
    "media_told_as_addresses",
    "recorded_facts",
    "tells_ids",
    "without_media",
]

_ROLES: Final = {"developer": "system", "function": "tool", "model": "assistant"}
_TOOLS: Final = "tools"
_MESSAGES: Final = frozenset({"messages", "input", "prompt", "system", "instructions"})
_COMPARED_APART: Final = _MESSAGES | {_TOOLS, "model", "stream", "stream_options"}
_PREVIOUS: Final = "previous_response_id"
_OF_THE_CLIENT: Final = ("timeout", "extra_")
"""Arguments of an SDK's method that are no part of the request."""
_DEFAULTS: Final[Mapping[str, AttributeValue]] = {
    semconv.GEN_AI_OUTPUT_TYPE: "text",
    semconv.GEN_AI_REQUEST_CHOICE_COUNT: 1,
    semconv.OPENAI_REQUEST_SERVICE_TIER: "auto",
}
"""What some instrumentations tell although nobody asked for it."""


# --- the form -----------------------------------------------------------------------------------------------------------


def form_of(request: InferenceRequest, *, has_ids: bool = True) -> dict[str, Json]:
    """Return what is said in a request: the system's texts, then every part of every message under its role.

    Ids of tool calls become their place of first use, so that they may differ from run to run if they do everywhere;
    without ids they are left out. Text and JSON of tool results are compared as values, images and files by their
    digest. Earlier reasoning, which few record, is left out.
    """
    ids: _Ids = {} if has_ids else None
    leading = _leading(request.input_messages)
    of_system = [part for message in request.input_messages[:leading] for part in message.parts]
    system = [said for part in (*request.system_instructions, *of_system) for said in _said(part, ids)]
    is_completion = request.operation == semconv.OPERATION_TEXT_COMPLETION
    return {
        "operation": request.operation if is_completion else semconv.OPERATION_CHAT,
        "system": system,
        "messages": list(_turns(request.input_messages[leading:], ids)),
    }


def without_media(form: JsonObject) -> dict[str, Json]:
    """Return a form that tells of each image and file only that there is one."""
    return {name: list(map(_unseen, each)) if isinstance(each, list) else each for name, each in form.items()}


def _unseen(said: Json) -> Json:
    kind = _media_kind(obj(said))
    return {**without(obj(said), kind, "of"), "held": obj(said)[kind]} if kind else said


def media_told_as_addresses(asked: JsonObject, told: JsonObject) -> Mapping[str, str] | None:
    """Return where a form holds data of which another tells an address, with the address; None if they differ otherwise.

    Some instrumentations upload what a request holds, and tell where it is.
    """
    found: dict[str, str] = {}
    for name in ("system", "messages"):
        for place, (left, right) in enumerate(zip(array(asked[name]), array(told[name]), strict=True)):
            if "blob" in obj(left) and "uri" in obj(right):
                found[f"/{name}/{place}"] = text(obj(right)["of"]) or ""
            elif "of" in obj(left) and left != right:
                return None
    return found


_MEDIA: Final = ("blob", "uri", "file")


def _media_kind(said: JsonObject) -> str:
    return next((kind for kind in _MEDIA if kind in said and "of" in said), "")


_Ids: TypeAlias = "dict[str, int] | None"


def tells_ids(request: InferenceRequest) -> bool:
    """Whether each result of a tool has the id of a call before it: OpenLLMetry has ids of items for calls of Responses."""
    called: set[Json] = set()
    for part in (part for message in request.input_messages for part in message.parts):
        if part.get("type") == "tool_call":
            called.add(text(part.get("id")))
        elif part.get("type") == "tool_call_response" and text(part.get("id")) not in called:
            return False
    return True


def _leading(messages: Sequence[Message]) -> int:
    """Return how many messages of the system stand before all others."""
    return next((at for at, each in enumerate(messages) if _role(each) != "system"), len(messages))


def _role(message: Message) -> str:
    return _ROLES.get(message.role, message.role)


def _turns(messages: Iterable[Message], ids: _Ids) -> Iterator[Json]:
    for message in messages:
        for part in message.parts:
            role = "tool" if part.get("type") == "tool_call_response" else _role(message)
            for said in _said(part, ids):
                yield {"role": role, **obj(said)}


def _said(part: Part, ids: _Ids) -> Iterator[Json]:
    kind = text(part.get("type")) or ""
    if kind in ("text", "refusal"):
        if part.get("content"):
            yield {kind: part.get("content")}
    elif kind == "tool_call":
        yield {"call": part.get("name"), "arguments": _value(part.get("arguments")), "id": _place(part, ids)}
    elif kind == "tool_call_response":
        failed: JsonObject = {"is_error": True} if part.get("is_error") is True else {}
        yield {"result": _value(part.get("response")), "id": _place(part, ids), **failed}
    elif kind in _MEDIA:
        held = text(part.get("content"))
        digest = hashlib.sha256(digested(held).encode("utf-8", "replace")).hexdigest() if held is not None else None
        yield {kind: part.get("modality"), "of": digest or part.get("uri") or part.get("file_id")}
    elif kind != "reasoning":
        yield {"part": part}


def _place(part: Part, ids: _Ids) -> int | None:
    told = text(part.get("id"))
    return ids.setdefault(told, len(ids)) if told and ids is not None else None


def _value(told: Json) -> Json:
    """Return a result or arguments as a value: JSON that a text holds, the text of text parts, nothing for none."""
    parts = [obj(part) for part in array(told)]
    if parts and all(part.get("type") in ("text", "input_text", "output_text") for part in parts):
        told = "".join(text(part.get("content", part.get("text"))) or "" for part in parts)
    if not isinstance(told, str):
        return {} if told is None else told
    if not told.strip():
        return {}
    try:
        value = parse(told)
    except ValueError:
        return told
    return value if isinstance(value, dict | list) else told


# --- what is asked ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way: what it means, its body, and the attributes that each further member of the body tells."""

    request: InferenceRequest
    body: JsonObject
    api: str
    told_by: Mapping[str, Mapping[str, AttributeValue]]


def asked_of(codec: Codec, body: JsonObject) -> Asked:
    """Return what a body asks for."""
    settings = {name: value for name, value in body.items() if name not in _COMPARED_APART}
    told_by: dict[str, Mapping[str, AttributeValue]] = {}
    whole = _parameters(codec, settings)
    for member in settings:
        rest = _parameters(codec, {name: value for name, value in settings.items() if name != member})
        told_by[member] = {name: value for name, value in whole.items() if rest.get(name) != value}
    return Asked(codec.decode_request(body), body, codec.name, told_by)


def _parameters(codec: Codec, settings: JsonObject) -> Mapping[str, AttributeValue]:
    return plain_parameters(codec.decode_request(settings).parameters)


def plain_parameters(parameters: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    """Return the parameters that somebody asked for, without defaults and the name of the API."""
    return {
        name: value
        for name, value in parameters.items()
        if name != semconv.OPENAI_API_TYPE and _DEFAULTS.get(name) != value
    }


def is_self_contained(body: JsonObject) -> bool:
    """Whether a request says what it asks: it names no conversation or prompt that the provider keeps."""
    return not body.get("conversation") and not obj(body.get("prompt"))


# --- whether a span was asked the same ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """By what a request and a span agree, and what of the request the span does not tell."""

    matched: tuple[str, ...]
    unrecorded: tuple[str, ...]


def recorded_facts(told: Iterable[Told]) -> Set[str]:
    """Return which facts an instrumentation records, as far as its spans show: parameters, `tools`."""
    found: set[str] = set()
    for each in told:
        found |= plain_parameters(each.request.parameters).keys()
        if each.request.tool_definitions:
            found.add(_TOOLS)
    return found


def agreement(asked: Asked, told: Told, recorded: Set[str]) -> Agreement | None:
    """Return how a request agrees with what a span was asked besides its messages, or None if it does not.

    What the span does not tell is no disagreement, unless its instrumentation tells it elsewhere: then it was not asked.
    """
    matched, unrecorded = ["messages"], list[str]()
    for name, agrees in (
        ("model", _same_model(asked.request, told)),
        (_TOOLS, _same_tools(asked.request, told, _TOOLS in recorded)),
    ):
        if agrees is False:
            return None
        if agrees is not None:
            matched.append(name)
        elif name in asked.body:
            unrecorded.append(name)
    parameters = plain_parameters(told.request.parameters)
    if any(name not in _told(asked) for name in parameters):
        return None
    for member, value in asked.body.items():
        if member in _COMPARED_APART:
            continue
        agrees = _same_member(asked, member, value, told, recorded)
        if agrees is False or (agrees is None and member == _PREVIOUS and value):
            return None
        (unrecorded if agrees is None else matched).append(member)
    if told.body is not None and told.api == asked.api and _left_out(asked.body, told.body):
        return None
    return Agreement(tuple(matched), tuple(unrecorded))


def _told(asked: Asked) -> Set[str]:
    return {name for attributes in asked.told_by.values() for name in attributes}


def _same_model(asked: InferenceRequest, told: Told) -> bool | None:
    return None if told.request.model is None or asked.model is None else told.request.model == asked.model


def _same_tools(asked: InferenceRequest, told: Told, is_recorded: bool) -> bool | None:
    given = told.request.tool_definitions
    if not given:
        return False if is_recorded and asked.tool_definitions else None
    if told.gaps_of("tools"):
        return None
    return len(given) == len(asked.tool_definitions) and all(
        all(canonical(left[name]) == canonical(right[name]) for name in left.keys() & right.keys())
        and _name(left) == _name(right)
        for left, right in zip(given, asked.tool_definitions, strict=True)
    )


def _name(tool: JsonObject) -> Json:
    return tool.get("name")


def _same_member(asked: Asked, member: str, value: Json, told: Told, recorded: Set[str]) -> bool | None:
    """Return whether a member of the body agrees, or None if the span does not tell it, or not all of it."""
    if told.body is not None and told.api == asked.api:
        return member in told.body and canonical(told.body[member]) == canonical(value)
    attributes = asked.told_by.get(member, {})
    parameters = plain_parameters(told.request.parameters)
    for name, wanted in attributes.items():
        if name in parameters and not _is_same(parameters[name], wanted):
            return False
        if name not in parameters and name in recorded:
            return False
    is_told = bool(attributes) and attributes.keys() <= parameters.keys()
    return True if is_told and _leaves(value) <= len(attributes) else None


def _left_out(asked: JsonObject, told: JsonObject) -> bool:
    """Whether the span was asked with a member that is not asked now."""
    return any(
        name not in asked and name not in _COMPARED_APART and not name.startswith(_OF_THE_CLIENT) for name in told
    )


def _is_same(left: AttributeValue, right: AttributeValue) -> bool:
    if isinstance(left, str | Mapping) or isinstance(right, str | Mapping):
        return left == right
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return tuple(left) == tuple(right)
    one, other = number(left), number(right)
    return left == right if one is None or other is None else float(one) == float(other)


def _leaves(value: Json) -> int:
    if isinstance(value, dict):
        return sum(_leaves(member) for member in obj(value).values())
    return 1
