"""Find the files a user means. Names and folders in, paths out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.forms import form_of, is_export
from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.places import ENDINGS, NO_PLACE, UNNAMED, files_in, newest_cassette, runs_below
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.errors import CassetteError, CassetteNotFound, RunAmbiguous
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.library.loading import RUN
from otel_agenttrace.model import Span

__all__ = ["LATEST", "files_below", "run_named", "stem_of", "traces_at"]

LATEST: Final = "latest"
"""The name of the recording that was written last."""
_ID: Final = re.compile(r"[0-9a-f]{4,32}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._-]+")
"""A name that stands in a file as it is, whoever wrote the JSON."""
_NAMES: Final = (semconv.GEN_AI_AGENT_NAME, semconv.GEN_AI_WORKFLOW_NAME)
_NEAR: Final = 0.75
"""From which likeness on, of 1, a name may be a slip for another."""


def traces_at(path: Path, *, as_runs: bool = False) -> tuple[Path, ...]:
    """Return the file itself, or the cassettes in and below a folder, packed ones too, and folders there that cannot be read.

    Args:
        path: A file or a folder.
        as_runs: Whether it is the runs that are wanted, each once: not the packed form of a cassette that is there, too; and
            in a folder that has no cassette the spans that others exported, and the logs of other tools.

    Raises:
        CassetteError: If there is nothing in the folder.
    """
    if not path.is_dir():
        return (path,)
    files, unread = files_below(path)
    found = sorted((*(each for each in files if each.name.endswith(ENDINGS)), *unread))
    if as_runs:
        found = list(_once(found)) or _of_others(files)
    if not found:
        raise CassetteError(
            f"There is no cassette in {path}.\n  to fix   name a trace, or a folder with files whose names end in {' or '.join(ENDINGS)}; "
            "otel-agenttrace ingest makes them of what other tools wrote"
        )
    return tuple(found)


_LOGS: Final = (".json", ".jsonl", ".ndjson", ".traj", ".yaml", ".yml")
_EXPORT: Final = ""


def _of_others(files: Iterable[Path]) -> list[Path]:
    """Return what others wrote, known by its content; logs that are read with another one are left out."""
    forms = {file: form for file in sorted(files) if file.name.endswith(_LOGS) and (form := _form(file)) is not None}
    beside = {each for file, form in forms.items() if form != _EXPORT for each in format_of(form).beside(file)}
    return [file for file in forms if file not in beside]


def _form(file: Path) -> str | None:
    """Return the format of a log, `_EXPORT` for exported spans, None for any other file."""
    try:
        return form_of(file) or (_EXPORT if is_export(file) else None)
    except OSError:
        return None


def files_below(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the regular files in and below a folder, and the folders there that cannot be read.

    No link is followed, and no hidden folder is looked into but that of unnamed recordings.
    """
    return files_in(folder, _is_left_out)


def _is_left_out(name: str) -> bool:
    return (name.startswith(".") and name != UNNAMED) or name in NO_PLACE


# --- one run by its name ----------------------------------------------------------------------------------------------


def run_named(name: str, folder: Path) -> Path:
    """Return the file that a user means by a name: a path that is there, `latest`, or a recording in or below a folder; each with `#RUN` for one run in it.

    A recording is found by the name of its file, with or without its ending; else by the beginning of its run id or of a
    trace id, 4 hex digits or more; else by the name of the agent that stands above all in it. A name that nothing is
    called is a path: whoever opens it tells what is wrong with it.

    Raises:
        RunAmbiguous: If several recordings are called so.
        CassetteNotFound: If none is, but one has a name that is nearly the same; or there is none for `latest`.
    """
    path = Path(name)
    file, mark, run = name.rpartition(RUN)
    if mark and file and not path.exists():
        return Path(f"{run_named(file, folder)}{RUN}{run}")
    if name == "-" or path.name != name or path.exists() or path.is_symlink():
        return path
    if name == LATEST:
        return newest_cassette(folder)
    there = tuple(_once(runs_below(folder)))
    for found in (_by_file(name, there), _by_id(name, there), _by_agent(name, there)):
        if len(found) > 1:
            raise RunAmbiguous(name, found)
        if found:
            return found[0]
    near = None if name.endswith(ENDINGS) else get_close_matches(name, map(stem_of, there), n=1, cutoff=_NEAR)
    if near:
        raise CassetteNotFound(path, f"did you mean {near[0]}?")
    return path


def stem_of(path: Path) -> str:
    """Return the name of a cassette without its ending."""
    return path.name.removesuffix(PACKED).removesuffix(ENDINGS[0])


def _once(paths: Iterable[Path]) -> Iterator[Path]:
    """Leave out the packed form of a cassette that is there, too."""
    known = set(paths)
    yield from sorted(path for path in known if path.suffix != PACKED or path.with_suffix("") not in known)


def _by_file(name: str, there: Iterable[Path]) -> list[Path]:
    return [path for path in there if name in (path.name, stem_of(path))]


def _by_id(name: str, there: Iterable[Path]) -> list[Path]:
    prefix = name.lower()
    if not _ID.fullmatch(prefix):
        return []
    return [path for path in there if _has(path, prefix, lambda spans: any(_is_of(span, prefix) for span in spans))]


def _is_of(span: Span, prefix: str) -> bool:
    ids = (span.trace_id, str(span.resource.get(semconv.AGENTTRACE_RUN_ID) or ""))
    return any(each.startswith(prefix) for each in ids)


def _by_agent(name: str, there: Iterable[Path]) -> list[Path]:
    return [path for path in there if _has(path, name, lambda spans: name in _names_of_roots(spans))]


def _names_of_roots(spans: list[Span]) -> Iterator[object]:
    known = {span.span_id for span in spans}
    for span in spans:
        if span.parent_span_id not in known:
            yield from (span.attributes.get(name) for name in _NAMES)


def _has(path: Path, written: str, holds: Callable[[list[Span]], bool]) -> bool:
    """Whether the spans of a cassette hold something; what cannot be read is called nothing."""
    try:
        if (
            path.suffix != PACKED
            and _PLAIN.fullmatch(written)
            and written.lower().encode() not in path.read_bytes().lower()
        ):
            return False
        cassette = open_cassette(path, warn=_unheard)
    except (OSError, CassetteError):
        return False
    try:
        return holds(list(cassette.spans()))
    finally:
        cassette.close()


def _unheard(_: str) -> None:
    """Stay silent: it is only looked for a name."""
