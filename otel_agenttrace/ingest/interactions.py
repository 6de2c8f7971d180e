"""The shapes between a foreign file and a cassette: HTTP interactions, what was left out, and how a reader finds them.

A parsed file is of plain values: what JSON has, bytes, and `Unbuilt` where a file asks for an object. Nothing in it may
be trusted to have its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from otel_agenttrace.cassette.writer import RecordedCall
from otel_agenttrace.model import Span
from otel_agenttrace.safe_yaml import Unbuilt

__all__ = [
    "Headers",
    "Ingested",
    "Interaction",
    "LeftOut",
    "NotReadable",
    "each",
    "header",
    "headers",
    "http_url",
    "items",
    "kind_of",
    "members",
    "method_of",
    "status_of",
    "told",
    "utf8",
]

Headers: TypeAlias = "tuple[tuple[str, str], ...]"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its response. `index` counts the entries of a file from 1; bodies have no content-encoding.

    Times are in nanoseconds since the epoch, None where the file does not tell them.
    """

    index: int
    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    headers: Headers
    body: bytes
    start_ns: int | None = None
    duration_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of a file that cannot be converted, and why; without `index` it is the whole file."""

    index: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Ingested:
    """A span on its way to a cassette, with its recorded call if the file has one.

    `run` names the cassette it goes to, where a file tells several runs.
    """

    span: Span
    recorded: RecordedCall | None = None
    run: str = ""


class NotReadable(ValueError):
    """A file, or an entry of one, that cannot be converted: the text says why."""


def each(entries: Iterable[object], read: Callable[[int, Mapping[str, object]], _T]) -> Iterator[_T | LeftOut]:
    """Return what `read` makes of each entry, given its number from 1, or why it cannot."""
    return (_one(index, entry, read) for index, entry in enumerate(entries, 1))


def _one(index: int, entry: object, read: Callable[[int, Mapping[str, object]], _T]) -> _T | LeftOut:
    try:
        if not isinstance(entry, dict):
            raise NotReadable(f"no interaction, but {kind_of(entry)}")
        return read(index, members(cast("object", entry)))
    except NotReadable as error:
        return LeftOut(index, str(error))
    except RecursionError:
        return LeftOut(index, "it is nested too deeply")


def kind_of(value: object) -> str:
    """Return what a value is, for people: `a text`, `a list`, `nothing`."""
    if isinstance(value, Unbuilt):
        return f"an object ({value.tag}), which is not built"
    return _KINDS.get(type(value), f"a {type(value).__name__}")


_KINDS: Final[Mapping[type, str]] = {
    type(None): "nothing",
    str: "a text",
    bytes: "bytes",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


# --- plain values ---------------------------------------------------------------------------------------------------


def members(value: object) -> Mapping[str, object]:
    """Return the members of a mapping, of anything else none."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """Return the items of a list, of anything else none."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def told(value: object) -> str:
    """Return a scalar as text that has a form in UTF-8, bytes read as it, anything else as nothing."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode() if isinstance(value, str | int | float) else ""


def utf8(text: str) -> bytes:
    """Return the bytes of a text; halves of a surrogate pair that stand side by side are one character.

    Raises:
        NotReadable: If a half stands alone.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode()
    except UnicodeDecodeError:
        raise NotReadable("a body holds half a surrogate pair, which no bytes stand for") from None


def headers(value: object) -> Headers:
    """Return headers one by one: a mapping of names to values or lists of them, or a list of name and value."""
    found = [*_named(value), *_listed(value)]
    return tuple(
        (name, line.strip())
        for name, written in found
        if name and not name.startswith(":")  # what HTTP/2 has in the place of a first line
        for line in written.split("\n")
    )


def _named(value: object) -> Iterator[tuple[str, str]]:
    for name, values in members(value).items():
        for one in items(values) or (values,):
            if isinstance(one, str | bytes | int | float):
                yield told(name), told(one)


def _listed(value: object) -> Iterator[tuple[str, str]]:
    for pair in items(value):
        name, written = members(pair).get("name"), members(pair).get("value")
        if isinstance(name, str):
            yield name, told(written)


def header(found: Headers, name: str) -> str:
    """Return the first value of a header, or an empty string."""
    return next((value for key, value in found if key.lower() == name), "")


def method_of(value: object) -> str:
    """Return an HTTP method in capitals.

    Raises:
        NotReadable: If it is none.
    """
    if isinstance(value, str) and value.isascii() and value.replace("-", "").isalpha():
        return value.upper()
    raise NotReadable(f"the request has no method, but {kind_of(value)}")


def http_url(value: object) -> str:
    """Return an address of HTTP.

    Raises:
        NotReadable: If it is another one or none.
    """
    if not isinstance(value, str):
        raise NotReadable(f"the request has no address, but {kind_of(value)}")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise NotReadable(f"the address is none: {error}") from None
    if parts.scheme in ("ws", "wss"):
        raise NotReadable("a websocket, no HTTP exchange")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotReadable(f"the address is not one of HTTP: {value[:80]}")
    return value


def status_of(value: object) -> int:
    """Return the status code of a response.

    Raises:
        NotReadable: If it is none.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:4])
    if value == 101:
        raise NotReadable("the connection was given to another protocol, as for a websocket")
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 999:
        return value
    raise NotReadable(f"the response has no status, but {value if isinstance(value, int) else kind_of(value)}")
