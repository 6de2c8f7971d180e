"""Recordings of other tools become cassettes; what cannot be read is named, whatever is in the file."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import brotli
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace.errors import IngestError
from otel_agenttrace.ingest.calls import SYNTHETIC_START_NS
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.ingest.importing import IngestedFile, ingest
from otel_agenttrace.ingest.interactions import Ingested, LeftOut, NotReadable
from otel_agenttrace.model import Call, Span
from otel_agenttrace.redact import Redactor, redactor

zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

ASKED: Final = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Grüße"}], "temperature": 0}
ANSWER: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hallo"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
URL: Final = "https://api.openai.com/v1/chat/completions"
JSON_TYPE: Final = {"Content-Type": ["application/json"]}
BODY: Final = json.dumps(ANSWER).encode()


def vcr_entry(**changes: Any) -> dict[str, Any]:
    request = {"method": "POST", "uri": URL, "body": json.dumps(ASKED), "headers": JSON_TYPE}
    response = {"status": {"code": 200, "message": "OK"}, "headers": JSON_TYPE, "body": {"string": BODY.decode()}}
    return {
        "request": {**request, **changes.pop("request", {})},
        "response": {**response, **changes.pop("response", {})},
        **changes,
    }


def vcr_file(*entries: Any, dump: Any = yaml.dump) -> bytes:
    return dump({"version": 1, "interactions": list(entries)}).encode()


def har_entry(**changes: Any) -> dict[str, Any]:
    pairs = [{"name": "content-type", "value": "application/json"}]
    request = {"method": "POST", "url": URL, "headers": pairs, "postData": {"text": json.dumps(ASKED)}, "bodySize": 9}
    content = {"size": len(BODY), "mimeType": "application/json", "text": BODY.decode(), **changes.pop("content", {})}
    response = {"status": 200, "statusText": "OK", "headers": pairs, "content": content}
    return {
        "startedDateTime": "2025-03-01T12:00:00.250+01:00",
        "time": 1500.5,
        "request": {**request, **changes.pop("request", {})},
        "response": {**response, **changes.pop("response", {})},
        **changes,
    }


def har_file(*entries: Any) -> bytes:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "any"}, "entries": list(entries)}}).encode()


def read(name: str, content: bytes, redact: Redactor | None = None) -> list[Ingested | LeftOut]:
    return list(format_of(name).read(content, redact or Redactor()))


def calls(name: str, content: bytes) -> list[tuple[Span, Call]]:
    found: list[tuple[Span, Call]] = []
    for each in read(name, content):
        assert isinstance(each, Ingested), each
        assert each.recorded is not None
        found.append((each.span, each.recorded.call))
    return found


def body_of(name: str, content: bytes) -> bytes:
    ((_, call),) = calls(name, content)
    return call.attempts[0].body


def reasons(name: str, content: bytes) -> list[str]:
    try:
        return [each.reason for each in read(name, content) if isinstance(each, LeftOut)]
    except NotReadable as error:
        return [str(error)]


def imported(name: str, source: Path, output: Path, **options: Any) -> list[IngestedFile]:
    return list(ingest(format_of(name), source, output, Redactor(), **options))


# --- what a call becomes --------------------------------------------------------------------------------------------


def test_an_interaction_becomes_a_span_like_ours() -> None:
    ((span, call),) = calls("vcr", vcr_file(vcr_entry()))
    assert (span.name, span.kind, span.status, span.scope) == ("chat gpt-4o", "CLIENT", "UNSET", "otel_agenttrace")
    assert span.attributes == {
        "agenttrace.time.unknown": "all",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 2,
        "openai.api.type": "chat_completions",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    (attempt,) = call.attempts
    assert (attempt.status, attempt.headers, attempt.body) == (200, (("Content-Type", "application/json"),), BODY)
    assert (attempt.end, attempt.chunks) == ("complete", ())
    assert json.loads(attempt.request.body) == ASKED


def test_an_error_response_fails_its_span() -> None:
    error = {"error": {"type": "rate_limit_exceeded", "message": "slow down"}}
    response = {"status": {"code": 429, "message": "Too Many Requests"}, "body": {"string": json.dumps(error)}}
    ((span, _),) = calls("vcr", vcr_file(vcr_entry(response=response)))
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "rate_limit_exceeded")


def test_without_times_calls_follow_one_another_in_order_of_the_file() -> None:
    entries = [vcr_entry(request={"body": json.dumps({"n": n})}) for n in range(3)]
    found = calls("vcr", vcr_file(*entries))
    assert [json.loads(call.attempts[0].request.body)["n"] for _, call in found] == [0, 1, 2]
    assert [span.start_ns - SYNTHETIC_START_NS for span, _ in found] == [0, 1_000_000, 2_000_000]
    assert [call.ticket for _, call in found] == [0, 1, 2]


def test_recorded_times_give_the_order() -> None:
    late, early = vcr_entry(recorded_at="Tue, 01 Nov 2011 04:58:44 GMT"), vcr_entry(recorded_at="2011-11-01T04:58:43Z")
    found = calls("vcr", vcr_file(late, early))
    assert [span.start_ns for span, _ in found] == [1_320_123_523 * 10**9, 1_320_123_524 * 10**9]


def test_an_archive_tells_start_and_duration() -> None:
    ((span, _),) = calls("har", har_file(har_entry()))
    assert (span.start_ns, span.duration_ns) == (1_740_826_800_250_000_000, 1_500_500_000)


def test_secrets_of_the_environment_do_not_reach_a_cassette(tmp_path: Path) -> None:
    secret = "-".join(str(n * 7919) for n in range(1, 6))
    asked = {**ASKED, "user": secret}
    entry = vcr_entry(
        request={"body": json.dumps(asked), "uri": f"{URL}?key={secret}"}, response={"body": {"string": secret}}
    )
    source = tmp_path / "one.yaml"
    source.write_bytes(vcr_file(entry))
    (file,) = ingest(format_of("vcr"), source, tmp_path / "out", redactor({"OPENAI_API_KEY": secret}))
    assert file.cassette is not None
    written = file.cassette.read_text()
    assert secret not in written
    assert "[REDACTED:env:" in written


# --- bodies ---------------------------------------------------------------------------------------------------------


def _deflated(body: bytes) -> bytes:
    """Return a body in the form without a frame, that some servers send."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


