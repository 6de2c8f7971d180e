"""Traces that other instrumentations really made are graded, and replayed through the real SDKs."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from otel_agenttrace.analyze.grades import Grades, graded
from tests.support.foreign_agent import PIXEL, RUNS
from tests.support.foreign_traces import INSTRUMENTATIONS, Form, live_runs, replayed_runs, uploads_of, without_ids

_CALLS: Final = {
    "plain": 1,
    "tools": 2,
    "stream": 1,
    "structured": 1,
    "error": 1,
    "parallel": 2,
    "turns": 2,
    "image": 1,
}
_CASES: Final = [(name, run) for name in INSTRUMENTATIONS for run in RUNS]


@dataclass(frozen=True, slots=True)
class _Made:
    """The runs of one instrumentation: what they saw live and replayed, and what its trace is worth."""

    live: dict[str, Any]
    replayed: dict[str, Any]
    grades: Grades


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], _Made]:
    folder = tmp_path_factory.mktemp("foreign")

    @cache
    def by(name: str) -> _Made:
        form: Form = "json" if "events" in name else "protobuf"
        trace = folder / f"{name}.{form}"
        live = live_runs(name, trace, form)
        return _Made(live, replayed_runs(name, trace), graded(trace, name))

    return by


@pytest.mark.parametrize(("name", "run"), _CASES)
def test_a_run_sees_the_same_live_and_replayed_from_the_trace_of(
    name: str, run: str, made: Callable[[str], _Made]
) -> None:
    live, replayed = made(name).live[run], made(name).replayed[run]
    assert "Error" not in str(live) or run == "error"
    assert replayed == live


@pytest.mark.parametrize("name", INSTRUMENTATIONS)
def test_each_call_is_graded_once(name: str, made: Callable[[str], _Made]) -> None:
    calls = made(name).grades.calls
    assert len(calls) == sum(_CALLS.values())
    assert {call.grade for call in calls} == {"reconstructable"}
    collapsed = [call for call in calls if "stream collapsed: the chunks are not recorded" in call.reasons]
    assert len(collapsed) == (0 if name == "openllmetry anthropic" else 1)  # it does not tell streams


@pytest.mark.parametrize("name", ["openllmetry openai", "openllmetry anthropic"])
def test_an_image_that_is_uploaded_is_in_the_trace_by_its_address_only(name: str, tmp_path: Path) -> None:
    trace = tmp_path / "uploaded.binpb"
    live_runs(name, trace, "protobuf")
    (image,) = (path for path in uploads_of(trace).rglob("*") if path.is_file())
    assert image.read_bytes() == b64decode(PIXEL)
    assert PIXEL.encode() not in trace.read_bytes()
    address = "/".join(image.relative_to(uploads_of(trace)).parts)
    assert f"https://images.test/{address}".encode() in trace.read_bytes()


def test_without_an_upload_openllmetry_records_no_messages_of_a_request_with_an_image(tmp_path: Path) -> None:
    """Its default for it returns a text, which it awaits; what that raises it keeps to itself."""
    trace = tmp_path / "none.binpb"
    live_runs("openllmetry openai", trace, "protobuf", UPLOADS="")
    (refused,) = (call for call in graded(trace, "none").calls if call.grade == "hash-only")
    assert "the input messages are not recorded" in refused.reasons
    replayed = replayed_runs("openllmetry openai", trace)
    assert [run for run in RUNS if replayed[run][0] == "ReplayMiss"] == ["image"]
    assert "is hash-only: the input messages are not recorded" in replayed["image"][1]


@pytest.mark.parametrize("limit", [33, 150, 400])
@pytest.mark.parametrize("name", ["official openai", "openllmetry anthropic", "openinference openai"])
def test_what_is_cut_off_is_refused_with_the_reason_and_never_served(name: str, limit: int, tmp_path: Path) -> None:
    trace = tmp_path / "cut.binpb"
    live = live_runs(name, trace, "protobuf", OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=str(limit))
    replayed = replayed_runs(name, trace)
    refused = [run for run in RUNS if without_ids(replayed[run]) != without_ids(live[run])]
    assert all(replayed[run][0] == "ReplayMiss" for run in refused)
    assert all(f"truncated at {limit} characters" in replayed[run][1] for run in refused)
    cut = [call for call in graded(trace, name).calls if call.grade == "hash-only"]
    assert bool(cut) == bool(refused)
    assert refused or (name, limit) in {("openinference openai", 150), ("openinference openai", 400)}


def test_content_that_is_off_leaves_nothing_to_answer_from(tmp_path: Path) -> None:
    trace = tmp_path / "off.binpb"
    off = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT"}
    live_runs("official openai", trace, "protobuf", **off)
    assert {call.grade for call in graded(trace, "off").calls} == {"no-content"}
    replayed = replayed_runs("official openai", trace)
    assert all(seen[0] == "ReplayMiss" and "no-content: content is off" in seen[1] for seen in replayed.values())
