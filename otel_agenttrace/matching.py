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
    "are_alike",
    "body_of",
    "first_difference",
    "key_of",
    "normalised_key",
    "requested",
    "similarity",
]

_CONVERSATIONS: Final = ("messages", "input", "contents")
_MAX_TEXT: Final = 1 << 20


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
    method: str,
    url: str,
    content_type: str,
    content: bytes,
    redactor: Redactor,
    value: Json = None,
    *,
    part: str = "",
) -> Requested:
    """Return the stored form and the key of a request.

    Args:
        method: The HTTP method.
        url: The whole address.
        content_type: That of the body.
        content: The body.
        redactor: Looks at everything that is stored.
        value: The body's parsed JSON, if the caller has it.
        part: The header `range`, the one header that says what is asked for; it stands behind a `#` in the target.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    target = redactor.redact_target(parts.path + (f"?{parts.query}" if parts.query else ""))
    if part:
        target = f"{target}#{part}"
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
    members = {redactor.redact_text(key): redactor.redact_text(member) for key, member in body.members.items()}
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
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    headers = sorted(f"{name.strip().lower()}: {value.strip()}" for name, _, value in lines)
    return {"headers": headers, **obj(_opaque(content.removesuffix(b"\r\n")))}


# --- requests that are nearly the same ------------------------------------------------------------------------------

_IDS: Final = r"(?:call|toolu|srvtoolu|msg|resp|req|run|rs|fc|chatcmpl|gen|thread|batch)[-_]"
_ID_MEMBERS: Final = "|".join(
    rf'(?<="{name}":")' for name in ("id", "call_id", "tool_call_id", "tool_use_id", "previous_response_id")
)
_VOLATILE: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    # in a member that holds an id, whatever its length; elsewhere only what no words look like
    rf'|(?P<id>(?:{_ID_MEMBERS}){_IDS}(?=[\w-]*\d)[\w-]+(?=")|\b{_IDS}(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{{16,}}\b)'
    r"|(?P<path>/(?:tmp|var/folders)/[^\s\"'\\]+)"
    r"|\[REDACTED:(?P<secret>[\w-]+):[0-9a-f]{8}\]"
)


def normalised_key(request: HttpRequest) -> str:
    """Return the key that ignores what changes from run to run: times, UUIDs, ids, temporary paths, redaction digests."""
    return _digest(f"{request.method}\n{_stable(request.target)}\n{_stable(request.body)}")


def are_alike(left: HttpRequest, right: HttpRequest) -> bool:
    """Whether two requests ask for the same, but for what changes from run to run."""
    return key_of(left) == key_of(right) or normalised_key(left) == normalised_key(right)


def _stable(text: str) -> str:
    return _VOLATILE.sub(lambda found: f"<{found['secret'] or found.lastgroup}>", text)


def first_difference(recorded: HttpRequest, asked: HttpRequest) -> Difference | None:
    """Return the first place where two requests differ, or None if they do not."""
    for name in ("method", "target"):
        left, right = getattr(recorded, name), getattr(asked, name)
        if left != right:
            return Difference(name, left, right)
    return _difference_of_values(_value(recorded.body), _value(asked.body))


def _value(text: str) -> Json:
    return parse(text) if text else None


def _difference_of_values(recorded: Json, asked: Json) -> Difference | None:
    waiting: list[tuple[str, Json, Json]] = [("", recorded, asked)]
    while waiting:
        at, left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            waiting += reversed([_member(at, left, right, key) for key in sorted({*left, *right})])
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                end = min(len(left), len(right))
                waiting.append((f"{at}/{end}", _Told(f"{len(left)} items"), _Told(f"{len(right)} items")))
            both = zip(left, right, strict=False)
            waiting += reversed([(f"{at}/{index}", one, other) for index, (one, other) in enumerate(both)])
        elif canonical(left) != canonical(right):
            return Difference(at or "/", _short(left), _short(right))
    return None


class _Told(str):
    """What is shown in the place of a value, as it is."""

    __slots__ = ()


_NOTHING: Final = _Told("(absent)")


def _member(at: str, left: Mapping[str, Json], right: Mapping[str, Json], key: str) -> tuple[str, Json, Json]:
    pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
    return pointer, left.get(key, _NOTHING), right.get(key, _NOTHING)


def _short(value: Json, limit: int = 80) -> str:
    text = value if isinstance(value, _Told) else canonical(value)
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