ENCODED: Final = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]),
    "deflate": zlib.compress(BODY),
    "DEFLATE": _deflated(BODY),
    "br": brotli.compress(BODY),
    "zstd": zstd.compress(BODY),
    "zstd, gzip": gzip.compress(zstd.compress(BODY)),
    "identity": BODY,
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_content_encoding_is_undone(encoding: str) -> None:
    response = {"headers": {**JSON_TYPE, "content-encoding": [encoding]}, "body": {"string": ENCODED[encoding]}}
    ((_, call),) = calls("vcr", vcr_file(vcr_entry(response=response)))
    assert call.attempts[0].body == BODY
    assert call.attempts[0].headers == (("Content-Type", "application/json"),)


def test_a_body_that_was_decoded_before_it_was_stored_stays_as_it_is() -> None:
    response = {"headers": {**JSON_TYPE, "content-encoding": ["br"]}}
    assert body_of("vcr", vcr_file(vcr_entry(response=response))) == BODY


def test_gzip_is_unpacked_where_the_recorder_took_the_headers_out() -> None:
    response = {"headers": {}, "body": {"string": gzip.compress(BODY)}}
    ((span, call),) = calls("vcr", vcr_file(vcr_entry(response=response)))
    assert call.attempts[0].body == BODY
    assert span.usage.input_tokens == 5


