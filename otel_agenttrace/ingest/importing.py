"""Write the cassettes of foreign files. A file or a folder in, cassettes in the same tree out, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.held import FileTooLarge, whole_file
from otel_agenttrace.cassette.private import refuse_link, take_place
from otel_agenttrace.cassette.sidecars import remove_unused, sidecars
from otel_agenttrace.cassette.writer import Writer, partial_path
from otel_agenttrace.errors import CassetteInaccessible, IngestError
from otel_agenttrace.ingest.encodings import GZIP, gunzipped
from otel_agenttrace.ingest.formats import Format
from otel_agenttrace.ingest.interactions import Ingested, LeftOut, NotReadable
from otel_agenttrace.jsonvalue import canonical
from otel_agenttrace.redact import Redactor

__all__ = ["SUFFIX", "IngestedFile", "content_of", "files_of", "ingest"]

SUFFIX: Final = ".otlp.jsonl"


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one run of a foreign file: of the whole file, where it does not tell several.

    Attributes:
        path: The foreign file.
        cassette: What was written; None if nothing of it was.
        calls: How many recorded calls it has.
        left_out: What could not be converted.
        kept: The cassette that was there before.
        spans: How many spans it has, those of calls among them.
    """

    path: Path
    cassette: Path | None
    calls: int
    left_out: tuple[LeftOut, ...]
    kept: Path | None = None
    spans: int = 0


def files_of(source: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Return the file itself, or the files of these suffixes in and below a folder, sorted.

    Raises:
        IngestError: If there is no such file or folder, or no such file in it.
    """
    if source.is_file():
        return (source,)
    if not source.exists():
        raise IngestError(source, None, "there is no such file or folder")
    found = [path for path in source.rglob("*") if path.name.lower().endswith(tuple(suffixes)) and path.is_file()]
    if not found:
        raise IngestError(source, None, f"no file here ends in {', '.join(suffixes)}")
    return tuple(sorted(found))


def ingest(
    found: Format, source: Path, folder: Path, redactor: Redactor, *, force: bool = False
) -> Iterator[IngestedFile]:
    """Write a cassette for each run of each file, under its path in the source, and yield what became of it.

    Args:
        found: The format of the files.
        source: A file, or a folder that is searched with all below it.
        folder: Where the cassettes go.
        redactor: Looks at everything that is stored.
        force: Replace cassettes that are there.

    Raises:
        IngestError: If there is nothing to read.
        CassetteError: If a cassette cannot be written.
    """
    paths = files_of(source, found.suffixes)
    beside = {each for path in paths for each in found.beside(path)}
    paths = tuple(path for path in paths if path not in beside)
    targets = _targets(paths, source, folder, found.suffixes)
    for path, target in zip(paths, targets, strict=True):
        yield from _ingested_file(found, path, target, redactor, force=force)


def _targets(paths: Sequence[Path], source: Path, folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return where each file goes: without its suffix, unless two would go to the same place."""
    inner = [path.relative_to(source) if path != source else Path(path.name) for path in paths]
    short = [path.with_name(_without(path.name, suffixes) + SUFFIX) for path in inner]
    counts = Counter(short)
    return [
        folder / (name if counts[name] == 1 else path.with_name(path.name + SUFFIX))
        for path, name in zip(inner, short, strict=True)
    ]


def _without(name: str, suffixes: Sequence[str]) -> str:
    found = [suffix for suffix in suffixes if name.lower().endswith(suffix) and len(name) > len(suffix)]
    return name[: -len(max(found, key=len))] if found else name


def _ingested_file(
    found: Format, path: Path, target: Path, redactor: Redactor, *, force: bool
) -> Iterator[IngestedFile]:
    if target.exists() and not force:
        yield _kept(path, target)
        return
    try:
        read = list(found.read(content_of(found, path), redactor))
    except (NotReadable, FileTooLarge) as error:
        yield IngestedFile(path, None, 0, (LeftOut(None, str(error)),))
        return
    except OSError as error:
        yield IngestedFile(path, None, 0, (LeftOut(None, f"cannot be read: {error.strerror}"),))
        return
    runs: dict[str, list[Ingested]] = {}
    for each in read:
        if isinstance(each, Ingested):
            runs.setdefault(each.run, []).append(each)
    left_out = tuple(each for each in read if isinstance(each, LeftOut))
    if not runs:
        yield IngestedFile(path, None, 0, left_out or (LeftOut(None, "it tells nothing"),))
    for name, spans in runs.items():
        yield _written(path, _place(target, name), spans, left_out, redactor, force=force)
        left_out = ()


def content_of(found: Format, path: Path) -> bytes:
    """Return what a file holds, and after it the files beside it that tell of the same run.

    Raises:
        FileTooLarge: If one of them is too large to be read as a whole.
        NotReadable: If one is packed and torn.
        OSError: If one of them cannot be read.
    """
    first, *others = map(whole_file, (path, *found.beside(path)))
    return b"\n".join(map(_unzipped, (first, *others))) if others else first


def _unzipped(content: bytes) -> bytes:
    return gunzipped(content) if content.startswith(GZIP) else content


def _kept(path: Path, target: Path) -> IngestedFile:
    reason = f"{target} is there already; --force replaces it"
    return IngestedFile(path, None, 0, (LeftOut(None, reason),), kept=target)


def _place(target: Path, run: str) -> Path:
    """Return where a run goes: those of a file that tells several have a folder with its name."""
    return target.with_name(target.name.removesuffix(SUFFIX)) / f"{run}{SUFFIX}" if run else target


def _written(
    path: Path,
    target: Path,
    spans: Sequence[Ingested],
    left_out: tuple[LeftOut, ...],
    redactor: Redactor,
    *,
    force: bool,
) -> IngestedFile:
    if target.exists() and not force:
        return _kept(path, target)
    _write(spans, target, redactor.rules_version)
    calls = sum(each.recorded is not None for each in spans)
    return IngestedFile(path, target, calls, left_out, spans=len(spans))


def _write(spans: Sequence[Ingested], target: Path, rules_version: int) -> None:
    """Write a whole cassette, in a partial that gets its name at the end."""
    partial = partial_path(target)
    refuse_link(target)
    refuse_link(partial)
    older_bodies = sidecars(target)
    own = {
        semconv.AGENTTRACE_RUN_ID: spans[0].span.trace_id,
        semconv.AGENTTRACE_RULES_VERSION: rules_version,
    }
    writers: dict[str, Writer] = {}
    try:
        partial.unlink(missing_ok=True)
        for each in spans:
            resource = canonical(each.span.resource)
            if resource not in writers:
                writers[resource] = Writer(partial, {**each.span.resource, **own})
            writers[resource].write(each.span, each.recorded)
        take_place(partial, target)
        remove_unused(target, older_bodies)
    except OSError as error:
        raise CassetteInaccessible(target, "written", f"{error.strerror}") from error
