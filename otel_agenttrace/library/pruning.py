"""Choose cassettes that may go, and remove them. Files in, which of them are old or unused out; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.cassette.recording import is_held
from otel_agenttrace.cassette.sidecars import bodies_size, remove_cassette
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import CassetteInaccessible
from otel_agenttrace.library.annotations import remove_annotations
from otel_agenttrace.library.finding import files_below
from otel_agenttrace.library.listing import recorded_ns
from otel_agenttrace.model import Trace
from otel_agenttrace.selectors import select

__all__ = ["PARTIAL", "PRUNABLE", "Pruned", "Pruning", "is_recording", "prunable_in", "pruned", "remove"]

PARTIAL: Final = ".partial"
PRUNABLE: Final = (*ENDINGS, f"{ENDINGS[0]}{PARTIAL}")
"""How the names of files end that may go."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """A cassette, or what a killed run left of one, that may go.

    Attributes:
        path: The file.
        age_s: How long ago its newest span was recorded, in seconds; None without spans.
        size_bytes: Of the file and its large bodies.
    """

    path: Path
    age_s: float | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Pruning:
    """What may go, and whether it went."""

    cassettes: tuple[Pruned, ...]
    size_bytes: int
    deleted: bool


def prunable_in(folder: Path) -> tuple[Path, ...]:
    """Return the cassettes and partials in and below a folder; no link is followed, not even the folder itself.

    Raises:
        CassetteInaccessible: If the folder is a link.
    """
    if folder.is_symlink():
        raise CassetteInaccessible(
            folder,
            "pruned",
            "it is a symbolic link, and none is followed",
            "name the folder that it leads to by its own path",
        )
    return tuple(sorted(path for path in files_below(folder)[0] if path.name.endswith(PRUNABLE)))


def is_recording(path: Path) -> bool:
    """Whether a run records to a cassette, or to the partial that is named."""
    partial = path if path.suffix == PARTIAL else partial_path(path)
    try:
        return partial.exists() and is_held(partial)
    except OSError:  # nobody can tell: it stays
        return True


def pruned(
    traces: Iterable[tuple[str, Trace]], now_ns: int, older_than: str | None, is_unused: Callable[[Path], bool]
) -> Iterator[Pruned]:
    """Yield the cassettes in which all is old, and that no test uses.

    Args:
        traces: Cassettes by their path.
        now_ns: The time.
        older_than: How old every span of a cassette is, such as `30d`; None for any age.
        is_unused: Whether no test uses a cassette.
    """
    for name, trace in traces:
        path = Path(name)
        newest_ns = max(map(recorded_ns, trace.spans), default=0)
        age_s = (now_ns - newest_ns) / 1_000_000_000 if newest_ns else None
        old = trace.spans if older_than is None else select(trace, f"age>{older_than}", now_ns)
        is_old = len(old) == len(trace.spans)
        if is_old and is_unused(path.with_name(path.name.removesuffix(PARTIAL))) and not is_recording(path):
            yield Pruned(path, age_s, path.stat().st_size + bodies_size(path))


def remove(found: Iterable[Pruned]) -> None:
    """Remove cassettes, each with the large bodies that no other file names, and what people put on its spans.

    Raises:
        CassetteInaccessible: If one cannot be removed; those before it are gone.
    """
    for each in found:
        _remove(each.path)


def _remove(path: Path) -> None:
    try:
        remove_cassette(path)
        remove_annotations(path)
    except OSError as error:
        raise CassetteInaccessible(path, "removed", f"{error.strerror}", "look at the rights of its folder") from error