def test_a_gzip_file_that_was_downloaded_stays_packed() -> None:
    packed = gzip.compress(BODY)
    response = {"headers": {"content-type": ["application/gzip"]}, "body": {"string": packed}}
    assert body_of("vcr", vcr_file(vcr_entry(response=response))) == packed


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)[:-20], "the body is cut off"),
        ("gzip", b"\xff\x00\x01", "that is no gzip"),
        ("deflate", b"\xff\x00\x01", "the content-encoding deflate cannot be undone"),
        ("br", brotli.compress(BODY)[:-5], "the body is cut off"),
        ("br", b"\xff\x00\x01", "the content-encoding br cannot be undone"),
        ("zstd", zstd.compress(BODY)[:-5], "the body is cut off"),
        ("compress", b"\x1f\x9d\x90", "nothing undoes the content-encoding 'compress'"),
    ],
)
def test_a_body_whose_encoding_cannot_be_undone_is_named(encoding: str, body: bytes, reason: str) -> None:
    bad = vcr_entry(response={"headers": {"Content-Encoding": [encoding]}, "body": {"string": body}})
    found = read("vcr", vcr_file(vcr_entry(), bad, vcr_entry()))
    (left,) = [each for each in found if isinstance(each, LeftOut)]
    assert left.index == 2
    assert reason in left.reason
    assert len(found) == 3


def test_a_bomb_is_refused() -> None:
    zeros = bytes(100 << 20)
    bomb = gzip.compress(zeros)
    packed = {"gzip": bomb, "br": brotli.compress(zeros, quality=1), "zstd": zstd.compress(zeros)}
    bad = [
        vcr_entry(response={"headers": {"Content-Encoding": encoding}, "body": {"string": body}})
        for encoding, body in packed.items()
    ]
    refused = (
        "refused: the body unpacks to more than 1,000 times its size, or to more than a body may have; "
        "if you trust it, put it into the file decoded"
    )
    assert reasons("vcr", vcr_file(*bad)) == [refused] * 3
    assert reasons("vcr", bomb) == [refused]


