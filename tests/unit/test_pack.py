"""A packed cassette: small, as good as the plain one for showing and replaying, and closed to recording."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.sidecars import sidecar_folder
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteNotFound, CassetteTooLarge
from otel_agenttrace.in_force import open_sessions
from tests.support.network import watched_network

zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN, tmp_path / "run.otlp.jsonl"))


def test_the_packed_file_stands_beside_the_plain_one_which_stays(plain: Path) -> None:
    packed = pack(plain)
    assert packed == plain.with_name("run.otlp.jsonl.zst")
    assert packed.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    assert packed.stat().st_size < plain.stat().st_size / 3
    assert plain.read_bytes() == GOLDEN.read_bytes()


def test_packing_twice_gives_the_same_bytes(plain: Path) -> None:
    assert pack(plain).read_bytes() == pack(plain).read_bytes()


def test_a_packed_cassette_is_its_owners_alone_like_the_plain_one(plain: Path) -> None:
    assert pack(plain).stat().st_mode & 0o077 == 0


def test_a_packed_cassette_is_read_only(plain: Path) -> None:
    assert pack(plain).stat().st_mode & 0o222 == 0


def test_a_packed_cassette_loads_like_the_plain_one(plain: Path) -> None:
    loaded, packed = at.load(plain), at.load(pack(plain))
    assert packed == loaded
    assert [span.call for span in packed.spans] == [span.call for span in loaded.spans]


def test_a_packed_cassette_needs_the_plain_one_no_more(plain: Path) -> None:
    packed = pack(plain)
    plain.unlink()
    assert len(at.load(packed).inferences) == 2


@pytest.mark.parametrize("mode", ["none", "once"])
def test_a_packed_cassette_answers_calls(plain: Path, mode: str) -> None:
    packed = pack(plain)
    call = at.load(packed).inferences[1].call
    assert call is not None
    client: Any = openai.OpenAI(base_url="https://api.openai.com/v1", api_key="none is needed")
    with at.session(packed, mode, quiet=True) as session, watched_network() as network:
        chunks = list(client.chat.completions.create(**json.loads(call.attempts[0].request.body)))
    assert chunks[-1].usage.completion_tokens == 38
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert network == []


def test_large_bodies_of_a_packed_cassette_are_found_beside_it(plain: Path) -> None:
    body = b"x" * 3_000_000
    digest = hashlib.sha256(body).hexdigest()
    sidecar_folder(plain).mkdir()
    (sidecar_folder(plain) / digest).write_bytes(body)
    line = plain.read_bytes().splitlines(keepends=True)[0]
    begin = line.rindex(b'{"key":"agenttrace.exchange.body"')
    end = line.index(b'{"key":"agenttrace.exchange.duration"', begin)
    named = b'{"key":"agenttrace.exchange.sidecar","value":{"stringValue":"%s"}},' % digest.encode()
    plain.write_bytes(line[:begin] + named + line[end:])
    call = at.load(pack(plain)).inferences[0].call
    assert call is not None
    assert call.attempts[-1].body == body


def test_a_cassette_that_repeats_itself_a_lot_is_packed_and_read(tmp_path: Path) -> None:
    span = at.Span("a" * 32, "b" * 16, "chat m", 1, attributes={"gen_ai.output.messages": "0" * 900_000})
    plain = tmp_path / "run.otlp.jsonl"
    plain.write_bytes(encode_line(span, encode_resource({})) * 4)
    assert len(at.load(pack(plain)).spans) == 4


# --- nothing records into it --------------------------------------------------------------------------------------------


def _session(mode: str) -> Callable[[Path], object]:
    def run(path: Path) -> None:
        with at.session(path, mode, quiet=True):
            pass

    return run


_RECORDERS: Final[dict[str, Callable[[Path], object]]] = {
    "mode all": _session("all"),
    "mode new": _session("new"),
    "exporter": lambda path: at.CassetteSpanExporter(path).shutdown(),
    "processor": lambda path: at.CassetteSpanProcessor(path).shutdown(),
}


@pytest.mark.parametrize("recorder", _RECORDERS)
def test_recording_into_a_packed_cassette_is_refused_by_name(recorder: str, plain: Path) -> None:
    packed = pack(plain)
    before = packed.read_bytes()
    with pytest.raises(CassetteError) as raised:
        _RECORDERS[recorder](packed)
    assert str(packed) in str(raised.value)
    assert "\n  to fix   " in str(raised.value)
    assert packed.read_bytes() == before
    assert sorted(path.name for path in packed.parent.iterdir()) == [plain.name, packed.name]
    assert open_sessions() == ()


@pytest.mark.parametrize("recorder", ["mode once", *_RECORDERS])
def test_no_recording_is_begun_under_the_name_of_a_packed_cassette(recorder: str, tmp_path: Path) -> None:
    record = {"mode once": _session("once"), **_RECORDERS}[recorder]
    with pytest.raises(CassetteError, match=r"run\.otlp\.jsonl\.zst"):
        record(tmp_path / "run.otlp.jsonl.zst")
    assert list(tmp_path.iterdir()) == []
    assert open_sessions() == ()


# --- damaged ones -------------------------------------------------------------------------------------------------------


def test_a_packed_cassette_that_is_cut_off_is_named(plain: Path) -> None:
    packed = pack(plain)
    whole = packed.read_bytes()
    packed.chmod(0o600)
    packed.write_bytes(whole[:-20])
    with pytest.raises(CassetteCorrupt, match="cut off") as raised:
        at.load(packed)
    assert raised.value.path == packed


def test_both_of_two_packed_files_in_one_are_read(plain: Path) -> None:
    packed = pack(plain)
    both = plain.with_name("both.otlp.jsonl.zst")
    both.write_bytes(2 * packed.read_bytes())
    assert len(at.load(both).spans) == 8


def test_an_empty_packed_file_is_called_empty(tmp_path: Path) -> None:
    packed = tmp_path / "run.otlp.jsonl.zst"
    packed.touch()
    with pytest.raises(CassetteCorrupt, match="the file is empty"):
        at.load(packed)


def test_a_packed_file_made_to_fill_the_memory_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "run.otlp.jsonl.zst"
    bomb.write_bytes(zstd.compress(bytes(40_000_000)))
    with pytest.raises(CassetteTooLarge, match=r"more than 16,777,216 bytes, .*\n  to fix .*zstd -d ") as raised:
        open_cassette(bomb)
    assert (raised.value.path, raised.value.limit) == (bomb, 16 << 20)


def test_what_would_be_refused_when_it_is_read_is_not_packed(tmp_path: Path) -> None:
    plain = tmp_path / "run.otlp.jsonl"
    plain.write_bytes(bytes(40_000_000))
    with pytest.raises(CassetteError, match="times its size"):
        pack(plain)
    assert list(tmp_path.iterdir()) == [plain]


def test_a_packed_cassette_is_not_packed_again(plain: Path) -> None:
    packed = pack(plain)
    with pytest.raises(CassetteError, match=r"run\.otlp\.jsonl\.zst is packed already"):
        pack(packed)


def test_a_missing_packed_cassette_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFound) as raised:
        at.load(tmp_path / "run.otlp.jsonl.zst")
    assert raised.value.path == tmp_path / "run.otlp.jsonl.zst"
