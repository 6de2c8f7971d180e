"""Tell whether two requests are the same call. Raw request in, stored request and key out; one way for record and replay."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from otel_agenttrace.jsonvalue import Json, array, canonical, obj, parse
from otel_agenttrace.model import HttpRequest

if TYPE_CHECKING:
    from otel_agenttrace.redact import Redactor

__all__ = [
    "EMPTY",
    "Body",
    "Difference",
    "Requested",
    "body_of",
    "first_difference",
    "key_of",
    "normalised_key",
    "requested",
    "similarity",
]

_CONVERSATIONS: Final = ("messages", "input", "contents")
_MAX_TEXT: Final = 1 << 20
_ABSENT: Final = "(absent)"


@dataclass(frozen=True, slots=True)
class Body:
    """A canonical body in the pieces it is stored by.

    `members` are the texts of an object's members but the conversation, `elements` those of the conversation's
    messages. A body that is no object is `whole`.
    """

    members: Mapping[str, str]
    conversation: str | None = None
    elements: tuple[str, ...] = ()
    whole: str | None = None

    def text(self) -> str:
        """Return the whole canonical text."""
        if self.whole is not None:
            return self.whole
        texts = dict(self.members)
        if self.conversation is not None:
            texts[self.conversation] = f"[{','.join(self.elements)}]"
        return "{" + ",".join(f"{canonical(key)}:{texts[key]}" for key in sorted(texts)) + "}"


@dataclass(frozen=True, slots=True)
class Requested:
    """A request on its way: what is stored of it, its body in pieces and its key."""

    request: HttpRequest
    body: Body
    key: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two JSON values differ; texts are shortened JSON."""

    pointer: str
    recorded: str
    asked: str


def requested(
    method: str, url: str, content_type: str, content: bytes, redactor: Redactor, value: Json = None
) -> Requested:
    """Return the stored form and the key of a request; `value` is its parsed JSON body, if the caller has it."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    target = redactor.redact_target(parts.path + (f"?{parts.query}" if parts.query else ""))
    plain = body_of(value) if value is not None else _body(content_type, content)
    body, written = _redacted(plain, redactor)
    request = HttpRequest(method.upper(), origin, target, written)
    return Requested(request, body, key_of(request))


def key_of(request: HttpRequest) -> str:
    """Return the request key: sha256 of method, path with query, and canonical body."""
    return _digest(f"{request.method}\n{request.target}\n{request.body}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


EMPTY: Final = Body({}, whole="")
"""The body of a request that has none."""

# --- the canonical body ---------------------------------------------------------------------------------------------


def _body(content_type: str, content: bytes) -> Body:
    if not content:
        return EMPTY
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _whole(_multipart(content_type, content))
    if kind == "application/x-www-form-urlencoded":
        return _whole({"form": parse_qsl(content.decode("latin-1"), keep_blank_values=True)})
    try:
        value = parse(content)
    except (ValueError, RecursionError):
        return _whole(_opaque(content))
    return body_of(value)


def _whole(value: object) -> Body:
    return Body({}, whole=canonical(value))


def body_of(value: Json) -> Body:
    """Return the canonical body of a JSON value."""
    if not isinstance(value, dict):
        return _whole(value)
    name = next((name for name in _CONVERSATIONS if isinstance(value.get(name), list)), None)
    elements = tuple(map(canonical, array(value[name]))) if name else ()
    members = {key: canonical(member) for key, member in value.items() if key != name}
    return Body(members, name, elements)


def _redacted(body: Body, redactor: Redactor) -> tuple[Body, str]:
    written = body.text()
    redacted = redactor.redact_text(written)
    if redacted == written:
        return body, written
    if body.whole is not None:
        return Body({}, whole=redacted), redacted
    members = {key: redactor.redact_text(member) for key, member in body.members.items()}
    body = Body(members, body.conversation, tuple(map(redactor.redact_text, body.elements)))
    return body, body.text()


def _opaque(content: bytes) -> Json:
    try:
        if len(content) <= _MAX_TEXT:
            return {"text": content.decode()}
    except UnicodeDecodeError:
        pass
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _multipart(content_type: str, content: bytes) -> Json:
    found = re.search(r'boundary="?([^";]+)', content_type)
    if found is None:
        return _opaque(content)
    pieces = content.split(b"--" + found[1].encode("latin-1"))[1:-1]
    return {"parts": [_part(piece) for piece in pieces]}


def _part(piece: bytes) -> Json:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = sorted(line.strip().lower() for line in head.decode("latin-1").split("\r\n"))
    return {"headers": headers, **obj(_opaque(content.removesuffix(b"\r\n")))}


# --- requests that are nearly the same ------------------------------------------------------------------------------

_VOLATILE: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<id>\b(?:call|toolu|msg|resp|req|run|rs|fc|chatcmpl)[-_][A-Za-z0-9_-]{8,})"
    r"|(?P<path>/(?:tmp|var/folders)/[^\s\"'\\]+)"
    r"|\[REDACTED:(?P<secret>[\w-]+):[0-9a-f]{8}\]"
)


def normalised_key(request: HttpRequest) -> str:
    """Return the key that ignores what changes from run to run: times, UUIDs, ids, temporary paths, redaction digests."""
    return _digest(f"{request.method}\n{_stable(request.target)}\n{_stable(request.body)}")


def _stable(text: str) -> str:
    return _VOLATILE.sub(lambda found: f"<{found.lastgroup}>", text)


def first_difference(recorded: HttpRequest, asked: HttpRequest) -> Difference | None:
    """Return the first place where two requests differ, or None if they do not."""
    for name in ("method", "target"):
        left, right = getattr(recorded, name), getattr(asked, name)
        if left != right:
            return Difference(name, left, right)
    return next(_differences(_value(recorded.body), _value(asked.body), ""), None)


def _value(text: str) -> Json:
    return parse(text) if text else None


def _differences(left: Json, right: Json, at: str) -> Iterator[Difference]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _members(left, right, key, pointer)
    elif isinstance(left, list) and isinstance(right, list):
        for index, (one, other) in enumerate(zip(left, right, strict=False)):
            yield from _differences(one, other, f"{at}/{index}")
        if len(left) != len(right):
            yield Difference(f"{at}/{min(len(left), len(right))}", f"{len(left)} items", f"{len(right)} items")
    elif canonical(left) != canonical(right):
        yield Difference(at or "/", _short(left), _short(right))


def _members(left: Mapping[str, Json], right: Mapping[str, Json], key: str, pointer: str) -> Iterator[Difference]:
    if key not in left:
        yield Difference(pointer, _ABSENT, _short(right[key]))
    elif key not in right:
        yield Difference(pointer, _short(left[key]), _ABSENT)
    else:
        yield from _differences(left[key], right[key], pointer)


def _short(value: Json, limit: int = 80) -> str:
    text = canonical(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def similarity(left: HttpRequest, right: HttpRequest) -> float:
    """Return how much of two requests is the same, 0 to 1, by their lines of canonical JSON members."""
    one, other = set(_leaves(left)), set(_leaves(right))
    return len(one & other) / max(len(one | other), 1)


def _leaves(request: HttpRequest) -> Iterator[str]:
    yield request.method
    yield request.target
    yield from _walk(_value(request.body), "")


def _walk(value: Json, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _walk(member, f"{at}/{key}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _walk(element, f"{at}/{index}")
    else:
        yield f"{at}={canonical(value)}"
