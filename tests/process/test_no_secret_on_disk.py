"""A whole run with secrets in every place: none is in any file, none in an exported span, and the run replays."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.writer import partial_path
from tests.support import agent_with_secrets
from tests.support.agent_with_secrets import FILLER
from tests.support.loopback import Answer
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider
from tests.support.secret_corpus import Secret, drawn_secrets, survivors, told_texts

Texts: TypeAlias = dict[str, str]

pytestmark = pytest.mark.slow

_AGENT: Final = agent_with_secrets.__file__ or ""
_TEXTS: Final = (
    "prompt",
    "system",
    "tool definition",
    "tool result",
    "attribute",
    "event",
    "exception",
    "document",
)
_WORDS: Final = ("api key", "query", "header", "answered header", "refusal", "resource")
_CALLS: Final = 13
_CALLS_WITH_CONTENT: Final = 9
"""The others are told by spans of the SDK's own, to which we add no content."""

_OUTCOMES: Final = re.compile(r"replayed (\d+) calls: (\d+) hit, (\d+) drift, (\d+) miss")


# --- secrets, each in its place -------------------------------------------------------------------------------------


def _placed(secrets: tuple[Secret, ...]) -> tuple[Texts, list[str]]:
    """Return a text for each place, and what of them must be gone. Headers and queries get words only."""
    words = [one for one in secrets if one.shape == "token" and re.fullmatch(r"[\w.-]+", one.told.text)]
    told = {place: words[at].told.text for at, place in enumerate(_WORDS)}
    others = [one for one in secrets if one not in words[: len(_WORDS)]]
    for at_place, place in enumerate(_TEXTS):
        told[place] = "It says:\n" + "".join(f"{one.told.text}\n" for one in others[at_place :: len(_TEXTS)]) + "So."
    return told, [part for one in secrets for part in one.told.gone]


_TOLD, _GONE = _placed(drawn_secrets())
_OTHER_TOLD, _OTHER_GONE = _placed(drawn_secrets("another run"))


# --- a provider that gives secrets away -----------------------------------------------------------------------------


@contextmanager
def _leaking_provider() -> Generator[Provider]:
    with Provider() as running:
        running.then = _leaking
        yield running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with _leaking_provider() as running:
        yield running


def _leaking(answer: Answer) -> Answer:
    """Return an answer with secrets in its headers, in the message of its error, and cut through in its deltas."""
    headers = (*answer.headers, ("x-debug", _TOLD["answered header"]), ("x-note", f"see {_TOLD['answered header']}"))
    pieces = answer.pieces
    if answer.is_chunked:
        events = b"".join(pieces).decode().split("\n\n")
        pieces = tuple(f"{event}\n\n".encode() for each in events if each for event in _cut_through(each))
    elif answer.status == 400:
        pieces = tuple(piece.replace(b"Status 400", f"Wrong: {_TOLD['refusal']}".encode()) for piece in pieces)
        pieces = tuple(piece.replace(b"The request is not valid", _TOLD["refusal"].encode()) for piece in pieces)
    return replace(answer, headers=headers, pieces=pieces)


def _cut_through(event: str) -> Iterator[str]:
    """Give an event of a delta as several, of five characters each; the last one ends as the event did."""
    name, _, data = event.rpartition("data: ")
    told: Any = json.loads(data) if data.startswith("{") else None
    holder, member = _delta(told) if told is not None else ({}, "")
    text = holder.get(member, "")
    for start in range(0, len(text), 5):
        holder[member] = text[start : start + 5]
        yield f"{name}data: {json.dumps(told, ensure_ascii=False)}"
    if not text:
        yield event