@pytest.mark.parametrize(
    ("encoding", "modules", "extra"),
    [("br", ["brotli", "brotlicffi"], "vcr"), ("zstd", [zstd.__name__], "pack")],
)
def test_a_decoder_that_is_not_installed_is_named(
    encoding: str, modules: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    bad = vcr_entry(response={"headers": {"content-encoding": encoding}, "body": {"string": ENCODED[encoding]}})
    assert reasons("vcr", vcr_file(bad)) == [
        f"the content-encoding {encoding} needs a decoder: pip install 'otel-agenttrace[{extra}]'"
    ]


def test_chunks_of_a_stream_are_not_invented() -> None:
    stream = b'data: {"id":"1","choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    response = {"headers": {"content-type": "text/event-stream"}, "body": {"string": stream.decode()}}
    ((span, call),) = calls("vcr", vcr_file(vcr_entry(response=response)))
    assert (call.attempts[0].body, call.attempts[0].chunks) == (stream, ())
    assert span.attributes["gen_ai.response.id"] == "1"


# --- forms of VCR ---------------------------------------------------------------------------------------------------

_IMAGE: Final = b"\x89PNG\x00\xff"


def ruby(body: Any) -> bytes:
    entry = vcr_entry(request={"body": {"encoding": "UTF-8", "string": json.dumps(ASKED)}}, response={"body": body})
    return yaml.dump({"http_interactions": [entry], "recorded_with": "VCR 6.3.1"}).encode()


def langchain(*entries: Any) -> bytes:
    both = {f"{side}s": [entry[side] for entry in entries] for side in ("request", "response")}
    return gzip.compress(yaml.dump(both).encode())


FORMS: Final = {
    "yaml": vcr_file(vcr_entry()),
    "json": vcr_file(vcr_entry(), dump=json.dumps),
    "binary": vcr_file(vcr_entry(response={"body": {"string": BODY}})),
    "parsed": vcr_file(vcr_entry(response={"parsed_body": ANSWER, "body": None}, request={"parsed_body": ASKED})),
    "old httpx": vcr_file(
        vcr_entry(response={"status": None, "body": None})
        | {"response": {"status_code": 200, "headers": JSON_TYPE, "content": BODY.decode(), "http_version": "HTTP/1.1"}}
    ),
    "no version": yaml.dump([vcr_entry()]).encode(),
    "gzip": gzip.compress(vcr_file(vcr_entry())),
    "pairs": langchain(vcr_entry()),
    "ruby": ruby({"encoding": "UTF-8", "string": BODY.decode()}),
    "ruby base64": ruby({"encoding": "ASCII-8BIT", "base64_string": base64.encodebytes(BODY).decode()}),
    "byte order mark": b"\xef\xbb\xbf" + vcr_file(vcr_entry(), dump=json.dumps),
    "bytes in headers": vcr_file(vcr_entry(request={"headers": {"Content-Type": [b"application/json"]}})),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_vcr_gives_the_same_call(form: str) -> None:
    ((span, call),) = calls("vcr", FORMS[form])
    ((plain, expected),) = calls("vcr", FORMS["yaml"])
    assert (span.name, span.attributes, call.key) == (plain.name, plain.attributes, expected.key)
    assert json.loads(call.attempts[0].body) == ANSWER


def test_a_buffer_and_an_iterator_in_a_request_are_read_without_building_them() -> None:
    written = (
        b"interactions:\n- request:\n    body: !!python/object/new:_io.BytesIO\n      state: !!python/tuple\n"
        b"      - !!binary |\n        YWJj\n      - 0\n      - null\n    method: POST\n    uri: http://host/up\n"
        b"  response: {status: {code: 200}, body: {string: ok}}\n"
        b"- request:\n    body: !!python/object/apply:builtins.iter\n      args:\n      - [ab, c]\n"
        b"    method: POST\n    uri: http://host/up\n  response: {status: {code: 200}, body: {string: ok}}\n"
    )
    assert [call.attempts[0].request.body for _, call in calls("vcr", written)] == ['{"text":"abc"}'] * 2


def test_objects_of_python_are_never_built(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bad = vcr_file(vcr_entry()).replace(
        b"    method: POST", f"    method: !!python/object/apply:os.mkdir ['{marker}']".encode()
    )
    assert reasons("vcr", bad) == [
        "the request has no method, but an object (tag:yaml.org,2002:python/object/apply:os.mkdir), which is not built"
    ]
    assert not marker.exists()


def test_dates_and_merge_keys_stay_texts() -> None:
    written = vcr_file(vcr_entry()).replace(b"  response:\n", b"  recorded_at: 2011-11-01 04:58:43\n  response:\n")
    ((span, _),) = calls("vcr", written)
    assert span.start_ns == 1_320_123_523 * 10**9
    merging = b"a: &a {x: 1}\ninteractions:\n- <<: *a\n"
    assert reasons("vcr", merging) == ["no HTTP exchange, but <<"]
    (told,) = reasons("vcr", b"a: &a {kind: 1, direction: 2}\ninteractions:\n- !!merge <<: *a\n")
    assert "tag:yaml.org,2002:merge" in told


def test_a_text_is_stored_in_the_encoding_that_stands_beside_it() -> None:
    assert body_of("vcr", ruby({"encoding": "ISO-8859-1", "string": "Grüße"})) == "Grüße".encode("latin-1")
    assert body_of("vcr", ruby({"encoding": "ASCII-8BIT", "string": "Grüße"})) == "Grüße".encode()
    assert reasons("vcr", ruby({"encoding": "klingon", "string": "x"})) == ["a body is no text in 'klingon'"]


# --- go-vcr ---------------------------------------------------------------------------------------------------------

GO_RESPONSE: Final = {"body": BODY.decode(), "headers": JSON_TYPE, "status": "200 OK", "code": 200}


@pytest.mark.parametrize(
    ("version", "more", "duration_ns"),
    [
        (1, {"duration": ""}, None),
        (2, {"duration": "1m2.5s", "proto": "HTTP/2.0", "uncompressed": True}, 62_500_000_000),
        (2, {"duration": "681.372µs"}, 681_372),
        (2, {"duration": 250_000_000}, 250_000_000),
    ],
)
def test_both_formats_of_go_vcr_are_read(version: int, more: dict[str, Any], duration_ns: int | None) -> None:
    request = {"method": "POST", "url": URL, "body": json.dumps(ASKED), "form": {}, "headers": {}}
    entry = {"id": 0, "request": request, "response": {**GO_RESPONSE, **more}}
    ((span, call),) = calls("govcr", b"---\n" + yaml.dump({"version": version, "interactions": [entry]}).encode())
    assert (span.name, span.duration_ns, call.attempts[0].body) == ("chat gpt-4o", duration_ns, BODY)


def test_a_cassette_of_the_other_library_is_recognised() -> None:
    assert reasons("govcr", vcr_file(vcr_entry())) == ["an interaction of VCR.py: otel-agenttrace ingest vcr reads it"]
    entry = {"request": {"method": "POST", "url": URL}, "response": GO_RESPONSE}
    assert reasons("vcr", vcr_file(entry)) == ["an interaction of go-vcr: otel-agenttrace ingest govcr reads it"]


# --- archives -------------------------------------------------------------------------------------------------------


def pieces(body: bytes) -> str:
    return json.dumps([base64.b64encode(body[:9]).decode(), base64.b64encode(body[9:]).decode()])


GZIPPED: Final = {"headers": [{"name": "content-encoding", "value": "gzip"}]}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(har_entry(), BODY, id="text"),
        pytest.param(har_entry(response=GZIPPED), BODY, id="text that was gzip"),
        pytest.param(
            har_entry(content={"text": base64.b64encode(_IMAGE).decode(), "encoding": "base64"}), _IMAGE, id="base64"
        ),
        pytest.param(
            har_entry(
                response={**GZIPPED, "content": {"text": base64.b64encode(_IMAGE).decode(), "encoding": "base64"}}
            ),
            _IMAGE,
            id="base64 that was gzip",
        ),
        pytest.param(
            har_entry(
                response={**GZIPPED, "content": {"text": pieces(gzip.compress(BODY)), "encoding": "base64", "size": 9}}
            ),
            BODY,
            id="pieces of Polly",
        ),
        pytest.param(
            har_entry(response={"status": 204, "content": {"size": 0, "mimeType": "x-unknown"}}), b"", id="none"
        ),
    ],
)
def test_the_body_of_an_archive_is_read(entry: dict[str, Any], expected: bytes) -> None:
    assert body_of("har", har_file(entry)) == expected


def test_what_http_2_adds_to_headers_is_left_out() -> None:
    told = [{"name": ":status", "value": "200"}, {"name": "x-a", "value": "1\n2"}]
    ((_, call),) = calls("har", har_file(har_entry(response={"headers": told})))
    assert call.attempts[0].headers == (("x-a", "1"), ("x-a", "2"), ("content-type", "application/json"))


def test_the_fields_of_a_form_are_its_body() -> None:
    posted = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "q", "value": "a b"}, {"name": "n", "value": "1"}],
    }
    form = [{"name": "content-type", "value": "application/x-www-form-urlencoded"}]
    ((_, call),) = calls("har", har_file(har_entry(request={"postData": posted, "headers": form})))
    assert json.loads(call.attempts[0].request.body) == {"form": [["q", "a b"], ["n", "1"]]}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (har_entry(response={"status": 0, "_error": "net::ERR_BLOCKED"}), "there is no response: net::ERR_BLOCKED"),
        (har_entry(_webSocketMessages=[]), "a websocket, no HTTP exchange"),
        (har_entry(request={"url": "wss://host/x"}), "a websocket, no HTTP exchange"),
        (har_entry(response={"status": 101}), "the connection was given to another protocol, as for a websocket"),
        (har_entry(request={"url": "data:text/plain,x"}), "the address is not one of HTTP: data:text/plain,x"),
        (har_entry(request={"url": "http://host:99999/"}), "the address is none: Port out of range 0-65535"),
        (har_entry(content={"text": None}), "the archive does not hold the body of the response"),
        (har_entry(request={"postData": None}), "the archive does not hold the body of the request"),
        (har_entry(content={"text": "a?b", "encoding": "base64"}), "a body is no base64"),
        (har_entry(content={"encoding": "uu"}), "the body of the response is encoded in 'uu'"),
    ],
)
def test_what_an_archive_lacks_is_named(entry: dict[str, Any], reason: str) -> None:
    assert reasons("har", har_file(har_entry(), entry)) == [reason]


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_same_file_gives_the_same_cassette_byte_for_byte(tmp_path: Path) -> None:
    source = tmp_path / "one.yaml"
    source.write_bytes(vcr_file(vcr_entry(), vcr_entry(request={"uri": URL + "?second"})))
    (first,), (second,) = (imported("vcr", source, tmp_path / name) for name in ("a", "b"))
    assert first.cassette is not None
    assert second.cassette is not None
    assert first.cassette.read_bytes() == second.cassette.read_bytes()
    spans = at.load(first.cassette).spans
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == 2


