"""Change what was recorded: an answer, a prompt, the result of a tool. Texts and recorded values in, changed ones out.

    inference[3] answer = "no"                          the text of an answer
    inference[3] response/choices/0/finish_reason = length
    model=gpt-4o* request/messages/0/content += " Be brief."
    tool=weather result/celsius = 41
    tool=search result ~= /hotel/hostel/

`=` replaces the value, or adds a member; `+=` appends to a text, a list or an object, or adds to a number; `~=` replaces
what a regular expression finds in a text. A value is JSON, or else the text as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError, NotEncodable
from otel_agenttrace.jsonvalue import Json, array, canonical, compact, digits, obj, parse, value_of
from otel_agenttrace.model import AttributeValue, Chunk, Exchange, Span
from otel_agenttrace.patterns import expression
from otel_agenttrace.selectors import Selectable, Selector, parse_selector
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.recorded import is_whole
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import event_bytes, json_events

__all__ = ["Part", "Patch", "made_patch", "parse_patch", "patched", "patched_exchange", "patched_result"]

Part: TypeAlias = Literal["answer", "response", "request", "result"]
_WRITTEN: Final = re.compile(
    r'(?P<selector>(?:"[^"]*"|[^"])*?)(?:^|\s)(?P<part>answer|response|request|result)(?P<pointer>(?:/\S*?)?)'
    r"\s*(?P<sign>\+=|~=|=)\s*(?P<value>.*)",
    re.DOTALL,
)
_REPLACEMENT: Final = re.compile(r"(?P<mark>[/|#])(?P<pattern>.+?)(?<!\\)(?P=mark)(?P<by>.*)(?P=mark)", re.DOTALL)
_ANSWERS: Final = ("/choices/*/message/content", "/choices/*/text", "/output/*/content/*/text", "/content/*/text")
"""Where the APIs have the text of an answer."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change: of which spans, of what part of them, and how.

    Attributes:
        selector: The recorded spans that are changed.
        part: What of them: the text of an answer, the JSON of a response or a request, or a tool's result.
        pointer: The JSON pointer of the value; empty for the whole part.
        change: Old value in, new value out. A member that is not there yet is None.
    """

    selector: Selector
    part: Part
    pointer: str
    change: Callable[[Json], Json]
    text: str = field(default="", compare=False)


@lru_cache(maxsize=256)
def parse_patch(text: str) -> Patch:
    """Return the patch a text stands for.

    Raises:
        ConfigError: If the text is none; SelectorError if its selector is none.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"the patch {text!r} is not SELECTOR PART[/POINTER] = VALUE.\n"
            "  to fix   a part is answer, response, request or result: 'inference[3] answer = \"no\"'"
        )
    sign, written = found["sign"], found["value"]
    change = _SIGNS[sign](text, written)
    return Patch(parse_selector(found["selector"]), cast("Part", found["part"]), found["pointer"], change, text)


def made_patch(selector: Selectable, part: str, change: Callable[[Any], Any]) -> Patch:
    """Return the patch that a function makes.

    Raises:
        ConfigError: If the part is none; SelectorError if the selector is none.
    """
    name, slash, pointer = part.partition("/")
    if name not in get_args(Part):
        raise ConfigError(f"A patch has no part {part!r}.\n  to fix   {', '.join(get_args(Part))}")
    chosen = parse_selector(selector)
    return Patch(
        chosen,
        cast("Part", name),
        slash + pointer,
        change,
        f"{chosen.text} {part} by {getattr(change, '__name__', change)}",
    )


def _set(_: str, written: str) -> Callable[[Json], Json]:
    value = value_of(written)
    return lambda _: value


def _append(text: str, written: str) -> Callable[[Json], Json]:
    value = value_of(written)

    def append(old: Json) -> Json:
        if isinstance(old, str):
            return old + (value if isinstance(value, str) else canonical(value))
        if isinstance(old, list):
            return [*old, *(value if isinstance(value, list) else [value])]
        if isinstance(old, dict) and isinstance(value, dict):
            return {**old, **value}
        if isinstance(old, int | float) and isinstance(value, int | float):
            return old + value
        raise ConfigError(f"the patch {text!r} cannot append {written} to {canonical(old)[:80]}")

    return append