def _delta(told: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return where the event of any of the three APIs has its piece of text, if it has one."""
    choices: list[dict[str, Any]] = told.get("choices") or []
    holders: list[dict[str, Any]] = [choice["delta"] for choice in choices]
    if isinstance(told.get("delta"), dict):
        holders.append(told["delta"])
    elif "delta" in told:
        holders.append(told)
    names = ("content", "text", "thinking", "partial_json", "delta")
    return next(((each, name) for each in holders for name in names if isinstance(each.get(name), str)), ({}, ""))


# --- runs -----------------------------------------------------------------------------------------------------------


def _run(
    folder: Path, told: Mapping[str, str], url: str, *command: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the agent in a folder that holds nothing but what is written by us; its secrets and output stand elsewhere."""
    secrets = folder.with_name("secrets.json")
    secrets.write_text(json.dumps(dict(told)), encoding="utf-8")
    folder.mkdir(exist_ok=True)
    arguments = [str(secrets) if part == "SECRETS" else part for part in command]
    environment = instrumented_environment(None, None, PROVIDER_URL=url)
    environment |= {"OTEL_RESOURCE_ATTRIBUTES": f"app.note={quote(told['resource'])}", **more}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


_COMMAND: Final = (sys.executable, "-m", "otel_agenttrace")
_PROGRAM: Final = (sys.executable, _AGENT, "SECRETS")
_WAYS: Final[dict[str, tuple[str, ...]]] = {
    "at.record": (*_PROGRAM, "--record", "run.otlp.jsonl"),
    "command line": (*_COMMAND, "record", "run.otlp.jsonl", "--", *_PROGRAM),
}


@pytest.fixture(scope="module", params=_WAYS)
def cassette(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record the agent once each way; a provider that is gone leaves its address in `url.txt`, beside the folder."""
    folder = tmp_path_factory.mktemp("recorded") / "run"
    with _leaking_provider() as provider:
        result = _run(folder, _TOLD, provider.openai_url, *_WAYS[request.param])
        assert result.returncode == 0, result.stderr[-2000:]
        assert provider.hits == _CALLS
        folder.with_name("url.txt").write_text(provider.openai_url, encoding="utf-8")
    return folder / "run.otlp.jsonl"


def _replayed(cassette: Path, told: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    url = cassette.parent.with_name("url.txt").read_text(encoding="utf-8")
    return _run(cassette.parent, told, url, *_COMMAND, "replay", cassette.name, "--", *_PROGRAM)


def _leaks(folder: Path, gone: list[str]) -> dict[str, list[str]]:
    """Return what is left of the secrets, by file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): survivors(gone, _text(path.read_bytes())) for path in files}
    return {name: runs for name, runs in found.items() if runs}


def _text(content: bytes) -> str:
    """Return bytes as text, a long run of filler cut short."""
    return re.sub(f"(?:{re.escape(FILLER)}){{9,}}", FILLER, content.decode("utf-8", "replace"))


def _joined_leaks(cassette: Path, gone: list[str]) -> dict[str, list[str]]:
    """Return what is left of the secrets in the joined deltas of each recorded body, by call and place."""
    spans = at.load(cassette).inferences
    calls = [call for span in spans if (call := span.call) is not None]
    bodies = [_text(attempt.body).encode() for call in calls for attempt in call.attempts]
    assert len(bodies) == _CALLS
    texts = {
        f"{number} {place}": text for number, body in enumerate(bodies) for place, text in told_texts(body).items()
    }
    found = {place: survivors(gone, text) for place, text in texts.items()}
    return {place: runs for place, runs in found.items() if runs}


# --- facts ----------------------------------------------------------------------------------------------------------


def test_the_run_without_a_recorder_sends_and_sees_the_secrets(tmp_path: Path, provider: Provider) -> None:
    result = _run(tmp_path / "run", _TOLD, provider.openai_url, *_PROGRAM)
    assert result.returncode == 0, result.stderr[-2000:]
    assert provider.hits == _CALLS
    sent = b"\n".join(request.body for request in provider.requests).decode()
    for place in ("prompt", "system", "tool definition", "tool result"):
        assert json.dumps(_TOLD[place], ensure_ascii=False)[1:-1] in sent, place
    assert any(request.query.get("note") == _TOLD["query"] for request in provider.requests)
    assert any(request.header("x-debug") == _TOLD["header"] for request in provider.requests)
    seen = json.loads(result.stdout)
    assert "".join(seen).count(_TOLD["prompt"]) >= 3
    assert any(_TOLD["refusal"] in text for text in seen)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("way", _WAYS)