def test_the_tree_of_a_folder_is_kept_and_no_two_files_meet(tmp_path: Path) -> None:
    for name in ("a.yaml", "in/a.yaml", "in/a.json", "in/README.md", "in/b.c.yml"):
        path = tmp_path / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(vcr_file(vcr_entry(), dump=json.dumps))
    files = imported("vcr", tmp_path / "from", tmp_path / "to")
    made = [file.cassette.relative_to(tmp_path / "to").as_posix() for file in files if file.cassette is not None]
    assert made == ["a.otlp.jsonl", "in/a.json.otlp.jsonl", "in/a.yaml.otlp.jsonl", "in/b.c.otlp.jsonl"]


def test_a_cassette_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    source, output = tmp_path / "one.yaml", tmp_path / "out"
    source.write_bytes(vcr_file(vcr_entry()))
    there = output / "one.otlp.jsonl"
    there.parent.mkdir()
    there.write_text("mine")
    (file,) = imported("vcr", source, output)
    assert (file.cassette, file.kept, there.read_text()) == (None, there, "mine")
    (file,) = imported("vcr", source, output, force=True)
    assert file.calls == len(at.load(there).spans) == 1
    assert sorted(path.name for path in output.iterdir()) == ["one.otlp.jsonl"]


def test_a_large_body_stands_beside_its_cassette(tmp_path: Path) -> None:
    large = json.dumps({**ANSWER, "padding": "x" * (2 << 20)})
    source = tmp_path / "one.yaml"
    source.write_bytes(vcr_file(vcr_entry(response={"body": {"string": large}}), dump=json.dumps))
    (file,) = imported("vcr", source, tmp_path / "out")
    assert file.cassette is not None
    assert file.cassette.stat().st_size < 10_000
    (span,) = at.load(file.cassette).spans
    assert span.call is not None
    assert span.call.attempts[0].body == large.encode()


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="there is no such file or folder"):
        imported("vcr", tmp_path / "nowhere", tmp_path)
    with pytest.raises(IngestError, match=r"no file here ends in \.har"):
        imported("har", tmp_path, tmp_path)