def _substitute(text: str, written: str) -> Callable[[Json], Json]:
    found = _REPLACEMENT.fullmatch(written.strip())
    if found is None:
        raise ConfigError(f"the patch {text!r} has no /PATTERN/REPLACEMENT/ behind ~=")
    try:
        pattern = expression(found["pattern"])
        pattern.sub(found["by"], "")
    except (ValueError, LookupError, re.error) as error:
        raise ConfigError(f"the patch {text!r} has a pattern that is none: {error}") from error

    def substitute(old: Json) -> Json:
        if not isinstance(old, str):
            raise ConfigError(f"the patch {text!r} meets {canonical(old)[:80]}, which is no text")
        return pattern.sub(found["by"], old)

    return substitute


_SIGNS: Final[dict[str, Callable[[str, str], Callable[[Json], Json]]]] = {
    "=": _set,
    "+=": _append,
    "~=": _substitute,
}

# --- values ---------------------------------------------------------------------------------------------------------


def patched(value: Json, patches: Iterable[Patch]) -> Json:
    """Return a JSON value with some patches of one part applied in their order.

    Raises:
        ConfigError: If a pointer leads nowhere, or a change does not fit what it meets.
    """
    for patch in patches:
        value = _changed(value, _steps(patch.pointer), patch)
    return value


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _changed(value: Json, steps: Sequence[str], patch: Patch) -> Json:
    if not steps:
        return patch.change(value)
    step, *rest = steps
    if isinstance(value, dict) and (step in value or not rest):
        return {**value, step: _changed(value.get(step), rest, patch)}
    if isinstance(value, list) and (at := digits(step)) is not None and at < len(value):
        return [_changed(item, rest, patch) if index == at else item for index, item in enumerate(value)]
    if isinstance(value, list) and step == "-" and not rest:
        return [*value, patch.change(None)]
    there = ", ".join(sorted(value)[:10]) if isinstance(value, dict) else f"{type(value).__name__}"
    raise ConfigError(f"the patch {patch.text!r} finds no {step!r}.\n  nearest  {there}")


def patched_result(span: Span, patches: Sequence[Patch]) -> Span:
    """Return a recorded tool span with its result changed; a value that was recorded with its types keeps them.

    Raises:
        ConfigError: If the result has no such value, or the tool failed or is a generator.
    """
    told = span.attributes
    kind = told.get(semconv.AGENTTRACE_TOOL_RESULT_TYPE)
    if span.is_error or kind in ("items", "error", "live_only"):
        raise ConfigError(
            f"the patch {patches[0].text!r} meets {span.name}, which has no one result ({kind or 'error'})"
        )
    written = told.get(semconv.GEN_AI_TOOL_CALL_RESULT if kind != "typed" else semconv.AGENTTRACE_TOOL_RESULT_VALUE)
    value = written if kind == "text" else value_of(str(written or "null"))
    for patch in patches:
        if kind == "typed" and not patch.pointer:
            raise ConfigError(
                f"the patch {patch.text!r} meets a value with a type.\n  to fix   name a member: result/…"
            )
        pointer = _tagged_pointer(value, _steps(patch.pointer)) if kind == "typed" else patch.pointer
        value = patched(value, [replace(patch, pointer=pointer)])
    if kind == "typed":
        return replace(span, attributes={**told, semconv.AGENTTRACE_TOOL_RESULT_VALUE: compact(value)})
    is_text = isinstance(value, str)
    changed: dict[str, AttributeValue] = {
        semconv.GEN_AI_TOOL_CALL_RESULT: value if isinstance(value, str) else compact(value),
        semconv.AGENTTRACE_TOOL_RESULT_TYPE: "text" if is_text else "json",
    }
    return replace(span, attributes={**told, **changed})


