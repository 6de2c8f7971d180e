"""The foreign formats that can be read: a table of names, and the module that reads each, imported when it is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from otel_agenttrace.ingest.calls import SYNTHETIC_START_NS, recorded_calls, trace_id_of
from otel_agenttrace.ingest.interactions import Ingested, Interaction, LeftOut
from otel_agenttrace.ingest.steps import STEP_NS, Run, spans_of
from otel_agenttrace.model import Span
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.spans import redacted_span

__all__ = ["FORMATS", "Format", "format_of"]

_Found: TypeAlias = "Interaction | Run | Span | LeftOut"


def _alone(_: Path) -> Sequence[Path]:
    return ()


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one format become spans.

    Attributes:
        suffixes: How the names of its files end.
        find: Takes the bytes of a file, and gives what they tell: HTTP interactions, runs, or spans; raises `NotReadable`
            for a file that is not of its format.
        beside: Gives the files that tell of the same run as one file; they are read after it, as if they were one.
    """

    suffixes: tuple[str, ...]
    find: Callable[[bytes], Iterator[_Found]]
    beside: Callable[[Path], Sequence[Path]] = _alone

    def read(self, content: bytes, redactor: Redactor) -> Iterator[Ingested | LeftOut]:
        """Yield what is stored of a file, all of it redacted, and what is not.

        Raises:
            NotReadable: If the file is not of this format.
        """
        interactions: list[Interaction] = []
        for found in self._with_ids(content):
            if isinstance(found, Interaction):
                interactions.append(found)
            elif isinstance(found, LeftOut):
                yield found
            else:
                name, spans = found
                for span in spans:
                    yield Ingested(redacted_span(span, redactor), run=name)
        yield from recorded_calls(interactions, trace_id_of(content), redactor)

    def runs(self, content: bytes, left_out: list[LeftOut]) -> Iterator[tuple[str, Iterator[Span]]]:
        """Yield the name and the spans of each run of a log, not redacted, to be looked at; what is left out is added to a list.

        Raises:
            NotReadable: If the file is not of this format.
        """
        for found in self._with_ids(content):
            if isinstance(found, LeftOut):
                left_out.append(found)
            elif not isinstance(found, Interaction):
                yield found

    def _with_ids(self, content: bytes) -> Iterator[Interaction | LeftOut | tuple[str, Iterator[Span]]]:
        """Yield what a file tells, the runs and spans of it as spans, with the name of their cassette, if they need one."""
        file_id, names, start_ns = trace_id_of(content), Counter[str](), SYNTHETIC_START_NS
        for found in self.find(content):
            if isinstance(found, Span):
                yield "", iter((found,))
            elif isinstance(found, Run):
                name = _UNSAFE.sub("_", found.name)[:_LONGEST_NAME].lstrip(".")
                names[name] += 1
                name += f"-{names[name]}" if names[name] > 1 else ""
                trace_id = trace_id_of(f"{file_id} {name}".encode()) if name else file_id
                yield name, spans_of(found, trace_id, start_ns)
                start_ns += (len(found.steps) + 1) * STEP_NS  # one run after the other
            else:
                yield found


_UNSAFE: Final = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST_NAME: Final = 100

FORMATS: Final[Mapping[str, str]] = {
    "agent-strace": "sessions of agent-strace, events.ndjson",
    "claude-code": "transcripts of Claude Code, .jsonl with its subagents, and sessions of the web, .json",
    "govcr": "cassettes of go-vcr, .yaml",
    "har": "HTTP archives of browsers and proxies, .har",
    "openinference": "spans in the way of OpenInference",
    "otlp": "spans that others exported: OTLP as JSON, JSON Lines or protobuf, and dumps of SDKs",
    "swe-agent": "trajectories of SWE-agent, .traj",
    "tau-bench": "results of tau-bench, .json; one cassette for each run",
    "tool-calls": "tool calls and results line by line, as Assay writes them or a person, .jsonl",
    "traceforge": "runs of TraceForge, run.jsonl",
    "traceops": "cassettes of TraceOps, .yaml",
    "vcr": "cassettes of VCR.py, .yaml or .json",
    "vercel": "spans of the Vercel AI SDK",
}
"""What can be read; each name is that of its module here, but for the ways of telling spans."""

_EXPORTS: Final[Mapping[str, str]] = {
    "openinference": "read_openinference",
    "otlp": "read_otlp",
    "vercel": "read_vercel",
}


def format_of(name: str) -> Format:
    """Return a format of the table."""
    module = "exports" if name in _EXPORTS else name.replace("-", "_")
    reader: Any = import_module(f"otel_agenttrace.ingest.{module}")
    return Format(reader.SUFFIXES, getattr(reader, _EXPORTS.get(name, "read")), getattr(reader, "beside", _alone))
