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
from otel_agenttrace.ingest.formats import Format
from otel_agenttrace.ingest.interactions import Ingested, LeftOut, NotReadable
from otel_agenttrace.redact import Redactor

__all__ = ["SUFFIX", "IngestedFile", "files_of", "ingest"]

SUFFIX: Final = ".otlp.jsonl"


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one foreign file. Without `cassette` nothing of it was written; `kept` is one that was there before."""

    path: Path
    cassette: Path | None
    calls: int
    left_out: tuple[LeftOut, ...]
    kept: Path | None = None


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
    """Write a cassette for each file, under its path in the source, and yield what became of it.

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
    targets = _targets(paths, source, folder, found.suffixes)
    for path, target in zip(paths, targets, strict=True):
        yield _ingested_file(found, path, target, redactor, force=force)


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


def _ingested_file(found: Format, path: Path, target: Path, redactor: Redactor, *, force: bool) -> IngestedFile:
    if target.exists() and not force:
        reason = f"{target} is there already; --force replaces it"
        return IngestedFile(path, None, 0, (LeftOut(None, reason),), kept=target)
    try:
        read = list(found.read(whole_file(path), redactor))
    except (NotReadable, FileTooLarge) as error:
        return IngestedFile(path, None, 0, (LeftOut(None, str(error)),))
    except OSError as error:
        return IngestedFile(path, None, 0, (LeftOut(None, f"cannot be read: {error.strerror}"),))
    calls = [each for each in read if isinstance(each, Ingested)]
    left_out = tuple(each for each in read if isinstance(each, LeftOut))
    if not calls:
        return IngestedFile(path, None, 0, left_out or (LeftOut(None, "it holds no interactions"),))
    _write(calls, target, redactor.rules_version)
    return IngestedFile(path, target, len(calls), left_out)


def _write(calls: Sequence[Ingested], target: Path, rules_version: int) -> None:
    """Write a whole cassette, in a partial that gets its name at the end."""
    partial = partial_path(target)
    refuse_link(target)
    refuse_link(partial)
    older_bodies = sidecars(target)
    try:
        partial.unlink(missing_ok=True)
        resource = {
            semconv.AGENTTRACE_RUN_ID: calls[0].span.trace_id,
            semconv.AGENTTRACE_RULES_VERSION: rules_version,
        }
        writer = Writer(partial, resource)
        for each in calls:
            writer.write(each.span, each.recorded)
        take_place(partial, target)
        remove_unused(target, older_bodies)
    except OSError as error:
        raise CassetteInaccessible(target, "written", f"{error.strerror}") from error
