"""A provider that sends what nobody expects: the program hears the same as without us, recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.validation import validated
from tests.support.loopback import Answer, LoopbackServer, Received

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_CHUNK: Final = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","created":1,"choices":[{"index":0,"delta":{"content":%s}}]}\n\n'
_WHOLE: Final = b'{"id":"c","object":"chat.completion","model":"m","created":1,"choices":[%s],"usage":%s}'
_CHOICE: Final = b'{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%s}}'
_USAGE: Final = b'{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'


def _whole(choice: bytes = _CHOICE % b'"hi"', usage: bytes = _USAGE) -> tuple[str, tuple[bytes, ...]]:
    return _JSON, (_WHOLE % (choice, usage),)


_ANSWERS: Final[dict[str, tuple[str, tuple[bytes, ...]]]] = {
    "nested 300 deep": _whole(_CHOICE % (b"[" * 300 + b"]" * 300)),
    "nested 100,000 deep": _whole(_CHOICE % (b"[" * 100_000 + b"]" * 100_000)),
    "an end of nesting that never comes": (_JSON, (b'{"a":' * 10_000,)),
    "the same key several times": _whole(_CHOICE % b'"a","content":"b","content":null,"content":"c"'),
    "no numbers": _whole(usage=b'{"prompt_tokens":NaN,"completion_tokens":Infinity,"total_tokens":-Infinity}'),
    "a number of 10,000 digits": _whole(usage=b'{"prompt_tokens":' + b"9" * 10_000 + b"}"),
    "a number of 400 digits": _whole(usage=b'{"prompt_tokens":' + b"9" * 400 + b',"completion_tokens":-5}'),
    "a number beyond floats": _whole(usage=b'{"prompt_tokens":1e999,"completion_tokens":2.5}'),
    "halves of characters": _whole(_CHOICE % b'"\\ud800 \\udc00\\ud83d"'),
    "no UTF-8": _whole(_CHOICE % b'"\xff\xfe\xc3"'),
    "controls of a terminal": _whole(_CHOICE % b'"\\u001b[2J\\u202e\\u0000\x7f"'),
    "wrong types": _whole(b'{"index":"0","finish_reason":7,"message":[{}]},null,5', usage=b'"many"'),
    "a list": (_JSON, (b"[[],{},null]",)),
    "a text": (_JSON, (b'"text"',)),
    "a byte order mark": (_JSON, (b"\xef\xbb\xbf" + _whole()[1][0],)),
    "UTF-16": (_JSON, (_whole()[1][0].decode().encode("utf-16"),)),
    "no JSON at all": (_JSON, (b"\x00\x01\x02<html>",)),
    "nothing": (_JSON, (b"",)),
    "events without UTF-8": (_EVENTS, (_CHUNK % b'"\xff\xfe"', b"data: \xc3\n\n", b"data: [DONE]\n\n")),
    "events cut within a character": (_EVENTS, ((_CHUNK % '"ü"'.encode())[:-9], (_CHUNK % '"ü"'.encode())[-9:])),
    "an event of 3 MB without an end": (_EVENTS, (b"data: ", b"x" * 3_000_000)),
    "100,000 empty events": (_EVENTS, (b"data:\n\n" * 100_000, _CHUNK % b'"hi"')),
    "events nested deep": (_EVENTS, (_CHUNK % (b"[" * 5_000), _CHUNK % (b"[" * 300 + b"]" * 300))),
    "events with odd numbers": (_EVENTS, (_CHUNK % b"NaN", _CHUNK % (b"9" * 10_000), _CHUNK % b"1e999")),
    "events with halves of characters": (_EVENTS, (_CHUNK % b'"\\ud800"', _CHUNK % b'"\\udc00"')),
    "events with odd names": (_EVENTS, (b"event: \xff\x1b[2J\ndata: {}\n\n", b"\xef\xbb\xbfdata: 1\r\rdata: 2\n\r\n")),
}


@pytest.fixture(params=_ANSWERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a provider that answers everything in one of the ways."""
    kind, pieces = _ANSWERS[request.param]

    def answer(_: Received) -> Answer:
        return Answer(headers=(("content-type", kind),), pieces=pieces)

    server = LoopbackServer(answer)
    server.start()
    yield f"http://127.0.0.1:{server.port}/v1"
    server.stop()


def _raw(url: str) -> Any:
    with httpx.Client() as client:
        return client.post(f"{url}/chat/completions", json={"model": "m", "messages": []}).content


def _streamed(url: str) -> Any:
    with httpx.Client() as client, client.stream("POST", f"{url}/chat/completions", json={"model": "m"}) as response:
        return b"".join(response.iter_bytes())


def _sdk(url: str) -> Any:
    with openai.OpenAI(base_url=url, api_key="none is needed", max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=[]).model_dump()


def _sdk_streamed(url: str) -> Any:
    with openai.OpenAI(base_url=url, api_key="none is needed", max_retries=0) as client:
        return [chunk.model_dump() for chunk in client.chat.completions.create(model="m", messages=[], stream=True)]


def _heard(program: Callable[[str], Any], url: str) -> str:
    """Return what a program got, or what was raised."""
    try:
        return repr(program(url))
    except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"{type(error).__module__}.{type(error).__qualname__}: {error}"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("program", [_raw, _streamed, _sdk, _sdk_streamed])
def test_the_program_hears_the_same_and_the_recording_is_whole(
    program: Callable[[str], Any], url: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.otlp.jsonl"
    alone = _heard(program, url)
    with at.record(path, quiet=True):
        assert _heard(program, url) == alone
    report = validated(path, "run")
    assert (report.calls, report.problems, report.warnings) == (1, (), ())
    with at.replay(path, quiet=True) as session:
        assert _heard(program, url) == alone
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
