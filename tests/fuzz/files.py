"""What has to hold of files that anybody may have written. Bytes in; nothing, or the broken law, out."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from otel_agenttrace.analyze.grades import graded
from otel_agenttrace.api import load
from otel_agenttrace.cassette.exchanges import read_attempts
from otel_agenttrace.cassette.foreign import spans_in
from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import CassetteError, ConfigError
from otel_agenttrace.ingest.formats import FORMATS, format_of
from otel_agenttrace.ingest.interactions import Ingested, NotReadable
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.model import HttpRequest, Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.redact import Redactor
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.grades import grade_lines
from otel_agenttrace.report.node import forest_of, text_of
from otel_agenttrace.report.outline import outline
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.terminal import recorded_line, trace_json, trace_tree
from otel_agenttrace.selectors import select
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["agent_log", "cassette", "foreign", "ingested", "line", "pyproject"]

_UNSAFE: Final = frozenset(
    map(chr, (*range(10), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(content)
    return path


def cassette(content: bytes) -> None:
    """A cassette is read whole, line by line, or not at all; what it tells can be shown."""
    path = _file("run.otlp.jsonl", content)
    report = validated(path, "run")
    assert report.readable or report.problems
    for strict in (True, False):
        try:
            opened = open_cassette(path, strict=strict, warn=lambda _: None)
        except CassetteError:
            continue
        try:
            trace = opened.trace()
            for span in trace.spans:
                _ = span.call
            _shown(trace)
        except CassetteError:
            pass
        finally:
            opened.close()


def _shown(trace: Trace) -> None:
    file = io.StringIO()
    shown = console(file)
    shown.print(trace_tree(trace, excerpt=excerpt))
    shown.print(recorded_line(trace, Path("run")), markup=False)
    trace_json(trace)
    told = text_of(conversation(trace))
    assert _UNSAFE.isdisjoint(told)
    outlined = text_of(outline(trace, arguments="values"))
    assert _UNSAFE.isdisjoint(outlined)
    assert text_of(forest_of(outlined.splitlines())) == outlined
    select(trace, "inference[1] | tool=x | age>1d | path=a*", 10**18)
    assert _UNSAFE.isdisjoint(file.getvalue())


def line(content: bytes) -> None:
    """Spans that were read are the same after being written and read once more."""
    try:
        spans = list(decode_spans(parse(content)))
    except (ValueError, RecursionError):
        return
    for span in spans:
        written = encode_line(span, encode_resource(span.resource))
        assert written.endswith(b"\n")
        assert written.count(b"\n") == 1
        (again,) = decode_spans(parse(written))
        assert encode_line(again, encode_resource(again.resource)) == written
        assert again == span or b'"NaN"' in written  # which is not equal to itself
        try:
            read_attempts(span.events, HttpRequest("", "", ""), lambda _: b"")
        except (ValueError, LookupError, RecursionError):
            continue


def foreign(content: bytes) -> None:
    """A trace that others exported is read, graded and shown, or named."""
    path = _file("prod", content)
    shown = console(io.StringIO())
    try:
        for told in grade_lines(graded(path, "prod")):
            shown.print(told)
        _shown(load(path))
    except CassetteError:
        pass


def ingested(content: bytes) -> None:
    """A recording of another tool gives calls, and reasons for what it does not give."""
    for name in FORMATS:
        with suppress(NotReadable):
            list(format_of(name).read(content, Redactor()))


def agent_log(content: bytes) -> None:
    """A log of another tool can be imported, is the same with and without that, and can be shown; or it is named."""
    for name in FORMATS:
        with suppress(NotReadable):
            found = [each.span for each in format_of(name).read(content, Redactor()) if isinstance(each, Ingested)]
            assert all(span.end_ns is None or span.end_ns >= span.start_ns for span in found)
            written = b"".join(encode_line(span, encode_resource(span.resource)) for span in found)
            assert len(list(spans_in(Path("log"), written))) == len(found) if found else not written
    with suppress(CassetteError):
        _shown(load(_file("log", content)))


def pyproject(content: bytes) -> None:
    """Settings have a meaning, or the text of the error names them."""
    _file("pyproject.toml", content)
    with suppress(ConfigError):
        resolve({}, pyproject_settings(_folder()))
