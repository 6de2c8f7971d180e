"""The bad days of a provider, asked for by the request itself. A good answer in, a bad one out.

Words of a script, in any number: a status (`401`, `429`, `500`, `529` …), `drop` (no answer), `cut` (the body ends too
early), `reset` (RST inside the body), `sse-error` (an error event inside the stream), `hold` (the stream stays open),
`slow` (an answer long after any timeout), `late` (the first chunk comes a little late), `gzip`, `deflate`. `429*2` means
the first two times this request comes.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.support.answers import Question, error_answer
from tests.support.loopback import Answer

__all__ = ["with_faults"]

_IN_TEXT: Final = re.compile(rb"\[fake ([^\]]+)\]")
_KEPT_PIECES: Final = 3
_SLOW_S: Final = 30.0
_LATE_S: Final = 0.03


def with_faults(answer: Answer, question: Question) -> Answer:
    """Return the answer with everything the script of its question asks for."""
    for word in _script(question).replace(",", " ").split():
        name, _, times = word.partition("*")
        if not times or question.again < int(times):
            answer = _fault(name)(answer, question)
    return answer


def _script(question: Question) -> str:
    found = _IN_TEXT.search(question.request.body)
    return question.request.header("x-fake") or (found[1].decode() if found else "")


def _fault(name: str) -> Callable[[Answer, Question], Answer]:
    return _status(int(name)) if name.isdigit() else _FAULTS[name]


def _status(status: int) -> Callable[[Answer, Question], Answer]:
    return lambda answer, question: error_answer(question, status)


def _drop(answer: Answer, question: Question) -> Answer:
    return replace(answer, end="drop")


def _cut(answer: Answer, question: Question) -> Answer:
    return replace(answer, end="cut", pieces=_begun(answer))


def _reset(answer: Answer, question: Question) -> Answer:
    return replace(answer, end="reset", pieces=_begun(answer))


def _hold(answer: Answer, question: Question) -> Answer:
    return replace(answer, end="hold", pieces=_begun(answer))


def _begun(answer: Answer) -> tuple[bytes, ...]:
    """Return how far a body gets that does not end: a few chunks, or half of the only piece."""
    if answer.is_chunked:
        return answer.pieces[: min(_KEPT_PIECES, len(answer.pieces) - 1)]
    body = b"".join(answer.pieces)
    return (body[: len(body) // 2],)


def _sse_error(answer: Answer, question: Question) -> Answer:
    error = {"type": "overloaded_error", "message": f"Overloaded in the middle (request {question.number})."}
    if question.is_anthropic:
        event = f"event: error\ndata: {json.dumps({'type': 'error', 'error': error})}\n\n"
    else:
        event = f"data: {json.dumps({'error': {**error, 'code': 'overloaded', 'param': None}})}\n\n"
    return replace(answer, pieces=(*answer.pieces[:_KEPT_PIECES], event.encode()))


def _slow(answer: Answer, question: Question) -> Answer:
    return replace(answer, delay_s=_SLOW_S)


def _late(answer: Answer, question: Question) -> Answer:
    return replace(answer, first_chunk_delay_s=_LATE_S)


def _gzip(answer: Answer, question: Question) -> Answer:
    if not answer.is_chunked:
        pieces = (gzip.compress(b"".join(answer.pieces), mtime=0),)
    else:
        pieces = _compressed(answer.pieces, zlib.MAX_WBITS | 16)
    return replace(answer, headers=(*answer.headers, ("content-encoding", "gzip")), pieces=pieces)


def _deflate(answer: Answer, question: Question) -> Answer:
    pieces = _compressed(answer.pieces, zlib.MAX_WBITS)
    return replace(answer, headers=(*answer.headers, ("content-encoding", "deflate")), pieces=pieces)


def _compressed(pieces: tuple[bytes, ...], window: int) -> tuple[bytes, ...]:
    """Return one compressed piece for each, readable as it comes."""
    compressor = zlib.compressobj(wbits=window)
    flushed = [compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return (*flushed, compressor.flush())


_FAULTS: Final[dict[str, Callable[[Answer, Question], Answer]]] = {
    "drop": _drop,
    "cut": _cut,
    "reset": _reset,
    "hold": _hold,
    "sse-error": _sse_error,
    "slow": _slow,
    "late": _late,
    "gzip": _gzip,
    "deflate": _deflate,
}
