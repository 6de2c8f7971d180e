"""Old cassettes cleaned by today's rules, and folders looked through for leaks."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.cassette.beginning import is_ours
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.sidecars import notes_path, sidecars
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.cleaning.files import clean, cleanable_files, cleaned, cure
from otel_agenttrace.cleaning.scanning import ScannedFile, files_below, scanned
from otel_agenttrace.cleaning.texts import leaks_of_texts
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible
from otel_agenttrace.library.annotations import Remark, add_remarks
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Chunk, Event, Exchange, Span
from otel_agenttrace.playback.player import Player
from otel_agenttrace.redact import Finding, Redactor, redactor
from otel_agenttrace.redact.builtin import secrets_in
from otel_agenttrace.redaction import RedactionRules
from otel_agenttrace.report.leaks import scanned_json, scanned_lines

KEY: Final = "sk-proj-" + hashlib.sha256(b"a key of before").hexdigest()
_TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
_BLIND: Final = Redactor(())
"""The rules of a release that knew nothing."""
_NOW: Final = redactor({})
_URL: Final = "https://api.test/v1/chat/completions"
_TURNS: Final = 8


def _bodies(leaky: Sequence[int] = ()) -> list[dict[str, object]]:
    """Return the requests of a growing conversation; the turns of these numbers tell the key."""
    tools = [{"type": "function", "function": {"name": f"tool{n}", "description": "d" * 120}} for n in range(4)]
    messages: list[dict[str, str]] = [{"role": "system", "content": "s " * 300}]
    bodies: list[dict[str, object]] = []
    for turn in range(_TURNS):
        said = f"turn {turn} {KEY if turn in leaky else 'nothing'} " + "x" * 90
        messages = [*messages, {"role": "user", "content": said}]
        bodies.append({"model": "m", "messages": messages, "tools": tools})
    return bodies


def _call(
    body: object, number: int, *, answer: bytes = b"{}", url: str = _URL, chunks: tuple[Chunk, ...] = ()
) -> tuple[Span, RecordedCall]:
    asked = requested("POST", url, "application/json", json.dumps(body).encode(), _BLIND)
    start_ns = 1_000_000 * (number + 1)
    exchange = Exchange(asked.request, start_ns + 5, start_ns + 900, "complete", 200, body=answer, chunks=chunks)
    span = Span(_TRACE_ID, f"{number + 1:016x}", "chat m", start_ns, start_ns + 1_000)
    return span, RecordedCall(Call(asked.key, (exchange,), "/agent#0", number), asked)


def _written(path: Path, bodies: Sequence[object], *, answer: bytes = b"{}", url: str = _URL) -> Path:
    writer = Writer(path, {"service.name": "s"})
    for number, body in enumerate(bodies):
        writer.write(*_call(body, number, answer=answer, url=url))
    return path


def _asked(path: Path, body: object, url: str = _URL) -> str | None:
    """Return how a cassette answers what the program asks today."""
    player = Player(open_cassette(path, strict=True), _NOW)
    claim = player.claim(requested("POST", url, "application/json", json.dumps(body).encode(), _NOW), "/agent#0")
    return claim and claim.outcome


# --- cassettes ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(leaky=st.sets(st.integers(0, _TURNS - 1), max_size=3), order=st.permutations(range(_TURNS)))
def test_a_cleaned_cassette_answers_every_call_as_a_hit_and_clean_lines_stay_byte_for_byte(
    leaky: set[int], order: list[int]
) -> None:
    bodies = _bodies(sorted(leaky))
    with TemporaryDirectory() as folder:
        path = _written(Path(folder, "c.otlp.jsonl"), [bodies[at] for at in order])
        before = path.read_bytes().splitlines()
        found = clean(path, _NOW)
        after = path.read_bytes().splitlines()
        dirty = {line for line, at in enumerate(order, 1) if any(turn <= at for turn in leaky)}
        assert {leak.line for leak in found.leaks} == dirty
        kept = [line for number, line in enumerate(before, 1) if number not in dirty]
        assert [line for line in after if line in kept] == kept
        assert KEY not in path.read_text()
        assert validated(path, "").problems == ()
        assert [_asked(path, body) for body in bodies] == ["hit"] * _TURNS
        assert clean(path, _NOW).leaks == ()


def test_a_cassette_without_a_finding_is_not_written(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies())
    before = path.stat()
    found = clean(path, _NOW)
    assert (found.leaks, found.written) == ((), None)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_leak_names_its_line_its_pointer_and_its_kind_and_never_the_secret(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([_TURNS - 1]))
    (leak,) = clean(path, _NOW, dry_run=True).leaks
    assert (leak.line, leak.place, leak.kind) == (_TURNS, f"request/messages/{_TURNS}/content", "token")
    assert leak.excerpt.startswith("turn 7 [REDACTED:token:")
    assert KEY in path.read_text()


def test_another_key_than_the_recorded_one_is_a_drift(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([0])[:1])
    clean(path, _NOW)
    other = "sk-proj-" + hashlib.sha256(b"another").hexdigest()
    assert _asked(path, json.loads(json.dumps(_bodies([0])[0]).replace(KEY, other))) == "drift"


def test_the_answer_loses_what_its_question_told(tmp_path: Path) -> None:
    secret = hashlib.sha256(b"told by its name").hexdigest()[:24]
    body = {"model": "m", "messages": [{"role": "user", "content": f"password: x\nclient_secret={secret}"}]}
    path = _written(tmp_path / "c.otlp.jsonl", [body], answer=json.dumps({"echo": f"you said {secret}"}).encode())
    assert {leak.place.partition("/")[0] for leak in clean(path, _NOW).leaks} >= {"request", "answer1"}
    assert secret not in path.read_text()


def test_the_digest_of_the_bytes_goes_with_a_secret_in_them_and_stays_where_only_the_answer_leaks(
    tmp_path: Path,
) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([1])[:2], answer=b'{"a":"%s"}' % KEY.encode())
    before = [entry.raw_key for entry in open_cassette(path).index.calls]
    clean(path, _NOW)
    after = [entry.raw_key for entry in open_cassette(path).index.calls]
    assert None not in before
    assert after == [before[0], None]


def test_chunks_still_partition_the_body(tmp_path: Path) -> None:
    body = f'data: {{"a":"{KEY}"}}\n\ndata: [DONE]\n\n'.encode()
    sizes = [7, 30, len(body) - 37]
    path = tmp_path / "c.otlp.jsonl"
    chunks = tuple(Chunk(1_000 * at, size) for at, size in enumerate(sizes))
    Writer(path, {}).write(*_call({"model": "m"}, 0, answer=body, chunks=chunks))
    clean(path, _NOW)
    cassette = open_cassette(path)
    (attempt,) = cassette.call(cassette.index.calls[0]).attempts
    assert sum(chunk.size for chunk in attempt.chunks) == len(attempt.body) < len(body)


def test_a_secret_in_the_query_is_removed_and_another_one_is_a_drift(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", [{"model": "m"}], url=f"{_URL}?note={KEY}")
    clean(path, _NOW)
    assert KEY not in path.read_text()
    assert _asked(path, {"model": "m"}, f"{_URL}?note={KEY}") == "hit"
    assert _asked(path, {"model": "m"}, f"{_URL}?note=sk-proj-{hashlib.sha256(b'b').hexdigest()}") == "drift"


def test_names_attributes_events_status_and_resource_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    writer = Writer(path, {"service.name": "s", "app.note": KEY})
    writer.write(*_call({"model": "m"}, 0))
    event = Event("seen", 5, {"note": (KEY, "b")})
    told = {"name": f"n {KEY}", "attributes": {"a": KEY, "b": {"c": KEY}}, "events": (event,)}
    values: dict[str, Any] = {**told, "status": "ERROR", "status_message": f"no {KEY}"}
    writer.write(Span(_TRACE_ID, "00f067aa0ba902b7", start_ns=1, end_ns=2, **values))
    places = [leak.place for leak in clean(path, _NOW).leaks]
    assert places == [
        "resource/app.note",
        "name",
        "attributes/a",
        "attributes/b/c",
        "status",
        "events/0/note/0",
    ]
    assert KEY not in path.read_text()
    assert [span.name[:12] for span in open_cassette(path).spans()] == ["chat m", "n [REDACTED:"]


def test_large_bodies_are_cleaned_and_old_ones_go(tmp_path: Path) -> None:
    large = json.dumps({"text": "word " * 300_000 + KEY}).encode()
    clear = json.dumps({"text": "other " * 300_000}).encode()
    path = tmp_path / "c.otlp.jsonl"
    writer = Writer(path, {})
    writer.write(*_call({"model": "a"}, 0, answer=large))
    writer.write(*_call({"model": "b"}, 1, answer=clear))
    old = sidecars(path)
    copy = tmp_path / "copy.otlp.jsonl"
    clean(path, _NOW, to=copy)
    assert sidecars(path) == old
    clean(path, _NOW)
    assert sidecars(path) == sidecars(copy) != old
    for each in (path, copy):
        assert validated(each, "").problems == ()
        assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob(f"{each.name}*/*"))


def _large(number: int, *, leaky: bool) -> tuple[Span, RecordedCall]:
    said = json.dumps({"text": "word " * 300_000 + (KEY if leaky else "fine")}).encode()
    return _call({"model": f"m{number}"}, number, answer=said)


def _shared(folder: Path) -> tuple[Path, Path]:
    """Return a cassette and a partial that was left, which name the same large body with the key."""
    path = folder / "c.otlp.jsonl"
    for each in (path, partial_path(path)):
        Writer(each, {}).write(*_large(0, leaky=True))
    return path, partial_path(path)


@pytest.mark.parametrize("cleaned", [0, 1])
def test_a_large_body_that_the_partial_or_the_cassette_beside_names_stays_and_is_told(
    tmp_path: Path, cleaned: int
) -> None:
    files = _shared(tmp_path)
    (body,) = sidecars(files[0])
    found = clean(files[cleaned], _NOW)
    assert [each.name for each in found.left] == [body]
    assert [validated(each, "").problems for each in files] == [(), ()]
    assert clean(files[1 - cleaned], _NOW).left == ()
    assert body not in sidecars(files[0])
    assert [validated(each, "").problems for each in files] == [(), ()]


def test_no_large_body_goes_while_a_run_records_beside_the_cassette(tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    Writer(path, {}).write(*_large(0, leaky=True))
    (body,) = sidecars(path)
    recording = Recording(path)
    assert [each.name for each in clean(path, _NOW).left] == [body]
    assert body in sidecars(path)
    recording.leave()


def test_the_cure_of_a_packed_cassette_leaves_no_large_body_with_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    Writer(path, {}).write(*_large(0, leaky=True))
    packed = pack(path)
    steps = [step.split()[0:2] for step in cure(packed).split(" && ")]
    assert steps == [["zstd", "-d"], ["rm", "-f"], ["otel-agenttrace", "redact"], ["otel-agenttrace", "pack"]]
    packed.unlink()
    assert clean(path, _NOW).left == ()
    pack(path)
    assert not any(file.leaks for file in _scan(tmp_path).values())
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*/*"))


def test_a_packed_form_that_names_a_large_body_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    Writer(path, {}).write(*_large(0, leaky=True))
    packed = pack(path)
    assert len(clean(path, _NOW).left) == 1
    assert validated(packed, "").problems == ()


def test_a_cassette_with_a_long_resource_is_ours_is_cleaned_and_may_be_recorded_again(tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    Writer(path, {"a.list": "w " * 5_000}).write(*_large(0, leaky=True))
    assert clean(path, _NOW).written == path
    assert validated(path, "").problems == ()
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*/*"))
    Recording(path).leave()


def test_a_trace_that_only_tells_of_our_format_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "trace.otlp.jsonl"
    path.write_text(json.dumps(_trace("what is agenttrace.format.version?")) + "\n")
    assert not is_ours(path)
    with pytest.raises(CassetteInaccessible, match="a trace that others exported"):
        Recording(path)


def test_a_cassette_whose_own_path_is_the_output_is_cleaned_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.otlp.jsonl"
    Writer(path, {}).write(*_large(0, leaky=True))
    monkeypatch.chdir(tmp_path)
    assert clean(path, _NOW, to=Path("c.otlp.jsonl")).written == path
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*/*"))


def test_an_older_copy_loses_its_large_bodies(tmp_path: Path) -> None:
    path, copy = tmp_path / "c.otlp.jsonl", tmp_path / "copy.otlp.jsonl"
    for each in (path, copy):
        Writer(each, {}).write(*_large(0, leaky=True))
    assert clean(path, _NOW, to=copy).left == ()
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob(f"{copy.name}*/*"))
    assert validated(copy, "").problems == ()


@pytest.mark.parametrize("content", ["print('a program')", json.dumps({"resourceSpans": []})])
def test_only_a_cassette_makes_room_for_the_output(tmp_path: Path, content: str) -> None:
    path, other = _written(tmp_path / "c.otlp.jsonl", _bodies([0])), tmp_path / "agent.py"
    other.write_text(content)
    with pytest.raises(CassetteInaccessible, match="would be replaced"):
        clean(path, _NOW, to=other)
    assert other.read_text() == content
    assert clean(path, _NOW, to=tmp_path / "new.jsonl").written == tmp_path / "new.jsonl"


def test_the_mode_stays_and_a_copy_has_it(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([0]))
    path.chmod(0o640)
    copy = tmp_path / "copy.otlp.jsonl"
    assert clean(path, _NOW, to=copy).written == copy
    assert KEY in path.read_text()
    clean(path, _NOW)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, copy)] == [0o640, 0o640]
    assert path.read_bytes() == copy.read_bytes()


def test_a_torn_last_line_that_leaks_goes(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies()[:2])
    with path.open("a") as file:
        file.write(f'{{"resourceSpans":[{{"resource":{{"a":"{KEY}')
    (leak,) = clean(path, _NOW).leaks
    assert leak.line == 3
    assert KEY not in path.read_text()
    assert len(open_cassette(path, strict=True).index.calls) == 2


def test_a_partial_that_a_run_holds_is_refused(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "c.otlp.jsonl")
    partial = partial_path(tmp_path / "c.otlp.jsonl")
    _written(partial, _bodies([0]))
    with pytest.raises(CassetteInaccessible, match="a run records to it"):
        clean(partial, _NOW)
    recording.leave()
    assert clean(partial, _NOW).written == partial


def test_a_packed_cassette_is_refused_with_the_cure(tmp_path: Path) -> None:
    packed = pack(_written(tmp_path / "c.otlp.jsonl", _bodies([0])))
    with pytest.raises(CassetteError, match=r"zstd -d .* && otel-agenttrace redact"):
        clean(packed, _NOW)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([0]))
    link = tmp_path / "link.otlp.jsonl"
    link.symlink_to(path)
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        clean(link, _NOW)
    assert KEY in path.read_text()


def test_a_folder_stands_for_the_cassettes_below_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    path = _written(inner / "c.otlp.jsonl", _bodies()[:1])
    (inner / "notes.txt").write_text("x")
    assert cleanable_files(tmp_path) == (path,)
    path.unlink()
    (inner / "link.otlp.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CassetteError, match=r"There is no cassette in [^*]*\.otlp\.jsonl"):
        cleanable_files(tmp_path)


def test_a_link_in_a_folder_is_left_out(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies()[:1])
    (tmp_path / "link.otlp.jsonl").symlink_to(path)
    assert cleanable_files(tmp_path) == (path,)


def test_a_file_that_cannot_be_cleaned_keeps_no_other_from_it(tmp_path: Path) -> None:
    for name in ("a", "c"):
        _written(tmp_path / f"{name}.otlp.jsonl", _bodies([0])[:1])
    (tmp_path / "b.otlp.jsonl").write_text("damaged\n")
    found = [cleaned(path, _NOW) for path in cleanable_files(tmp_path)]
    assert [(bool(file.problem), file.written is not None) for file in found] == [
        (False, True),
        (True, False),
        (False, True),
    ]


def _unreadable(folder: Path) -> Path:
    """Return a folder whose path is too long for the system: nobody may read it, not even root."""
    before = Path.cwd()
    path = folder
    try:
        os.chdir(folder)
        while len(str(path)) < 4_200:
            path /= "d" * 200
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.chdir(before)
    return path


def test_a_folder_that_cannot_be_read_is_a_problem_of_scan_and_of_redact(tmp_path: Path) -> None:
    _unreadable(tmp_path)
    (told,) = scanned(files_below(tmp_path), _NOW)
    assert "File name too long" in told.problem
    (path,) = cleanable_files(tmp_path)
    assert "File name too long" in cleaned(path, _NOW).problem


# --- traces of others ---------------------------------------------------------------------------------------------------


def _trace(value: str, key: str = "app.note") -> dict[str, Any]:
    span = {
        "traceId": _TRACE_ID,
        "spanId": "00f067aa0ba902b7",
        "name": "chat",
        "attributes": [{"key": key, "value": {"stringValue": value}}, {"key": "n", "value": {"intValue": "3"}}],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def test_lines_of_a_foreign_trace_without_a_finding_stay_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    lines = [json.dumps(_trace("fine")), json.dumps(_trace(f"see {KEY}")), json.dumps(_trace("fine"), indent=None)]
    path.write_text("\n".join(lines) + "\n")
    (leak,) = clean(path, _NOW).leaks
    after = path.read_text().splitlines()
    assert (after[0], after[2]) == (lines[0], lines[2])
    assert leak.line == 2
    assert leak.place == "/resourceSpans/0/scopeSpans/0/spans/0/attributes/0/value/stringValue"
    value = json.loads(after[1])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"][0]["value"]
    assert value["stringValue"].startswith("see [REDACTED:token:")


def test_the_name_of_an_attribute_tells_of_its_value(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    secret = hashlib.sha256(b"by name").hexdigest()[:20]
    path.write_text(json.dumps(_trace(secret, "db.password"), indent=2))
    assert [leak.kind for leak in clean(path, _NOW).leaks] == ["password"]
    assert secret not in path.read_text()
    assert path.read_text().startswith('{\n  "resourceSpans"')
    assert clean(path, _NOW).leaks == ()


@pytest.mark.parametrize("indent", [None, 2])
def test_what_has_no_secret_in_it_is_written_as_it_was(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "trace.json"
    separators = (",", ":") if indent is None else None
    odd: dict[str, Any] = {
        "number": "N",
        "none": None,
        "yes": True,
        "empty": [{}, [], ""],
        "text": 'é "\\\n',
        "pair": {"key": "k", "value": 3},
        "half": "H",
    }
    numbers = "[1e400,0.1000,-0,12345678901234567890123,NaN,-Infinity]"
    whole = json.dumps({**_trace(KEY), "odd": odd}, indent=indent, separators=separators, ensure_ascii=False)
    whole = whole.replace(
        '"N"',
        numbers.replace(",", ",\n      ").replace("[", "[\n      ").replace("]", "\n    ]") if indent else numbers,
    )
    whole = whole.replace('"H"', '"\\ud800"') + "\n"
    path.write_text(whole, encoding="utf-8")
    (leak,) = clean(path, _NOW).leaks
    assert path.read_text(encoding="utf-8").replace(leak.excerpt, KEY) == whole


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(CassetteInaccessible, match=r"neither a cassette nor OTLP/JSON[^v]*doctor --scan"):
        clean(path, _NOW)


def test_what_is_nested_too_deep_is_looked_at_as_text_and_not_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    deep = 900
    path.write_text('{"resourceSpans":' + "[" * deep + f'"{KEY}"' + "]" * deep + "}")
    with pytest.raises(CassetteCorrupt, match="nested too deep"):
        clean(path, _NOW)
    assert [leak.kind for leak in _scan(tmp_path)["trace.json"].leaks] == ["token"]


# --- looking for leaks --------------------------------------------------------------------------------------------------


def _scan(folder: Path, rules: Redactor = _NOW) -> dict[str, ScannedFile]:
    return {str(file.path.relative_to(folder)): file for file in scanned(files_below(folder), rules)}


def test_leaks_are_found_in_every_kind_of_file(tmp_path: Path) -> None:
    bodies = _bodies([0])[:1]
    _written(tmp_path / "c.otlp.jsonl", bodies)
    _written(partial_path(tmp_path / "d.otlp.jsonl"), bodies)
    pack(_written(tmp_path / "e.otlp.jsonl", bodies))
    _written(tmp_path / "f.otlp.jsonl", [{"model": "m"}], answer=json.dumps({"t": "w " * 600_000 + KEY}).encode())
    _written(tmp_path / "fine.otlp.jsonl", _bodies()[:1])
    (tmp_path / "vcr.yaml").write_text(
        f"interactions:\n- request:\n    headers:\n      authorization:\n      - Bearer {KEY}\n"
    )
    (tmp_path / ".env").write_text(f"A=1\nOPENAI_API_KEY={KEY}\n")
    (tmp_path / "run.log").write_text(f"\x1b[31mred {KEY}\n")
    (tmp_path / "trace.json").write_text(json.dumps(_trace(KEY)))
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0" + KEY.encode())
    found = _scan(tmp_path)
    assert {name: [leak.line for leak in file.leaks] for name, file in found.items() if file.leaks} == {
        "c.otlp.jsonl": [1],
        "d.otlp.jsonl.partial": [1],
        "e.otlp.jsonl": [1],
        "e.otlp.jsonl.zst": [1],
        "f.otlp.jsonl": [1],
        "vcr.yaml": [5],
        ".env": [2],
        "run.log": [1],
        "trace.json": [1],
    }
    assert [name for name, file in found.items() if file.is_binary] == ["image.png"]
    assert not any(KEY[-12:] in leak.excerpt for file in found.values() for leak in file.leaks)
    assert found["c.otlp.jsonl"].cure.startswith("otel-agenttrace redact ")


def test_what_was_cleaned_has_no_leak(tmp_path: Path) -> None:
    path = _written(tmp_path / "c.otlp.jsonl", _bodies([0, 3]), answer=b'{"a":"%s"}' % KEY.encode())
    clean(path, _NOW)
    assert _scan(tmp_path)["c.otlp.jsonl"].leaks == ()


def test_personal_data_is_a_leak_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("write to jane" + "@" + "corp.example\n")
    assert _scan(tmp_path)["a.txt"].leaks == ()
    assert [leak.kind for leak in _scan(tmp_path, redactor({}, RedactionRules(("email",))))["a.txt"].leaks] == ["email"]


@pytest.mark.parametrize("at", [0, 3990, 4000, 4096, 8192, 9000])
def test_a_large_text_is_read_in_blocks_and_nothing_is_lost_between_them(at: int) -> None:
    text = ("." * 79 + "\n") * (at // 80) + f" {KEY} \n" + "more\n" * 2_000
    found = list(leaks_of_texts(io.BytesIO(text.encode()), _NOW, block=4096))
    assert [leak.line for leak in found] == [at // 80 + 1]


@pytest.mark.parametrize("at", [0, 4050, 8150, 20_000])
def test_one_long_line_is_read_in_blocks_and_a_secret_over_a_border_is_told_once(at: int) -> None:
    text = "." * at + f" {KEY} " + "." * 30_000
    found = list(leaks_of_texts(io.BytesIO(text.encode()), _NOW, block=4096))
    assert [(leak.line, leak.kind) for leak in found] == [(1, "token")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_text_in_two_or_four_bytes_with_its_mark_is_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.log").write_bytes(f"\ufeffone\r\nkey \u4e0a\u0a0a {KEY}\r\n".encode(encoding))
    file = _scan(tmp_path)["a.log"]
    assert [(leak.line, leak.kind) for leak in file.leaks] == [(2, "token")]
    assert not file.is_binary


def test_what_is_packed_and_no_cassette_is_looked_at_as_what_it_is(tmp_path: Path) -> None:
    for name, content in {
        "a.txt": KEY.encode(),
        "b.tar": b"\0\0" + KEY.encode(),
        "t.json": json.dumps(_trace(KEY)).encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
        pack(tmp_path / name)
        (tmp_path / name).unlink()
    (tmp_path / "d.zst").write_bytes(b"none")
    (tmp_path / "e.otlp.jsonl.zst").write_bytes(b"none")
    found = _scan(tmp_path)
    assert {name: len(file.leaks) for name, file in found.items() if file.leaks} == {"a.txt.zst": 1, "t.json.zst": 1}
    assert [name for name, file in found.items() if file.is_binary] == ["b.tar.zst", "d.zst"]
    assert [name for name, file in found.items() if file.problem] == ["e.otlp.jsonl.zst"]


def test_what_was_not_looked_at_is_not_counted_as_looked_at(tmp_path: Path) -> None:
    files = (
        ScannedFile(tmp_path / "a"),
        ScannedFile(tmp_path / "b", problem="no"),
        ScannedFile(tmp_path / "c", is_binary=True),
    )
    assert scanned_json(files)["looked_at"] == 1
    assert (
        list(scanned_lines(files))[-1]
        == "no secret found · 1 file looked at · 1 not looked at · 1 file left out: no text"
    )


def test_links_pipes_and_git_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(KEY)
    folder = tmp_path / "folder"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text(KEY)
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    assert files_below(folder) == ()


def test_a_note_that_is_written_while_the_notes_are_cleaned_is_kept(tmp_path: Path) -> None:
    """The first look finds the secret, and somebody annotates before the clean file takes its place."""
    path = tmp_path / "run.otlp.jsonl"
    first, second = (Remark("a" * 32, "b" * 16, "chat", "#1", "note", told) for told in (f"uses {KEY}", "asks twice"))
    add_remarks(path, (first,))
    late = iter(((second,),))

    def looked(text: str) -> list[Finding]:
        add_remarks(path, next(late, ()))
        return list(secrets_in(text))

    cleaned_file = clean(notes_path(path), Redactor((looked,)))
    told = notes_path(path).read_text(encoding="utf-8")
    assert len(cleaned_file.leaks) == 1
    assert KEY not in told
    assert "asks twice" in told
