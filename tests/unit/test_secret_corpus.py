"""The corpus judges redaction: every secret of it goes in every context, every look-alike stays as it is."""

from __future__ import annotations

import json
import re
import zlib
from collections import defaultdict
from itertools import accumulate, product
from random import Random
from typing import Any, Final

import pytest

from otel_agenttrace.redact import Redactor, redactor
from tests.support.secret_corpus import (
    CONTEXTS,
    ENVIRON,
    SECRETS,
    STREAMS,
    Body,
    Context,
    Secret,
    Stream,
    drawn_secrets,
    survivors,
    told_texts,
)
from tests.support.secret_corpus.drawing import base62
from tests.support.secret_corpus.ordinary import LOOK_ALIKES

_MARK: Final = "ZZMARKZZ"
_PLACEHOLDER: Final = re.compile(r"\[REDACTED:[a-z0-9_-]+(?::[0-9a-f]{8})?\]")
_ONE: Final = redactor(ENVIRON)
_NAMED: Final = {context.name: context for context in CONTEXTS}


def _by_kind() -> dict[str, list[Secret]]:
    kinds: defaultdict[str, list[Secret]] = defaultdict(list)
    for secret in SECRETS:
        kinds[secret.kind].append(secret)
    return kinds


_KINDS: Final = _by_kind()
_TEXT_CASES: Final = [
    pytest.param(kind, context, id=f"{kind} in {context.name}")
    for kind, context in product(_KINDS, CONTEXTS)
    if _KINDS[kind][0].shape in context.takes
]
_STREAM_CASES: Final = [
    pytest.param(kind, stream, id=f"{kind} in {stream.name}") for kind, stream in product(_KINDS, STREAMS)
]


# --- secrets in texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "context"), _TEXT_CASES)
def test_a_secret_goes_and_what_stands_around_it_stays(kind: str, context: Context) -> None:
    before, after = context.render(_MARK).split(_MARK)
    for secret in _KINDS[kind]:
        text = context.render(secret.told.text)
        redacted = _ONE.redact_text(text)
        assert survivors(secret.told.gone, redacted) == [], redacted
        assert redacted.startswith(before)
        assert redacted.endswith(after)
        assert _PLACEHOLDER.search(redacted)
        assert _ONE.redact_text(redacted) == redacted
        if context.is_json:
            assert _outline(json.loads(redacted)) == _outline(json.loads(text))


