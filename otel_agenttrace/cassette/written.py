"""Read a record as `encode_line` writes it, parsing no more of it than it must. Bytes in, spans out; any other record is parsed whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from otel_agenttrace.cassette.format import KINDS, STATUSES, Around, decode_attributes, decode_events, decode_span
from otel_agenttrace.jsonvalue import obj, parse
from otel_agenttrace.model import Call, Span

__all__ = ["LAST_MEMBERS", "STRING", "decode_written", "unescaped"]

STRING: Final = rb'"([^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*)"'
"""A JSON text; what is between its quotes is a group."""
LAST_MEMBERS: Final = (
    rb'"spanId":"([0-9a-f]{16})","startTimeUnixNano":"(\d{1,19})","status":\{(?:"code":([0-2])(?:,(?=")|(?=\})))?(?:"message":'
    + STRING
    + rb')?\},"traceId":"([0-9a-f]{32})"\}'
)
"""The end of a record as it is written: id of the span, start, status, its message, id of the trace."""
_ATTRIBUTES: Final = b'{"attributes":['
_END: Final = b'],"endTimeUnixNano":"'
_FROM_END: Final = re.compile(
    re.escape(_END)
    + rb'(\d{1,19})"(?:,"events":(\[.*\]))?,"flags":(?:0|[1-9]\d{0,9}),"kind":([1-5]),"name":'
    + STRING
    + rb',(?:"parentSpanId":"([0-9a-f]{16})",)?'
    + LAST_MEMBERS
)


def decode_written(record: bytes, around: Around, read_call: Callable[[], Call | None] | None = None) -> Span:
    """Return what `decode_span` does of the text of a record; of one as it is written little is parsed but its attributes.

    Raises:
        ValueError: If it is damaged.
    """
    at = record.rfind(_END)
    written = _FROM_END.fullmatch(record, at) if at >= 0 and record.startswith(_ATTRIBUTES) else None
    if written is None:
        return decode_span(obj(parse(record)), around, read_call)
    end, events, kind, name, parent, span_id, start, code, message, trace_id = written.groups()
    return Span(
        trace_id.decode(),
        span_id.decode(),
        unescaped(name),
        int(start),
        int(end) or None,
        parent.decode() if parent and parent.strip(b"0") else None,
        KINDS[int(kind)],
        decode_attributes(parse(record[len(_ATTRIBUTES) - 1 : at + 1])),
        decode_events(parse(events)) if events else (),
        (),
        STATUSES[int(code)] if code else "UNSET",
        unescaped(message) if message else "",
        *around,
        read_call,
    )


def unescaped(inner: bytes) -> str:
    """Return the text between the quotes of a JSON string.

    Raises:
        ValueError: If it is none.
    """
    return json.loads(b'"' + inner + b'"') if b"\\" in inner else inner.decode()
