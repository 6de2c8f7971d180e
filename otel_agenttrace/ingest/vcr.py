"""Cassettes of VCR.py, and of the libraries that write the same shape. One file in, its HTTP interactions out.

Read are the YAML and JSON of vcrpy from its first numbered version, the older responses of its httpx stub, bodies that a
serialiser of its own has parsed (`parsed_body`) or compressed (`.yaml.gz`), and the cassettes of Betamax and of VCR for
Ruby and PHP.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Final, cast

from otel_agenttrace.ingest.documents import document
from otel_agenttrace.ingest.encodings import GZIP, decoded, plain
from otel_agenttrace.ingest.interactions import (
    Headers,
    Interaction,
    LeftOut,
    NotReadable,
    each,
    header,
    headers,
    http_url,
    items,
    kind_of,
    members,
    method_of,
    status_of,
    utf8,
)
from otel_agenttrace.ingest.times import instant_ns

__all__ = ["SUFFIXES", "body_bytes", "entries_of", "from_base64", "read", "response_body"]

SUFFIXES: Final = (".yaml", ".yml", ".json", ".yaml.gz", ".yml.gz", ".json.gz")

_ENTRIES: Final = ("interactions", "http_interactions")
_AS_UTF8: Final = frozenset({"", "ASCII-8BIT", "BINARY", "US-ASCII", "UTF-8", "UTF8"})
"""Names of encodings whose texts are written as what they are. Bytes that are none stand in base64."""


def read(content: bytes) -> Iterator[Interaction | LeftOut]:
    """Yield the interactions of a cassette, in its order.

    Raises:
        NotReadable: If it is none.
    """
    return each(_entries(document(content)), _interaction)


def _entries(value: object) -> Iterable[object]:
    if isinstance(value, list):  # without a version: older vcrpy, PHP
        return items(cast("object", value))
    found = members(value)
    if isinstance(found.get("requests"), list) and isinstance(found.get("responses"), list):
        pairs = zip_longest(items(found["requests"]), items(found["responses"]))
        return [{"request": request, "response": response} for request, response in pairs]
    return entries_of(value, _ENTRIES, "no VCR cassette")


def entries_of(value: object, names: Iterable[str], otherwise: str) -> Iterable[object]:
    """Return the list of interactions of a document, under the first of these names that it has.

    Raises:
        NotReadable: If it has none.
    """
    if not isinstance(value, dict):
        raise NotReadable(f"{otherwise}, but {kind_of(value)}")
    found = members(cast("object", value))
    name = next((name for name in names if name in found), None)
    if name is None:
        raise NotReadable(f"{otherwise}: it has no {next(iter(names))!r}, but {_listed(found)}")
    if found[name] is not None and not isinstance(found[name], list):
        raise NotReadable(f"{otherwise}: its {name!r} are no list, but {kind_of(found[name])}")
    return items(found[name])


def _listed(found: Mapping[str, object]) -> str:
    names = sorted(map(str, found))
    return ", ".join(name[:40] for name in names[:6]) + (", …" if len(names) > 6 else "") or "nothing"


def _interaction(index: int, entry: Mapping[str, object]) -> Interaction:
    if "request" not in entry:
        raise NotReadable(_no_exchange(entry))
    request, response = members(entry["request"]), members(entry.get("response"))
    if not request:
        raise NotReadable(f"the request is {kind_of(entry['request'])}")
    if not response:
        raise NotReadable(f"there is no response, but {kind_of(entry.get('response'))}")
    if "code" in response and "url" in request:
        raise NotReadable("an interaction of go-vcr: otel-agenttrace ingest govcr reads it")
    told = headers(response.get("headers"))
    return Interaction(
        index=index,
        method=method_of(request.get("method")),
        url=http_url(request.get("uri", request.get("url"))),
        request_headers=headers(request.get("headers")),
        request_body=_body(request),
        status=_status(response),
        headers=told,
        body=response_body(_body(response), told),
        start_ns=instant_ns(entry.get("recorded_at")),
    )


def _no_exchange(entry: Mapping[str, object]) -> str:
    if entry.keys() >= {"kind", "direction"}:
        return "a websocket frame, no HTTP exchange"
    if "request_sample" in entry:
        return "a pair of protobuf messages, no HTTP exchange"
    return f"no HTTP exchange, but {_listed(entry)}"


def _status(response: Mapping[str, object]) -> int:
    status = response.get("status", response.get("status_code"))
    return status_of(members(status).get("code", status))


def _body(message: Mapping[str, object]) -> bytes:
    """Return a body as it is held: a text, bytes, pieces, an object of them, or JSON that is parsed already."""
    if "parsed_body" in message:
        return _json_bytes(message["parsed_body"])
    held = message.get("body", message.get("content"))
    if isinstance(held, dict):
        inner = members(cast("object", held))
        if inner.get("base64_string") is not None:
            return from_base64(inner["base64_string"])
        return _encoded(inner.get("string"), inner.get("encoding"))
    return body_bytes(held)


def _encoded(held: object, encoding: object) -> bytes:
    """Return the bytes of a text whose encoding stands beside it, as Ruby and Betamax write it."""
    if not isinstance(held, str) or not isinstance(encoding, str) or encoding.upper() in _AS_UTF8:
        return body_bytes(held)
    try:
        return held.encode(encoding)
    except (LookupError, UnicodeError):
        raise NotReadable(f"a body is no text in {encoding[:40]!r}") from None


def body_bytes(held: object) -> bytes:
    """Return the bytes of a text, of bytes, or of a list of them; nothing for nothing.

    Raises:
        NotReadable: If it is something else.
    """
    if held is None:
        return b""
    if isinstance(held, bytes):
        return held
    if isinstance(held, str):
        return utf8(held)
    if isinstance(held, list):
        return b"".join(map(body_bytes, cast("list[object]", held)))
    raise NotReadable(f"a body is {kind_of(held)}")


def _json_bytes(value: object) -> bytes:
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        try:
            return written.encode()
        except UnicodeEncodeError:  # half a surrogate pair has a form in JSON only
            return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise NotReadable(f"a parsed body is no JSON: {error}") from None


def from_base64(written: object) -> bytes:
    """Return the bytes that a text in base64 stands for; line ends in it do not count.

    Raises:
        NotReadable: If it is none.
    """
    if isinstance(written, str | bytes):
        try:
            return base64.b64decode(
                b"".join((written.encode() if isinstance(written, str) else written).split()), validate=True
            )
        except (binascii.Error, ValueError):
            pass
    raise NotReadable("a body is no base64")


def response_body(body: bytes, told: Headers) -> bytes:
    """Return the body of a response without content-encoding.

    Where the headers were taken out of the recording, what is plainly gzip is unpacked all the same: the client that was
    recorded read it so.

    Raises:
        NotReadable: If its encoding cannot be undone.
    """
    encoding = header(told, "content-encoding")
    if not encoding and body.startswith(GZIP) and not _is_binary(header(told, "content-type")):
        return decoded(body, "gzip")
    return plain(body, encoding)


def _is_binary(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return bool(kind) and not kind.startswith("text/") and not kind.endswith(("json", "xml", "javascript"))
