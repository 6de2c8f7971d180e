"""Which recording a name means: paths first, then `latest`, names of files, beginnings of ids, agents; never a guess."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from otel_agenttrace import semconv
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.writer import Writer
from otel_agenttrace.errors import CassetteNotFound, RunAmbiguous
from otel_agenttrace.library.finding import run_named, traces_at
from otel_agenttrace.model import Span

_ROOT: Final = "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(name: str, trace_id: str = "a" * 32, run: str = "", agent: str = "") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path, {"service.name": "s", semconv.AGENTTRACE_RUN_ID: run})
    writer.write(Span(trace_id, "b" * 16, "tool", 2, 3, _ROOT, attributes={semconv.GEN_AI_AGENT_NAME: "within"}))
    writer.write(Span(trace_id, _ROOT, "root", 1, 4, attributes={semconv.GEN_AI_AGENT_NAME: agent} if agent else {}))
    return path


def _found(name: str) -> Path:
    return run_named(name, Path())


@pytest.mark.parametrize(
    "place", ["weather.otlp.jsonl", ".agenttrace/weather.otlp.jsonl", "tests/cassettes/test_a/weather.otlp.jsonl"]
)
def test_the_name_of_a_file_finds_it_with_and_without_its_ending(place: str) -> None:
    path = _write(place)
    assert _found("weather") == path
    assert _found("weather.otlp.jsonl") == path


@pytest.mark.parametrize("place", [".venv/lib/weather.otlp.jsonl", "a/.hidden/weather.otlp.jsonl"])
def test_hidden_folders_are_not_searched(place: str) -> None:
    _write(place)
    _write("other.otlp.jsonl")
    assert _found("weather") == Path("weather")
    assert traces_at(Path()) == (Path("other.otlp.jsonl"),)


def test_a_run_that_is_there_packed_too_is_one_run() -> None:
    path = _write("runs/weather.otlp.jsonl")
    packed = pack(path)
    assert traces_at(Path("runs")) == (path, packed)
    assert traces_at(Path("runs"), as_runs=True) == (path,)
    path.unlink()
    assert traces_at(Path("runs"), as_runs=True) == (packed,)


def test_a_path_that_is_there_is_meant_whatever_else_has_that_name() -> None:
    _write("cassettes/weather.otlp.jsonl")
    Path("weather").write_text("{}")
    assert _found("weather") == Path("weather")
    Path("latest").mkdir()
    assert _found("latest") == Path("latest")
    assert _found("-") == Path("-")


def test_a_path_into_a_folder_is_never_a_name() -> None:
    _write("cassettes/weather.otlp.jsonl")
    assert _found("elsewhere/weather") == Path("elsewhere/weather")


def test_latest_is_what_was_written_last() -> None:
    for number, name in enumerate(["b.otlp.jsonl", ".agenttrace/c.otlp.jsonl", "cassettes/a.otlp.jsonl"]):
        os.utime(_write(name), (number, number))
    assert _found("latest") == Path("cassettes/a.otlp.jsonl")
    os.utime(".agenttrace/c.otlp.jsonl", (9, 9))
    assert _found("latest") == Path(".agenttrace/c.otlp.jsonl")


def test_without_a_recording_latest_says_how_to_make_one() -> None:
    with pytest.raises(CassetteNotFound, match="record a run"):
        _found("latest")


def test_the_beginning_of_a_run_id_or_a_trace_id_finds_a_recording() -> None:
    one = _write("one.otlp.jsonl", "12ab" + "0" * 28, run="77cd000000000000")
    two = _write("two.otlp.jsonl", "34ef" + "0" * 28, run="99cd000000000000")
    assert [_found("12ab"), _found("12AB00"), _found("77cd")] == [one, one, one]
    assert [_found("34ef"), _found("99cd0")] == [two, two]
    assert _found("12a") == Path("12a")  # too short: it may stand for anything
    assert _found("ab00") == Path("ab00")  # within an id


def test_the_agent_that_stands_above_all_names_a_recording() -> None:
    path = _write("one.otlp.jsonl", agent="Trip Advisor")
    _write("two.otlp.jsonl", agent='says "hi"')
    assert _found("Trip Advisor") == path
    assert _found('says "hi"') == Path("two.otlp.jsonl")
    assert _found("within") == Path("within")


def test_the_name_of_a_file_goes_before_ids_and_agents() -> None:
    path = _write("abcd.otlp.jsonl", "1" * 32)
    _write("one.otlp.jsonl", "abcd" + "0" * 28)
    _write("two.otlp.jsonl", "2" * 32, agent="abcd")
    assert _found("abcd") == path


def test_a_name_that_several_have_is_an_error_that_lists_them() -> None:
    paths = [_write(f"cassettes/test_{each}/weather.otlp.jsonl") for each in "ba"]
    with pytest.raises(RunAmbiguous) as raised:
        _found("weather")
    assert raised.value.candidates == tuple(sorted(paths))
    assert str(raised.value) == (
        "2 recordings are called 'weather'.\n"
        "  these    cassettes/test_a/weather.otlp.jsonl\n"
        "           cassettes/test_b/weather.otlp.jsonl\n"
        "  to fix   name one by its path"
    )


def test_the_packed_form_of_a_cassette_that_is_there_is_no_second_one() -> None:
    path = _write("weather.otlp.jsonl", "12ab" + "0" * 28)
    packed = pack(path)
    assert _found("weather") == path
    path.unlink()
    assert [_found("weather"), _found("12ab")] == [packed, packed]


def test_a_name_that_is_nearly_one_is_told() -> None:
    _write("cassettes/weather.otlp.jsonl")
    with pytest.raises(CassetteNotFound, match=r"No cassette at wether\.\n  to fix   did you mean weather\?"):
        _found("wether")
    assert _found("quite-another") == Path("quite-another")


def test_what_cannot_be_read_is_called_nothing_but_its_file() -> None:
    Path("bad.otlp.jsonl").write_bytes(b"\x00 12ab")
    path = _write("good.otlp.jsonl", "12ab" + "0" * 28)
    assert _found("12ab") == path
    assert _found("bad") == Path("bad.otlp.jsonl")