def _outline(value: Any) -> Any:
    """Return a JSON value with `…` for each string."""
    if isinstance(value, dict):
        return {name: _outline(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_outline(member) for member in value]
    return "…" if isinstance(value, str) else value


@pytest.mark.parametrize("kind", _KINDS)
def test_a_secret_is_replaced_alike_wherever_it_stands(kind: str) -> None:
    for secret in _KINDS[kind]:
        alone, told = _ONE.redact_text(f"\n{secret.told.text}\n"), _ONE.redact_text(json.dumps([secret.told.text]))
        assert _PLACEHOLDER.findall(told) == _PLACEHOLDER.findall(alone)


@pytest.mark.parametrize("kind", _KINDS)
def test_another_secret_of_the_kind_differs_in_the_digest_only(kind: str) -> None:
    others = [other for other in drawn_secrets("another seed") if other.kind == kind]
    for one, other in zip(_KINDS[kind], others, strict=False):
        here, there = (_ONE.redact_text(f"\n{each.told.text}\n") for each in (one, other))
        found = list(zip(_PLACEHOLDER.findall(here), _PLACEHOLDER.findall(there), strict=True))
        assert found
        for left, right in found:
            assert left != right or ":" not in left.removeprefix("[REDACTED:")
            assert left.rpartition(":")[0] == right.rpartition(":")[0]


# --- secrets in bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "stream"), _STREAM_CASES)
def test_a_secret_in_pieces_goes_from_the_pieces_and_from_what_they_join_to(kind: str, stream: Stream) -> None:
    for secret in _KINDS[kind]:
        random = Random(f"{kind} {stream.name}")
        body = stream.render(secret.told.text, random)
        redacted = Body(*_ONE.redact_bytes(body.content, body.chunk_sizes))
        assert survivors(secret.told.gone, redacted.content.decode()) == []
        for text in told_texts(redacted.content).values():
            assert survivors(secret.told.gone, text) == [], text
        assert Body(*_ONE.redact_bytes(redacted.content, redacted.chunk_sizes)) == redacted


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_keeps_its_chunks_its_places_and_the_text_around_a_secret(stream: Stream) -> None:
    marked = told_texts(stream.render(_MARK, Random(stream.name)).content)
    for secret in SECRETS[::9]:
        body = stream.render(secret.told.text, Random(stream.name))
        content, sizes = _ONE.redact_bytes(body.content, body.chunk_sizes)
        assert (len(sizes), sum(sizes)) == (len(body.chunk_sizes), len(content))
        assert min(sizes) >= 0
        texts = told_texts(content)
        assert texts.keys() == told_texts(body.content).keys()
        for place, text in marked.items():
            before, *_, after = text.split(_MARK) if _MARK in text else (text, "")
            if place.endswith(("/content", "/text", "/arguments", "/delta", "/thinking", "/partial_json")):
                assert texts[place].startswith(before), place
                assert texts[place].endswith(after), place


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_a_body_cut_anywhere_in_a_secret_says_the_same_as_a_whole_one(context: Context) -> None:
    for secret in SECRETS[::7]:
        if secret.shape not in context.takes:
            continue
        content = context.render(secret.told.text).encode()
        whole, _ = _ONE.redact_bytes(content, ())
        assert survivors(secret.told.gone, whole.decode()) == []
        sizes = _cuts(len(content), Random(context.name))
        cut, mapped = _ONE.redact_bytes(content, sizes)
        assert cut == whole
        assert (len(mapped), sum(mapped)) == (len(sizes), len(cut))
        starts = {found.start() + at for found in _PLACEHOLDER.finditer(cut.decode("latin-1")) for at in range(1, 9)}
        assert not starts & set(accumulate(mapped))


def _cuts(length: int, random: Random) -> tuple[int, ...]:
    sizes: list[int] = []
    while (rest := length - sum(sizes)) > 0:
        sizes.append(min(rest, random.randint(1, 60)))
    return tuple(sizes)


# --- secrets in addresses and headers -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in _KINDS if _KINDS[kind][0].shape == "token"])
def test_a_token_goes_from_an_address_and_from_the_value_of_any_header(kind: str) -> None:
    for secret in _KINDS[kind]:
        told, gone = secret.told.text, secret.told.gone
        in_query = _NAMED["url"].render(told).split()[1]
        assert survivors(gone, _ONE.redact_url(in_query)) == []
        assert survivors(gone, _ONE.redact_target(in_query.removeprefix("https://api.example.com"))) == []
        assert survivors(gone, json.dumps(_ONE.stored_headers([("x-debug", told), ("location", in_query)]))) == []


@pytest.mark.parametrize("kind", [kind for kind in _KINDS if kind.endswith((" url", " sas", " dsn", "in query"))])
def test_what_an_address_holds_goes_from_it(kind: str) -> None:
    for secret in _KINDS[kind]:
        assert survivors(secret.told.gone, _ONE.redact_url(secret.told.text)) == []


# --- look-alikes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_stays(name: str) -> None:
    text = LOOK_ALIKES[name]
    assert _ONE.redact_text(text) == text
    for context in ("chat request", "three levels of JSON", "diff", "ndjson"):
        told = _NAMED[context].render(text)
        assert _ONE.redact_text(told) == told, context
        assert _ONE.redact_bytes(told.encode(), (len(told.encode()),))[0] == told.encode(), context


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_of_look_alikes_stays(stream: Stream) -> None:
    for name, text in LOOK_ALIKES.items():
        body = stream.render(text, Random(name))
        assert Body(*_ONE.redact_bytes(body.content, body.chunk_sizes)) == body, name


@pytest.mark.parametrize("name", [name for name in LOOK_ALIKES if "http" not in name and "\n" not in LOOK_ALIKES[name]])
def test_a_look_alike_stays_in_a_header(name: str) -> None:
    header = ("x-debug", LOOK_ALIKES[name])
    assert _ONE.stored_headers([header]) == (header,)


# --- the corpus itself ----------------------------------------------------------------------------------------------


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(_KINDS) >= 150
    assert len({secret.told.gone for secret in SECRETS}) == len(SECRETS) >= 280
    assert len(set(LOOK_ALIKES.values())) == len(LOOK_ALIKES) >= 300
    assert len(_TEXT_CASES) >= 3000
    assert len(_STREAM_CASES) >= 1500


def test_a_secret_is_in_its_contexts_before_redaction() -> None:
    for secret, context in product(SECRETS[::5], CONTEXTS):
        if secret.shape in context.takes:
            assert set(survivors(secret.told.gone, context.render(secret.told.text))) != set()
    for secret, stream in product(SECRETS[::5], STREAMS):
        texts = told_texts(stream.render(secret.told.text, Random(0)).content)
        assert any(survivors(secret.told.gone, text) for text in texts.values()), (secret.kind, stream.name)


def test_no_look_alike_holds_a_secret_and_no_context_holds_one_by_itself() -> None:
    everything = "\n".join([*LOOK_ALIKES.values(), *(context.render(_MARK) for context in CONTEXTS)])
    assert survivors([part for secret in SECRETS for part in secret.told.gone], everything) == []


@pytest.mark.parametrize("kind", ["github", "npm", "cloudflare", "vercel"])
def test_the_last_six_characters_are_the_checksum_of_those_before(kind: str) -> None:
    for secret in _KINDS[kind]:
        body = secret.told.text.partition("_")[2]
        assert body[-6:] == base62(zlib.crc32(body[:-6].encode()), 6)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    {
        "anthropic": r"sk-ant-api03-[\w-]{93}AA",
        "google api key": r"AIza[\w-]{35}",
        "aws access key id": r"A[KS]IA[A-Z2-7]{16}",
        "azure openai key": r"[A-Za-z0-9]{84}",
        "azure client secret": r".{3}\dQ~[\w~.-]{31,34}",
        "azure devops token": r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
        "github fine-grained": r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        "github stateless": r"ghs_[A-Za-z0-9._-]{500,600}",
        "groq": r"gsk_[A-Za-z0-9]{52}",
        "terraform cloud": r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}",
        "sendgrid": r"SG\.[\w-]{22}\.[\w-]{43}",
        "age": r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
        "jwt": r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{43,342}",
    }.items(),
)
def test_a_token_has_the_shape_its_vendor_gives_it(kind: str, pattern: str) -> None:
    for secret in _KINDS[kind]:
        assert re.fullmatch(pattern, secret.told.text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("abcdefghijklmnop", 2),
        ("-abcdefghijkl-", 1),
        ("abcdefghijk", 0),
        (json.dumps(json.dumps({"a": "/+abcdefghijklm"})).replace("/", "\\/"), 2),
        ("a%62cdefghijk%6C", 1),
        ("\\u0061bcdefghijkl", 1),
    ],
)
def test_a_run_is_seen_in_any_form(text: str, found: int) -> None:
    assert len(survivors(["abcdefghijklm"], text)) == found


def test_of_a_short_secret_all_is_one_run() -> None:
    assert survivors(["hunter-2x"], "my hunter-2x!") == ["hunter-2x"]
    assert survivors(["hunter-2x"], "my hunter-2!") == []


def test_the_redactor_of_the_corpus_knows_its_environment() -> None:
    one: Redactor = redactor(ENVIRON)
    assert all(value not in one.redact_text(value) for value in ENVIRON.values())