def _tagged_pointer(value: Json, steps: Sequence[str]) -> str:
    """Return where a member stands in a value that is written with its types: one level deeper below each tag."""
    pointer = ""
    for step in steps:
        members = obj(value)
        if "$" in members:
            holder = next((name for name, held in members.items() if isinstance(held, dict | list)), "value")
            holder = next((name for name, held in members.items() if step in obj(held)), holder)
            pointer, value = f"{pointer}/{holder}", members.get(holder)
        pointer = f"{pointer}/{step.replace('~', '~0').replace('/', '~1')}"
        inner = array(value)
        at = digits(step)
        value = inner[at] if at is not None and at < len(inner) else obj(value).get(step)
    return pointer


# --- answers --------------------------------------------------------------------------------------------------------


def patched_exchange(exchange: Exchange, patches: Sequence[Patch], method: str, url: str) -> Exchange:
    """Return the last attempt of a recorded call with its answer changed; a stream keeps its form.

    Raises:
        ConfigError: If the answer has no such value, or its API no way to tell the changed one.
    """
    if not is_whole(exchange):
        raise ConfigError(
            f"the patch {patches[0].text!r} meets an answer that was not read to its end ({exchange.end}).\n"
            "  to fix   record the call again, and read as far as you need"
        )
    found = route(method, url)
    kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
    if kind.startswith("text/event-stream"):
        body, chunks = _patched_stream(exchange, patches, found.codec if found is not None else None)
        return replace(exchange, body=body, chunks=chunks)
    try:
        value = parse(exchange.body)
    except ValueError:
        raise ConfigError(
            f"the patch {patches[0].text!r} meets an answer that is no JSON ({kind or 'no type'})"
        ) from None
    return replace(exchange, body=canonical(_patched_answer(value, patches)).encode(), chunks=())


def _patched_answer(value: Json, patches: Sequence[Patch]) -> Json:
    for patch in patches:
        pointers = _answers(value) if patch.part == "answer" else [patch.pointer]
        if not pointers:
            raise ConfigError(f"the patch {patch.text!r} meets an answer without text")
        change = _text_of(patch.change) if patch.part == "answer" else patch.change
        value = patched(value, [replace(patch, pointer=pointers[0], change=change)])
    return value


def _text_of(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Return a change whose result is text: what looks like a number is said, not meant."""

    def changed(old: Json) -> Json:
        new = change(old)
        return new if isinstance(new, str) else canonical(new)

    return changed


def _answers(value: Json) -> list[str]:
    """Return the pointers of the texts of an answer; of one that only calls tools, where its text would stand."""
    found = [place for pattern in _ANSWERS for place in _found(value, _steps(pattern), "")]
    texts = [pointer for pointer, held in found if isinstance(held, str)]
    return texts or [pointer for pointer, held in found if held is None]


def _found(value: Json, steps: Sequence[str], at: str) -> Iterable[tuple[str, Json]]:
    if not steps:
        yield at, value
    elif steps[0] == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _found(item, steps[1:], f"{at}/{index}")
    elif isinstance(value, dict) and steps[0] in value:
        yield from _found(value[steps[0]], steps[1:], f"{at}/{steps[0]}")


def _patched_stream(
    exchange: Exchange, patches: Sequence[Patch], codec: Codec | None
) -> tuple[bytes, tuple[Chunk, ...]]:
    if codec is None or codec.encode_response is None or codec.encode_stream is None:
        raise ConfigError(f"the patch {patches[0].text!r} meets a stream of an API that cannot be written anew")
    try:
        whole = codec.encode_response(codec.decode_stream(json_events(exchange.body)))
        events = codec.encode_stream(codec.decode_response(obj(_patched_answer(whole, patches))))
    except NotEncodable as error:
        raise ConfigError(
            f"the patch {patches[0].text!r} meets a stream that cannot be written anew: {error}"
        ) from error
    pieces = [event_bytes([event]) for event in events]
    first_ns = exchange.chunks[0].offset_ns if exchange.chunks else 0
    return b"".join(pieces), tuple(Chunk(first_ns, len(piece)) for piece in pieces)