# --- hostile and broken files -----------------------------------------------------------------------------------------

LAUGHS: Final = "\n".join(
    ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    + ["interactions:", "- request: {method: POST, uri: 'http://h/', parsed_body: *a11}", "  response: {}"]
).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no VCR cassette, but nothing"),
        (b"version: 1\nname: compose\n", "no VCR cassette: it has no 'interactions', but name, version"),
        (b"interactions: 5", "no VCR cassette: its 'interactions' are no list, but a number"),
        (b"just text", "no VCR cassette, but a text"),
        (b"a: [1", "expected ',' or ']'"),
        (b"a: 1\n---\nb: 2\n", "found another document"),
        (b"\xff\xfe\xfd", "not readable as YAML"),
        (b"a: !!int ''", "not readable as YAML: IndexError"),
        (b"a: !!bool perhaps", "not readable as YAML: KeyError"),
        (b"a: !!binary 'x'", "not readable as YAML"),
        (b"[" * 100_000, "nested more than 200 levels deep"),
        (b'{"a":' * 100_000, "nested more than 200 levels deep"),
        (b"- " * 100_000, "nested more than 200 levels deep"),
        (b"a: &a [*a]", "refused: a value holds itself"),
        (LAUGHS, "refused: its aliases make it many times larger than it is"),
        (gzip.compress(b"a: 1", mtime=0)[:-9], "the body is cut off"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    (told,) = reasons("vcr", content)
    assert reason in told


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (None, "no interaction, but nothing"),
        ("text", "no interaction, but a text"),
        ({"kind": "message", "direction": "sent", "data": {}}, "a websocket frame, no HTTP exchange"),
        ({"request_sample": {}, "response_sample": {}}, "a pair of protobuf messages, no HTTP exchange"),
        ({"request": None, "response": {}}, "the request is nothing"),
        (vcr_entry() | {"response": None}, "there is no response, but nothing"),
        (vcr_entry(response={"status": {"code": "two"}}), "the response has no status, but a text"),
        (vcr_entry(response={"status": {"code": 42}}), "the response has no status, but 42"),
        (vcr_entry(request={"uri": "/v1/chat"}), "the address is not one of HTTP: /v1/chat"),
        (vcr_entry(request={"uri": "http://[::1"}), "the address is none: Invalid IPv6 URL"),
        (vcr_entry(request={"body": 1.5}), "a body is a number"),
        (vcr_entry(request={"method": None}), "the request has no method, but nothing"),
        (vcr_entry(response={"body": {"string": "\ud800"}}), "a body holds half a surrogate pair"),
        (vcr_entry(response={"parsed_body": {"a": float("nan")}}), "a parsed body is no JSON: Out of range float"),
    ],
)
def test_an_entry_that_cannot_be_read_says_why_and_the_others_are(entry: Any, reason: str) -> None:
    found = read("vcr", vcr_file(vcr_entry(), entry, vcr_entry(), dump=json.dumps))
    assert [type(each) for each in found] == [LeftOut, Ingested, Ingested]
    assert isinstance(found[0], LeftOut)
    assert found[0].index == 2
    assert found[0].reason.startswith(reason)


