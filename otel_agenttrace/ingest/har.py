"""HTTP archives (HAR 1.2) as browsers, proxies, Playwright and Polly write them. One file in, its HTTP interactions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

from otel_agenttrace.ingest.documents import json_document
from otel_agenttrace.ingest.encodings import GZIP, decoded
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
    told,
    utf8,
)
from otel_agenttrace.ingest.times import instant_ns, milliseconds_ns
from otel_agenttrace.ingest.vcr import entries_of, from_base64
from otel_agenttrace.jsonvalue import parse

__all__ = ["SUFFIXES", "read"]

SUFFIXES: Final = (".har", ".har.gz", ".har.json")

_FORM: Final = "application/x-www-form-urlencoded"


def read(content: bytes) -> Iterator[Interaction | LeftOut]:
    """Yield the interactions of an archive, in its order.

    Raises:
        NotReadable: If it is none.
    """
    document = members(json_document(content))
    return each(entries_of(document.get("log"), ("entries",), "no HTTP archive"), _interaction)


def _interaction(index: int, entry: Mapping[str, object]) -> Interaction:
    request, response = members(entry.get("request")), members(entry.get("response"))
    if not request:
        raise NotReadable(f"the request is {kind_of(entry.get('request'))}")
    if entry.get("_resourceType") == "websocket" or "_webSocketMessages" in entry:
        raise NotReadable("a websocket, no HTTP exchange")
    url = http_url(request.get("url"))
    if not response or response.get("status") in (0, -1):  # blocked, cancelled, or without a network
        reason = told(response.get("_error")) or told(response.get("statusText"))
        raise NotReadable("there is no response" + (f": {reason[:80]}" if reason else ""))
    asked, answered = headers(request.get("headers")), headers(response.get("headers"))
    content = members(response.get("content"))
    kind = told(content.get("mimeType"))
    if "/" in kind and not header(answered, "content-type"):
        answered = (*answered, ("content-type", kind))
    return Interaction(
        index=index,
        method=method_of(request.get("method")),
        url=url,
        request_headers=asked,
        request_body=_request_body(request, asked),
        status=status_of(response.get("status")),
        headers=answered,
        body=_content(content, answered),
        start_ns=instant_ns(entry.get("startedDateTime")),
        duration_ns=milliseconds_ns(entry.get("time")),
    )


def _request_body(request: Mapping[str, object], asked: Headers) -> bytes:
    posted = members(request.get("postData"))
    text, kind = posted.get("text"), told(posted.get("mimeType")) or header(asked, "content-type")
    if isinstance(text, str) and text:
        is_base64 = "base64" in (posted.get("encoding"), posted.get("_encoding"))
        return from_base64(text) if is_base64 else utf8(text)
    fields = [members(field) for field in items(posted.get("params"))]
    if fields and kind.partition(";")[0].strip().lower() == _FORM:
        return urlencode([(told(field.get("name")), told(field.get("value"))) for field in fields]).encode()
    if fields or _is_positive(request.get("bodySize")):
        raise NotReadable("the archive does not hold the body of the request")
    return b""


def _content(content: Mapping[str, object], answered: Headers) -> bytes:
    """Return the body of a response, which stands without content-encoding, but for Polly's."""
    text = content.get("text")
    if not isinstance(text, str):
        if _is_positive(content.get("size")) or "_file" in content:
            raise NotReadable("the archive does not hold the body of the response")
        return b""
    if content.get("encoding") != "base64":
        if content.get("encoding"):
            raise NotReadable(f"the body of the response is encoded in {told(content['encoding'])[:40]!r}")
        return utf8(text)
    encoding = header(answered, "content-encoding")
    if text.lstrip().startswith("["):
        return decoded(_pieces(text), encoding)
    body = from_base64(text)
    is_packed = body.startswith(GZIP) and encoding.strip().lower() in ("gzip", "x-gzip")
    return decoded(body, encoding) if is_packed else body


def _pieces(text: str) -> bytes:
    """Return the bytes of Polly's base64, a list of pieces in a text."""
    try:
        pieces = items(parse(text))
    except ValueError:
        raise NotReadable("a body is no base64") from None
    return b"".join(map(from_base64, pieces))


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
