"""Cassettes made of other projects' recordings answer the recorded requests with the recorded bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import otel_agenttrace as at
from tests.support.clients import http_libraries
from tests.support.conformance import findings
from tests.support.corpus import CORPORA, Recording, recordings
from tests.support.network import watched_network

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not beside the checkout")

FOLDERS: Final = sorted(path for path in CORPORA.glob("*vcr-*") if path.is_dir()) if CORPORA.is_dir() else []
COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")


def ingested(folder: Path, output: Path) -> Any:
    name = "govcr" if folder.name.startswith("govcr-") else "vcr"
    command = [COMMAND, "ingest", name, folder, "-o", output, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("imported")
    return {folder.name: ingested(folder, output / folder.name) for folder in FOLDERS}


def entries_of(path: Path) -> list[Any]:
    return yaml.load(path.read_bytes(), yaml.CSafeLoader)["interactions"] or []


def http_entries(folder: Path) -> int:
    """Count what has a request and a response, by a plain look at the files."""
    return sum({"request", "response"} <= entry.keys() for path in folder.rglob("*.yaml") for entry in entries_of(path))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_of_a_corpus_at_least_99_percent_of_the_interactions_import(folder: Path, imported: dict[str, Any]) -> None:
    made, there = imported[folder.name]["calls"], http_entries(folder)
    print(f"{folder.name}: {made} of {there}")
    assert there > 0
    assert made <= there
    assert made >= 0.99 * there


def test_what_is_no_http_exchange_is_named_with_its_place(imported: dict[str, Any]) -> None:
    told = {
        (Path(file["path"]).name, each["interaction"]): each["reason"]
        for report in imported.values()
        for file in report["files"]
        for each in file["left_out"]
    }
    assert told["test_gateway_openai_text_in_audio_out.yaml", 34] == "a websocket frame, no HTTP exchange"
    assert told["test_xai_unified_thinking_false.xai.yaml", 1] == "a pair of protobuf messages, no HTTP exchange"


def cassette_of(name: str, imported: dict[str, Any]) -> Path:
    path = CORPORA / name
    report = imported[path.relative_to(CORPORA).parts[0]]
    return next(Path(file["cassette"]) for file in report["files"] if Path(file["path"]) == path)


@pytest.mark.parametrize("recording", [one for one in recordings() if one.interactions], ids=lambda one: one.name)
def test_a_recorded_request_gets_the_recorded_bytes(recording: Recording, imported: dict[str, Any]) -> None:
    http = http_libraries()[-1]
    with at.replay(cassette_of(recording.name, imported), quiet=True) as session, watched_network() as network:
        for each in recording.interactions:
            answer = http.request(
                each.method,
                each.origin + each.target,
                content=each.asked,
                headers={"content-type": each.content_type} if each.content_type else {},
            )
            assert (answer.status_code, answer.content) == (each.status, each.content)
    assert network == []
    assert [outcome.kind for outcome in session.outcomes] == ["hit"] * len(recording.interactions)


@pytest.mark.parametrize("recording", [one for one in recordings() if one.interactions], ids=lambda one: one.name)
def test_an_imported_interaction_is_served_byte_for_byte(recording: Recording, imported: dict[str, Any]) -> None:
    http = http_libraries()[-1]
    with at.serve(cassette_of(recording.name, imported)) as server:
        for each in recording.interactions:
            answer = http.request(
                each.method,
                server.url + each.target,
                content=each.asked,
                headers={"content-type": each.content_type} if each.content_type else {},
            )
            assert (answer.status_code, answer.content) == (each.status, each.content)
        assert server.counts == {"hit": len(recording.interactions)}


@pytest.mark.parametrize("path", sorted(CORPORA.glob("govcr-*/**/*.yaml")), ids=lambda path: path.stem)
def test_a_request_that_go_recorded_gets_the_recorded_bytes(path: Path, imported: dict[str, Any]) -> None:
    http = http_libraries()[-1]
    entries = entries_of(path)
    cassette = cassette_of(str(path.relative_to(CORPORA)), imported)
    with at.replay(cassette, quiet=True) as session, watched_network() as network:
        for entry in entries:
            asked, answered = entry["request"], entry["response"]
            answer = http.request(asked["method"], asked["url"], content=asked["body"].encode())
            assert (answer.status_code, answer.content) == (answered["code"], answered["body"].encode())
    assert network == []
    assert [outcome.kind for outcome in session.outcomes] == ["hit"] * len(entries)


def test_the_spans_of_an_imported_run_tell_model_and_tokens(imported: dict[str, Any]) -> None:
    path = next(path for path in CORPORA.glob("govcr-*/**/*.yaml") if path.stem == "TestExec_Anthropic_AgentsMd")
    (span,) = at.load(cassette_of(str(path.relative_to(CORPORA)), imported)).inferences
    assert span.name.startswith("chat claude-")
    assert span.attributes["gen_ai.provider.name"] == "anthropic"
    assert span.attributes["gen_ai.response.finish_reasons"]
    assert span.usage.input_tokens
    assert span.usage.output_tokens
    assert span.duration_ns


def test_the_spans_of_imported_runs_conform(imported: dict[str, Any]) -> None:
    cassettes = [file["cassette"] for report in imported.values() for file in report["files"] if file["cassette"]]
    spans = [span for cassette in cassettes for span in at.load(cassette).spans]
    assert len(spans) == sum(report["calls"] for report in imported.values())
    assert [finding for span in spans for finding in findings(span)] == []