def test_both_halves_of_a_surrogate_pair_are_one_character() -> None:
    entry = vcr_entry(response={"body": {"string": "\ud83d\ude00"}})
    assert body_of("vcr", vcr_file(entry, dump=json.dumps)) == "😀".encode()


def test_half_a_surrogate_pair_in_parsed_json_keeps_its_escape(tmp_path: Path) -> None:
    entry = vcr_entry(request={"parsed_body": {"a": "\ud800"}}, response={"parsed_body": ["\ud800"]})
    source = tmp_path / "one.json"
    source.write_bytes(vcr_file(entry, dump=json.dumps))
    (file,) = imported("vcr", source, tmp_path / "out")
    assert file.cassette is not None
    (span,) = at.load(file.cassette).spans
    assert span.call is not None
    assert span.call.attempts[0].body == rb'["\ud800"]'


def test_a_request_nested_too_deeply_is_a_text_or_named() -> None:
    for depth in (500, 990, 1_500, 50_000):
        found = read("vcr", vcr_file(vcr_entry(request={"body": "[" * depth + "]" * depth})))
        assert len(found) == 1


@pytest.mark.parametrize("name", ["vcr", "govcr", "har"])
def test_a_file_cut_off_anywhere_is_read_or_named(name: str) -> None:
    whole = har_file(har_entry(), har_entry()) if name == "har" else vcr_file(vcr_entry(), vcr_entry())
    named = [reasons(name, whole[:end]) for end in range(0, len(whole), 7)]
    assert all(reason for told in named for reason in told)
    assert named[1]


def values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    names = st.sampled_from(
        [
            "request",
            "response",
            "status",
            "code",
            "headers",
            "body",
            "string",
            "uri",
            "url",
            "method",
            "content",
            "text",
        ]
    )
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
    )


@given(name=st.sampled_from(["vcr", "govcr", "har"]), entry=values(), broken=values(), at_key=st.integers(0, 40))
def test_wrong_types_anywhere_are_named(name: str, entry: Any, broken: Any, at_key: int) -> None:
    whole = har_entry() if name == "har" else vcr_entry(request={"url": URL}) | {"id": 0}
    places = list(_places(whole))
    holder, key = places[at_key % len(places)]
    holder[key] = broken
    document = {"log": {"entries": [entry, whole]}} if name == "har" else {"interactions": [entry, whole]}
    found = read(name, json.dumps(document).encode())
    assert len(found) == 2
    assert all(each.reason for each in found if isinstance(each, LeftOut))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])
