"""Cassettes of go-vcr: format 1 of its first two releases, format 2 of v3 and v4. One file in, its HTTP interactions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_agenttrace.ingest.documents import document
from otel_agenttrace.ingest.interactions import (
    Interaction,
    LeftOut,
    NotReadable,
    each,
    headers,
    http_url,
    kind_of,
    members,
    method_of,
    status_of,
)
from otel_agenttrace.ingest.times import go_duration_ns
from otel_agenttrace.ingest.vcr import body_bytes, entries_of, response_body

__all__ = ["SUFFIXES", "read"]

SUFFIXES: Final = (".yaml", ".yml", ".json")


def read(content: bytes) -> Iterator[Interaction | LeftOut]:
    """Yield the interactions of a cassette, in its order.

    Raises:
        NotReadable: If it is none.
    """
    return each(entries_of(document(content), ("interactions",), "no cassette of go-vcr"), _interaction)


def _interaction(index: int, entry: Mapping[str, object]) -> Interaction:
    request, response = members(entry.get("request")), members(entry.get("response"))
    if not request:
        raise NotReadable(f"the request is {kind_of(entry.get('request'))}")
    if not response:
        raise NotReadable(f"there is no response, but {kind_of(entry.get('response'))}")
    if "uri" in request:
        raise NotReadable("an interaction of VCR.py: otel-agenttrace ingest vcr reads it")
    told = headers(response.get("headers"))
    return Interaction(
        index=index,
        method=method_of(request.get("method") or "GET"),  # Go's default
        url=http_url(request.get("url")),
        request_headers=headers(request.get("headers")),
        request_body=body_bytes(request.get("body")),
        status=status_of(response.get("code")),
        headers=told,
        body=response_body(body_bytes(response.get("body")), told),
        duration_ns=go_duration_ns(response.get("duration")),
    )
