"""Spans that others exported, in any form and dialect that is known. One file in, its spans out, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.foreign import spans_in
from otel_agenttrace.errors import CassetteError, IngestError
from otel_agenttrace.ingest.encodings import GZIP, gunzipped
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.model import Span

__all__ = ["SUFFIXES", "read_openinference", "read_otlp", "read_vercel"]

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".pb", ".bin", ".otlp", ".json.gz", ".jsonl.gz")
_NOWHERE: Final = Path("-")


def read_otlp(content: bytes) -> Iterator[Span | LeftOut]:
    """Yield the spans of a file, in its order.

    Raises:
        NotReadable: If it holds none, or is a cassette.
    """
    odd: list[tuple[int, str]] = []
    try:
        packed = content.startswith(GZIP)
        spans = spans_in(_NOWHERE, gunzipped(content) if packed else content, odd)
    except IngestError as error:
        where = f"line {error.line}: " if error.line is not None else ""
        raise NotReadable(f"{where}{error.reason}") from None
    except CassetteError as error:
        raise NotReadable(str(error)) from None
    if any(semconv.AGENTTRACE_CALL_KEY in span.attributes for span in spans):
        raise NotReadable("a cassette, which need not be imported")
    yield from (LeftOut(line, reason) for line, reason in odd)
    yield from spans


def _speaking(mark: str, name: str, content: bytes) -> Iterator[Span | LeftOut]:
    found = list(read_otlp(content))
    if not any(mark in each.attributes for each in found if isinstance(each, Span)):
        raise NotReadable(f"no span of it has {mark}, as those of {name} do: otel-agenttrace ingest otlp reads it")
    yield from found


read_openinference = partial(_speaking, "openinference.span.kind", "OpenInference")
read_vercel = partial(_speaking, "ai.operationId", "the Vercel AI SDK")
