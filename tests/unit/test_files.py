"""Files of ours are their owner's alone, go through no link, and what stands in a cassette is never a path or a program."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.rewriting import Change, rewrite
from otel_agenttrace.cassette.sidecars import sidecar_folder
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.config import RecordMode
from otel_agenttrace.errors import CassetteCorrupt, CassetteInaccessible
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.ingest.importing import ingest
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.redact import redactor
from otel_agenttrace.runs import Run, SharedClaims, SharedSwitch

_ROOT: Final = Path(__file__).parents[2]
_LARGE: Final = b"y" * ((1 << 20) + 1)
_VCR: Final = b"""interactions:
- request: {method: POST, uri: 'https://api.test/v1/up', body: ''}
  response: {status: {code: 200}, headers: {}, body: {string: %s}}
""" % (b"x" * ((1 << 20) + 1))


def _call(number: int = 0, answer: bytes = _LARGE) -> tuple[Span, RecordedCall]:
    asked = requested("POST", "https://api.test/v1/up", "application/json", b'{"n":%d}' % number, redactor({}))
    exchange = Exchange(asked.request, 5, 900, "complete", 200, body=answer)
    span = Span("0af7651916cd43dd8448eb211c80319c", f"{number + 1:016x}", "POST", 1 + number, 1_000)
    return span, RecordedCall(Call(asked.key, (exchange,), "", number), asked)


def _record(path: Path, answer: bytes = _LARGE) -> None:
    recording = Recording(path)
    Writer(recording.partial, {}).write(*_call(answer=answer))
    recording.finish()


def _append(path: Path) -> None:
    Writer(path, {}).write(*_call(9))


def _rewrite(path: Path) -> None:
    rewrite(path, [], [path.read_bytes().splitlines(keepends=True)[0]])


def _ingest(path: Path) -> None:
    source = path.parent / "source" / (path.name.removesuffix(".otlp.jsonl") + ".yaml")
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(_VCR)
    (file,) = ingest(format_of("vcr"), source, path.parent, redactor({}), force=True)
    assert file.cassette == path


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# --- modes --------------------------------------------------------------------------------------------------------------


@contextmanager
def _umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
@pytest.mark.parametrize("made", [_record, _append, _ingest])
def test_a_cassette_and_its_bodies_are_their_owners_alone_whatever_the_umask(
    made: Callable[[Path], None], umask: int, tmp_path: Path
) -> None:
    path = tmp_path / "c.otlp.jsonl"
    (tmp_path / "source").mkdir()
    with _umask(umask):
        made(path)
    (body,) = sidecar_folder(path).iterdir()
    assert [oct(_mode(each)) for each in (path, body, sidecar_folder(path))] == ["0o600", "0o600", "0o700"]


def test_what_grows_is_its_owners_alone_too(tmp_path: Path) -> None:
    with _umask(0):
        recording = Recording(tmp_path / "c")
    assert oct(_mode(recording.partial)) == "0o600"
    recording.leave()


def test_what_the_processes_of_a_run_share_is_their_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = Run("ab" * 8, "none", "c", "c", "c", os.getpid(), ReplayPlan())
    with _umask(0):
        run.tell({"kind": "hit"})
        SharedSwitch(run.shared_file("live")).turn_on()
        claims = SharedClaims(run.shared_file("claims"))
        claims.take("0" * 16)
    claims.close()
    assert {path.suffix: oct(_mode(path)) for path in tmp_path.iterdir()} == dict.fromkeys(
        (".facts", ".live", ".claims"), "0o600"
    )


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
@pytest.mark.parametrize("writes", [_record, _append, _rewrite, _ingest])
def test_a_cassette_that_is_there_keeps_its_mode(writes: Callable[[Path], None], mode: int, tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    _record(path)
    path.chmod(mode)
    before = path.read_bytes()
    writes(path)
    assert oct(_mode(path)) == oct(mode)
    assert path.read_bytes() != before or writes is _record


def test_folders_above_are_made_as_the_umask_says(tmp_path: Path) -> None:
    with _umask(0o027):
        _record(tmp_path / "a" / "b" / "c")
    assert [oct(_mode(folder)) for folder in (tmp_path / "a", tmp_path / "a" / "b")] == ["0o750", "0o750"]


# --- links --------------------------------------------------------------------------------------------------------------


def _session(mode: RecordMode) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        with at.session(path, mode, quiet=True), at.span("work"):
            pass

    return run


_WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    "record": _record,
    "append": _append,
    "rewrite": _rewrite,
    "ingest": _ingest,
    "mode all": _session("all"),
    "mode new": _session("new"),
}


@pytest.mark.parametrize("writer", _WRITERS)
def test_a_cassette_that_is_a_link_is_not_written_to(writer: str, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real"
    _record(real)
    path = tmp_path / "c.otlp.jsonl"
    path.symlink_to(real)
    before = real.read_bytes()
    with pytest.raises(CassetteInaccessible, match=r"symbolic link.*\n  to fix   remove the link, or") as raised:
        _WRITERS[writer](path)
    assert raised.value.path == path
    assert (real.read_bytes(), path.is_symlink()) == (before, True)


@pytest.mark.parametrize("writer", ["record", "ingest", "mode all"])
def test_a_link_that_leads_nowhere_makes_nothing_there(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    path.symlink_to(tmp_path / "made")
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        _WRITERS[writer](path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("writer", ["record", "ingest", "mode all"])
def test_a_partial_that_is_a_link_is_not_written_to(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    (tmp_path / "mine").write_text("mine")
    partial_path(path).symlink_to(tmp_path / "mine")
    with pytest.raises(CassetteInaccessible, match="symbolic link") as raised:
        _WRITERS[writer](path)
    assert raised.value.path == partial_path(path)
    assert ((tmp_path / "mine").read_text(), partial_path(path).is_symlink()) == ("mine", True)


@pytest.mark.parametrize("writer", ["record", "append", "ingest"])
def test_a_folder_of_bodies_that_is_a_link_is_not_written_to(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "c.otlp.jsonl"
    (tmp_path / "mine").mkdir()
    sidecar_folder(path).symlink_to(tmp_path / "mine")
    with pytest.raises(CassetteInaccessible, match="symbolic link") as raised:
        _WRITERS[writer](path)
    assert raised.value.path == sidecar_folder(path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_body_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    body = sidecar_folder(tmp_path / "c") / hashlib.sha256(_LARGE).hexdigest()
    body.parent.mkdir()
    body.symlink_to(tmp_path / "mine")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CassetteInaccessible, match="symbolic link") as raised:
        _append(tmp_path / "c")
    assert raised.value.path == body
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_packed_form_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    _record(tmp_path / "c")
    (tmp_path / "c.zst").symlink_to(tmp_path / "made")
    with pytest.raises(CassetteInaccessible, match="symbolic link"):
        pack(tmp_path / "c")
    assert not (tmp_path / "made").exists()


def test_a_run_goes_on_when_a_link_takes_the_place_of_its_bodies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c"
    with at.record(path, quiet=True) as session:
        sidecar_folder(path).symlink_to(tmp_path)
        session.recorder.write(*_call(1))
        session.recorder.write(*_call(2, b"small"))
    (warning,) = caplog.messages
    assert "symbolic link" in warning
    assert session.losses.calls == 1
    assert len(open_cassette(path).index.calls) == 1


def test_a_body_half_written_by_another_program_is_written_anew(tmp_path: Path) -> None:
    body = sidecar_folder(tmp_path / "c") / hashlib.sha256(_LARGE).hexdigest()
    body.parent.mkdir()
    body.write_bytes(_LARGE[:10])
    _append(tmp_path / "c")
    assert body.read_bytes() == _LARGE


@pytest.mark.parametrize("writer", ["record", "append", "ingest", "mode all", "mode new"])
def test_folders_above_may_be_links(writer: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    _WRITERS[writer](tmp_path / "home" / "c.otlp.jsonl")
    assert (tmp_path / "real" / "c.otlp.jsonl").is_file()


def test_a_cassette_may_be_read_through_a_link(tmp_path: Path) -> None:
    _record(tmp_path / "real" / "c", b"{}")
    (tmp_path / "c").symlink_to(tmp_path / "real" / "c")
    assert len(at.load(tmp_path / "c").spans) == 1


# --- what stands in a cassette is no path -------------------------------------------------------------------------------

_DIGEST: Final = hashlib.sha256(_LARGE).hexdigest()


def _naming(path: Path, name: str) -> Path:
    """Write a cassette whose call names its body like that."""
    _record(path)
    named = json.dumps({"stringValue": name}).encode()
    content = path.read_bytes()
    before = b'{"stringValue":"%s"}' % _DIGEST.encode()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, named))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "../secret",
        "secret\x00",
        "",
        ".",
        "..",
        "~/secret",
        "file:///etc/passwd",
        _DIGEST.upper(),
        _DIGEST + "\n",
        _DIGEST + "/../secret",
        _DIGEST[:-1] + "\u0661",
        "a" * 100_000,
    ],
)
def test_no_name_in_a_cassette_is_a_path(name: str, tmp_path: Path) -> None:
    path = _naming(tmp_path / "c", name)
    (tmp_path / "secret").write_bytes(_LARGE)
    cassette = open_cassette(path)
    (entry,) = cassette.index.calls
    if not name:
        assert cassette.call(entry).attempts[0].body == b""
        return
    with pytest.raises(CassetteCorrupt, match="is no digest") as raised:
        cassette.call(entry)
    assert (raised.value.path, raised.value.line) == (path, 1)
    assert len(validated(path, "c").problems) == 1


def _link(body: Path) -> None:
    body.with_name("real").write_bytes(_LARGE)
    body.symlink_to("real")


def _linked_folder(body: Path) -> None:
    body.write_bytes(_LARGE)
    body.parent.rename(body.parent.with_name("real"))
    body.parent.symlink_to("real")


_STAND_INS: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "link": (_link, "is a symbolic link"),
    "folder behind a link": (_linked_folder, "is a symbolic link"),
    "pipe": (os.mkfifo, "is no regular file"),
    "folder": (Path.mkdir, "Is a directory|is no regular file"),
    "device": (lambda body: body.symlink_to("/dev/zero"), "is a symbolic link"),
    "other content": (lambda body: body.write_bytes(b"n" * len(_LARGE)), "another content than its name says"),
    "nothing": (lambda _: None, "No such file"),
}


@pytest.mark.parametrize("kind", _STAND_INS)
def test_a_body_is_read_only_from_a_regular_file_with_that_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    _record(path)
    (body,) = sidecar_folder(path).iterdir()
    body.unlink()
    made, reason = _STAND_INS[kind]
    made(body)
    cassette = open_cassette(path)
    with pytest.raises(CassetteCorrupt, match=reason):  # and a pipe holds nobody up
        cassette.call(cassette.index.calls[0])


def test_removing_a_call_removes_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    path = _naming(tmp_path / "c", "../secret")
    (tmp_path / "secret").write_bytes(b"mine")
    rewrite(path, [Change(open_cassette(path).index.calls[0])])
    assert (tmp_path / "secret").read_bytes() == b"mine"


# --- nor a program ------------------------------------------------------------------------------------------------------

_BUILDERS: Final = frozenset(
    {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "jsonpickle", "marshal", "shelve", "dbm", "code"}
)
_RUNNERS: Final = frozenset({"eval", "exec", "compile", "__import__", "execfile"})
_OF_TABLES: Final = frozenset(
    {
        "otel_agenttrace/__init__.py",  # the public names, from a table
        "otel_agenttrace/cassette/pack.py",  # the zstd library of this Python
        "otel_agenttrace/cli/__init__.py",  # the commands
        "otel_agenttrace/datasets/formats.py",  # the formats of data sets
        "otel_agenttrace/rag_metrics.py",  # the packages of the extra `rag`
        "otel_agenttrace/ingest/encodings.py",  # decoders
        "instrumentation/otel_agenttrace_instrumentation/named.py",  # what the project itself names
        "instrumentation/otel_agenttrace_instrumentation/checkup.py",  # what `doctor` looks for
        "otel_agenttrace/ingest/formats.py",  # the formats
    }
)
"""Modules that import by a name which is no literal: each takes it from a table of its own."""


def _sources() -> list[Path]:
    rooms = ("otel_agenttrace", "instrumentation", "exporters", "semconv")
    found = [path for room in rooms for path in (_ROOT / room).rglob("*.py")]
    assert len(found) > 100
    return found


def _dangers(path: Path) -> Iterator[str]:
    """Yield each place of a module that could make content run."""
    name = path.relative_to(_ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_bytes())):
        imported = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        yield from (f"{name}: import {module}" for module in imported if module.partition(".")[0] in _BUILDERS)
        if isinstance(node, ast.Call):
            yield from (f"{name}:{node.lineno}: {told}" for told in _call_dangers(node, name))


def _call_dangers(node: ast.Call, name: str) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called in _RUNNERS or called.startswith("builtins."):
        yield called
    if called.endswith("import_module") and not isinstance(node.args[0], ast.Constant) and name not in _OF_TABLES:
        yield called
    if called.startswith("yaml.") and called.rpartition(".")[2] in ("load_all", "unsafe_load", "full_load"):
        yield called
    if called == "yaml.load" and ast.unparse(node.args[1]) != "_strict_loader(yaml) if unique_keys else _loader(yaml)":
        yield called
    if any(keyword.arg == "shell" for keyword in node.keywords) or called in ("os.system", "os.popen"):
        yield called


def test_nothing_of_ours_makes_a_program_of_content() -> None:
    assert [danger for path in _sources() for danger in _dangers(path)] == []


@pytest.mark.parametrize(
    "written",
    [
        "import pickle",
        "from marshal import loads",
        "eval(x)",
        "yaml.load(x, yaml.Loader)",
        "yaml.unsafe_load(x)",
        "importlib.import_module(name)",
        "subprocess.run(x, shell=True)",
        "os.system(x)",
    ],
)
def test_the_search_for_such_places_finds_them(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}._ROOT", tmp_path)
    (tmp_path / "m.py").write_text(written)
    assert len(list(_dangers(tmp_path / "m.py"))) == 1