def test_recording_changes_nothing_for_the_program_and_the_provider(
    way: str, tmp_path: Path, provider: Provider
) -> None:
    live = _run(tmp_path / "live", _TOLD, provider.openai_url, *_PROGRAM)
    bodies = [request.body for request in provider.requests]
    provider.requests.clear()
    recorded = _run(tmp_path / "run", _TOLD, provider.openai_url, *_WAYS[way])
    assert (recorded.returncode, recorded.stdout) == (0, live.stdout), recorded.stderr[-2000:]
    assert [request.body for request in provider.requests] == bodies


def test_no_secret_is_in_any_file_of_a_recording(cassette: Path) -> None:
    assert list(cassette.parent.glob("*.bodies/*")), "no body was spilled"
    assert _leaks(cassette.parent, _GONE) == {}


def test_no_secret_is_in_the_joined_deltas_of_a_recording(cassette: Path) -> None:
    assert _joined_leaks(cassette, _GONE) == {}


@pytest.mark.parametrize("way", _WAYS)
def test_no_secret_is_in_what_a_killed_run_leaves(way: str, tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "run"
    result = _run(folder, _TOLD, provider.openai_url, *_WAYS[way], "--killed")
    assert result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), result.stderr[-2000:]
    partial = partial_path(folder / "run.otlp.jsonl")
    assert len(at.load(partial).inferences) == _CALLS
    assert _leaks(folder, _GONE) == {}


@pytest.mark.parametrize("way", _WAYS)
def test_no_secret_is_in_an_exported_span_of_ours(way: str, tmp_path: Path, provider: Provider) -> None:
    spans = tmp_path / "spans.json"
    switch = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}
    result = _run(tmp_path / "run", _TOLD, provider.openai_url, *_WAYS[way], "--spans", str(spans), **switch)
    assert result.returncode == 0, result.stderr[-2000:]
    exported = json.loads(spans.read_text(encoding="utf-8"))
    assert sum("gen_ai.input.messages" in span["attributes"] for span in exported) == _CALLS_WITH_CONTENT
    for span in exported:
        del span["resource"]  # the program's own
    found = {
        f"{at_} {span['name']}": survivors(_GONE, _text(json.dumps(span).encode())) for at_, span in enumerate(exported)
    }
    assert {name: runs for name, runs in found.items() if runs} == {}


def test_the_same_secrets_replay_with_no_network_and_no_miss(cassette: Path) -> None:
    calls, hits, drifts, misses = _outcomes(_replayed(cassette, _TOLD))
    assert (calls, hits + drifts, misses) == (_CALLS, _CALLS, 0)
    assert _leaks(cassette.parent, _GONE) == {}


def test_other_secrets_of_the_same_kinds_replay_as_drift_and_never_as_hit(cassette: Path) -> None:
    assert _outcomes(_replayed(cassette, _OTHER_TOLD)) == (_CALLS, 0, _CALLS, 0)
    assert _leaks(cassette.parent, [*_GONE, *_OTHER_GONE]) == {}


def _outcomes(replayed: subprocess.CompletedProcess[str]) -> tuple[int, int, int, int]:
    """Return calls, hits, drifts and misses of a replay."""
    found = _OUTCOMES.search(replayed.stderr)
    assert found, replayed.stderr[-3000:]
    calls, hits, drifts, misses = map(int, found.groups())
    assert replayed.returncode == 0, replayed.stderr[-3000:]
    return calls, hits, drifts, misses
