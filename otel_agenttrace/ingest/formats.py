"""The foreign formats that can be read: a table of names, and the module that reads each, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast

from otel_agenttrace.ingest.calls import recorded_calls, trace_id_of
from otel_agenttrace.ingest.interactions import Ingested, Interaction, LeftOut
from otel_agenttrace.redact import Redactor

__all__ = ["FORMATS", "Format", "format_of"]


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one format become spans. `read` takes the bytes of a file; all it gives is redacted.

    It raises `NotReadable` for a file that is not of its format.
    """

    suffixes: tuple[str, ...]
    read: Callable[[bytes, Redactor], Iterator[Ingested | LeftOut]]


FORMATS: Final[Mapping[str, str]] = {
    "govcr": "cassettes of go-vcr, .yaml",
    "har": "HTTP archives of browsers and proxies, .har",
    "vcr": "cassettes of VCR.py, .yaml or .json",
}
"""What can be read; each name is that of its module here."""


class _HttpReader(Protocol):
    SUFFIXES: tuple[str, ...]

    def read(self, content: bytes) -> Iterator[Interaction | LeftOut]: ...


def format_of(name: str) -> Format:
    """Return a format of the table."""
    reader = cast("_HttpReader", import_module(f"otel_agenttrace.ingest.{name}"))
    return Format(reader.SUFFIXES, lambda content, redactor: _calls(reader, content, redactor))


def _calls(reader: _HttpReader, content: bytes, redactor: Redactor) -> Iterator[Ingested | LeftOut]:
    interactions: list[Interaction] = []
    for found in reader.read(content):
        if isinstance(found, LeftOut):
            yield found
        else:
            interactions.append(found)
    yield from recorded_calls(interactions, trace_id_of(content), redactor)
