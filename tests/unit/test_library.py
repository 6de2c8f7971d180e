"""Cassettes in folders: what `ls` tells of each, what `prune` takes, what `doctor` finds; figures that a reader can count."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.streams import streamed
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.sidecars import sidecar_folder, spilled
from otel_agenttrace.cassette.writer import Writer, partial_path
from otel_agenttrace.errors import CassetteError, CassetteInaccessible, CassetteTooNew
from otel_agenttrace.library.checkup import checkup_of, shelf_of, troubles_of
from otel_agenttrace.library.listing import SORTS, Listed, listed, listing
from otel_agenttrace.library.migrating import migrated
from otel_agenttrace.library.playing import Played, played_in
from otel_agenttrace.library.pruning import prunable_in, pruned, remove
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.redact import redactor

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_DAY_NS: Final = 86_400 * 1_000_000_000
_NOW_NS: Final = 1_000 * _DAY_NS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _call(number: int, days: float = 1, **told: Any) -> Span:
    """Return a call to a model, recorded so many days ago."""
    attributes = {semconv.GEN_AI_OPERATION_NAME: "chat", semconv.GEN_AI_PROVIDER_NAME: "openai", **told}
    start_ns = _NOW_NS - int(days * _DAY_NS)
    return Span("a" * 32, f"{number:016x}", "chat", start_ns, start_ns + 1, "f" * 16, attributes=attributes)


def _told(model: str, given: int | None = None, got: int | None = None) -> Mapping[str, Any]:
    usage = {semconv.GEN_AI_USAGE_INPUT_TOKENS: given, semconv.GEN_AI_USAGE_OUTPUT_TOKENS: got}
    return {semconv.GEN_AI_REQUEST_MODEL: model, **{name: count for name, count in usage.items() if count is not None}}


def _write(name: str, *spans: Span) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path, {"service.name": "s"})
    for span in spans:
        writer.write(span)
    return path


def _listed(*spans: Span, name: str = "-") -> Listed:
    priced = Trace(spans, lambda span: 0.5 if span.attributes.get(semconv.GEN_AI_REQUEST_MODEL) == "m" else None)
    return listed(streamed(priced, name), _NOW_NS, Played())


# --- ls -----------------------------------------------------------------------------------------------------------------


def test_a_row_tells_what_can_be_counted_in_the_file() -> None:
    agent = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.GEN_AI_AGENT_NAME: "advisor"}
    failed = replace(_call(3, days=2), status="ERROR")
    row = _listed(
        _call(1, **_told("m", 10, 5)), _call(2, days=4, **_told("n", 1, 1)), failed, _call(4, days=5, **agent)
    )
    assert (row.calls, row.tokens, row.calls_without_tokens) == (3, 17, 1)
    assert (row.cost, row.calls_without_price, row.errors) == (0.5, 2, 1)
    assert (row.models, row.agent) == (("m", "n"), "advisor")
    assert (row.age_s, row.recorded_at) == (86_400, "1972-09-26T00:00:00+00:00")


def test_what_is_not_known_is_none() -> None:
    row = _listed()
    assert (row.calls, row.tokens, row.cost, row.age_s, row.recorded_at) == (0, None, None, None, None)
    assert (row.agent, row.size_bytes, row.unplayed) == (None, None, None)


def test_a_call_that_was_made_again_is_as_old_as_its_last_recording() -> None:
    again = {semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO: _NOW_NS - _DAY_NS}
    assert _listed(_call(1, days=90, **again)).age_s == 86_400


def test_large_bodies_are_part_of_the_size() -> None:
    path = _write("a.otlp.jsonl", _call(1))
    spilled(path, secrets.token_bytes(1 << 21))
    assert _listed(_call(1), name=str(path)).size_bytes == path.stat().st_size + (1 << 21)


def test_rows_are_ordered_with_what_is_not_known_last() -> None:
    rows = [
        _listed(_call(1, days=3, **_told("m", 9, 9)), name="c"),
        _listed(_call(1, days=2, **_told("n")), _call(2, **_told("n")), name="a"),
        _listed(name="b"),
    ]
    orders = {sort: [row.name for row in listing(rows, sort).cassettes] for sort in SORTS}
    assert orders == {
        "age": ["a", "c", "b"],
        "cost": ["c", "a", "b"],
        "tokens": ["c", "a", "b"],
        "calls": ["a", "c", "b"],
        "name": ["a", "b", "c"],
    }
    assert listing(rows, "age").tokens == 18


def test_what_tests_left_is_told_by_the_most_thorough_of_them(tmp_path: Path) -> None:
    cases = (
        CaseResult("t::a", "passed", "cassettes/a.otlp.jsonl", unplayed=3, calls={"hit": 1}),
        CaseResult("t::b", "passed", "cassettes/a.otlp.jsonl", unplayed=1, calls={"hit": 3}),
        CaseResult("t::c", "passed", "cassettes/c.otlp.jsonl", unplayed=2),
        CaseResult("t::d", "skipped", "cassettes/d.otlp.jsonl", unplayed=2),
    )
    played = played_in(SuiteResult(cases, orphans=("cassettes/e.otlp.jsonl",)), tmp_path)
    names = "acdef"
    paths = [Path(f"cassettes/{name}.otlp.jsonl") for name in names]
    assert [played.left_of(path) for path in paths] == [1, 2, 2, None, None]
    assert [name for name, path in zip(names, paths, strict=True) if played.is_unused(path)] == ["c", "e"]


# --- prune --------------------------------------------------------------------------------------------------------------


def _pruned(*folders: str, older_than: str | None = "30d", unused: Iterator[str] | None = None) -> list[str]:
    files = [path for folder in folders or (".",) for path in prunable_in(Path(folder))]
    names = None if unused is None else set(unused)
    found = pruned(
        ((str(path), at.load(path)) for path in files),
        _NOW_NS,
        older_than,
        lambda path: names is None or str(path) in names,
    )
    return [str(each.path) for each in found]


def test_a_cassette_is_old_when_all_in_it_is_whatever_the_date_of_the_file() -> None:
    _write("old.otlp.jsonl", _call(1, days=40), _call(2, days=31))
    _write("mixed.otlp.jsonl", _call(1, days=40), _call(2, days=1))
    _write(".agenttrace/old.otlp.jsonl", _call(1, days=400))
    assert _pruned() == [".agenttrace/old.otlp.jsonl", "old.otlp.jsonl"]
    assert _pruned(older_than="1d") == [".agenttrace/old.otlp.jsonl", "old.otlp.jsonl"]
    assert _pruned(older_than="12h") == [".agenttrace/old.otlp.jsonl", "mixed.otlp.jsonl", "old.otlp.jsonl"]


def test_with_a_report_only_what_no_test_uses_goes() -> None:
    _write("a.otlp.jsonl", _call(1, days=40))
    _write("b.otlp.jsonl", _call(1, days=40))
    _write("b.otlp.jsonl.partial", _call(1, days=40))
    assert _pruned(unused=iter(["b.otlp.jsonl"])) == ["b.otlp.jsonl", "b.otlp.jsonl.partial"]
    assert _pruned(unused=iter(["b.otlp.jsonl"]), older_than="50d") == []


def test_what_killed_runs_left_goes_and_nothing_to_which_a_run_records() -> None:
    _write("a.otlp.jsonl.partial", _call(1, days=40))
    _write("b.otlp.jsonl", _call(1, days=40))
    recording = Recording(Path("b.otlp.jsonl"))
    Writer(partial_path(Path("b.otlp.jsonl")), {}).write(_call(1, days=40))
    assert _pruned() == ["a.otlp.jsonl.partial"]
    recording.leave()
    assert _pruned() == ["a.otlp.jsonl.partial", "b.otlp.jsonl", "b.otlp.jsonl.partial"]


def test_large_bodies_go_with_the_last_file_that_names_them_and_nothing_else_does() -> None:
    path = _write("a.otlp.jsonl", _call(1, days=40))
    digest = spilled(path, secrets.token_bytes(1 << 21))
    packed = pack(path)
    (sidecar_folder(path) / "notes.txt").write_text("mine")
    found = list(pruned([(str(path), at.load(path))], _NOW_NS, "30d", lambda _: True))
    packed.chmod(0o600)
    remove(found)
    assert not path.exists()
    assert not (sidecar_folder(path) / str(digest)).exists()  # no line of either names it
    remove(pruned([(str(packed), at.load(packed))], _NOW_NS, "30d", lambda _: True))
    assert not packed.exists()
    assert [each.name for each in sidecar_folder(path).iterdir()] == ["notes.txt"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    _write(str(outside / "a.otlp.jsonl"), _call(1, days=40))
    _write(str(inside / "b.otlp.jsonl"), _call(1, days=40))
    (inside / "link").symlink_to(outside)
    (inside / "c.otlp.jsonl").symlink_to(outside / "a.otlp.jsonl")
    (inside / "b.otlp.jsonl.bodies").symlink_to(outside)
    assert prunable_in(inside) == (inside / "b.otlp.jsonl",)
    remove(pruned([(str(inside / "b.otlp.jsonl"), at.load(inside / "b.otlp.jsonl"))], _NOW_NS, "30d", lambda _: True))
    assert (outside / "a.otlp.jsonl").exists()
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        prunable_in(inside / "link")


# --- doctor -------------------------------------------------------------------------------------------------------------


def _found(folder: str = ".", **told: Any) -> list[tuple[str, str, str]]:
    options: dict[str, Any] = {"now_ns": _NOW_NS, "older_than": "90d", **told}
    cassettes, beside = shelf_of(Path(folder))
    inside = [each for path in cassettes for each in troubles_of(path, at.load, redactor({}), **options)]
    found = checkup_of(len(cassettes), [*beside, *inside]).findings
    return [(each.severity, each.rule, str(each.path)) for each in found]


def test_a_sound_cassette_has_no_finding() -> None:
    _write("a.otlp.jsonl", _call(1, **_told("gpt-4o-mini", 1, 1)))
    assert _found() == []


def test_damage_and_leaks_are_critical() -> None:
    token = "sk-" + "proj-" + base64.b64encode(secrets.token_bytes(36)).decode().replace("+", "a").replace("/", "b")
    path = _write("a.otlp.jsonl", _call(1, **_told("gpt-4o-mini", 1, 1), note=f"my key is {token}"))
    Path("b.otlp.jsonl").write_bytes(b"{]\n" + path.read_bytes().replace(token.encode(), b"x"))
    assert _found() == [("critical", "damaged", "b.otlp.jsonl"), ("critical", "leak", "a.otlp.jsonl")]


def test_content_that_is_shared_with_a_line_that_is_not_there_is_damage() -> None:
    lines = _GOLDEN.read_bytes().splitlines(keepends=True)
    dangling = [line for line in lines if b"agenttrace.request.shared" in line]
    assert dangling
    Path("a.otlp.jsonl").write_bytes(b"".join(dangling))
    assert ("critical", "damaged", "a.otlp.jsonl") in _found()


def test_what_killed_runs_left_is_told_and_what_a_run_records_to_is_not() -> None:
    path = _write("a.otlp.jsonl", _call(1))
    path.write_bytes(path.read_bytes() + b'{"resourceSpans":[{"res')
    _write("b.otlp.jsonl.partial", _call(1))
    spilled(Path("c.otlp.jsonl"), secrets.token_bytes(1 << 21))
    assert _found() == [
        ("warning", "torn", "a.otlp.jsonl"),
        ("warning", "partial", "b.otlp.jsonl.partial"),
        ("warning", "loose-bodies", "c.otlp.jsonl.bodies"),
    ]
    recording = Recording(Path("c.otlp.jsonl"))
    assert [found[2] for found in _found()] == ["a.otlp.jsonl", "b.otlp.jsonl.partial"]
    recording.leave()


def test_notes_that_leak_or_whose_cassette_is_gone_are_told_once() -> None:
    token = "sk-" + "proj-" + base64.b64encode(secrets.token_bytes(36)).decode().replace("+", "a").replace("/", "b")
    pack(_write("a.otlp.jsonl", _call(1)))
    for name, text in (("a", f"my key is {token}"), ("gone", "see")):
        remark = {"trace_id": "", "span_id": "", "name": "chat", "place": "inference[1]", "mark": "note", "text": text}
        Path(f"{name}.otlp.jsonl.notes.jsonl").write_text(json.dumps(remark) + "\n", encoding="utf-8")
    assert _found() == [
        ("critical", "leak", "a.otlp.jsonl.notes.jsonl"),
        ("warning", "loose-notes", "gone.otlp.jsonl.notes.jsonl"),
    ]


def test_old_recordings_models_that_are_given_up_and_prices_that_are_not_known_are_warnings() -> None:
    _write("a.otlp.jsonl", _call(1, days=91, **_told("gpt-4o-mini", 1, 1)))
    _write("b.otlp.jsonl", _call(1, **{**_told("gemini-2.0-flash", 1, 1), semconv.GEN_AI_PROVIDER_NAME: "gcp.gemini"}))
    _write("c.otlp.jsonl", _call(1, **_told("a-model-of-ours", 1, 1)), _call(2, **_told("a-model-of-ours")))
    assert _found() == [
        ("warning", "stale", "a.otlp.jsonl"),
        ("warning", "deprecated-model", "b.otlp.jsonl"),
        ("warning", "no-price", "c.otlp.jsonl"),
    ]
    assert ("warning", "stale", "a.otlp.jsonl") not in _found(older_than="92d")


def test_a_cassette_whose_test_is_gone_is_an_orphan() -> None:
    Path("tests").mkdir()
    Path("tests/test_a.py").write_text("class TestB:\n    def test_one(cassette): ...\n", encoding="utf-8")
    used = ("test_a/TestB.test_one", "test_a/TestB.test_one[x.y-1]", "test_a/test_a", "test_a/TestB")
    for name in (*used, "test_a/test_on", "test_gone/test_one"):
        _write(f"tests/cassettes/{name}.otlp.jsonl", _call(1))
    _write("elsewhere/cassettes/test_gone/test_one.otlp.jsonl", _call(1))  # no tests beside it: who can tell
    assert _found() == [
        ("warning", "orphan", "tests/cassettes/test_a/test_on.otlp.jsonl"),
        ("warning", "orphan", "tests/cassettes/test_gone/test_one.otlp.jsonl"),
    ]


# --- migrate ------------------------------------------------------------------------------------------------------------


def test_a_current_cassette_stays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.otlp.jsonl"
    path.write_bytes(_GOLDEN.read_bytes())
    done = migrated(path)
    assert (done.before, done.after, path.read_bytes()) == (1, 1, _GOLDEN.read_bytes())


def test_a_cassette_of_a_later_release_is_refused_and_so_is_a_trace_of_others() -> None:
    version = b'{"key":"agenttrace.format.version","value":{"intValue":"1"}}'
    later = Path("later.otlp.jsonl")
    later.write_bytes(_GOLDEN.read_bytes().replace(version, version.replace(b'"1"', b'"2"')))
    with pytest.raises(CassetteTooNew):
        migrated(later)
    foreign = Path("foreign.otlp.jsonl")
    foreign.write_bytes(_GOLDEN.read_bytes().replace(version, b'{"key":"a","value":{"intValue":"1"}}'))
    with pytest.raises(CassetteError, match="a trace that others exported"):
        migrated(foreign)
