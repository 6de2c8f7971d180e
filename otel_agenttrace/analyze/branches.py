"""Tell how the cassettes of a branch differ from those of its base. Two folders in, frozen report out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from otel_agenttrace.analyze.changes import Change, Figures, change_of, figures_of
from otel_agenttrace.cassette.places import cassettes_below
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible
from otel_agenttrace.model import Trace

__all__ = ["Changes", "Unreadable", "changes_between"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cassette that could not be read, on the branch or on its base, and the reason."""

    name: str
    reason: str
    is_of_base: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """The cassettes of a branch, beside those of its base. What cannot be read on either side counts on neither.

    Attributes:
        is_compared: Whether there is a base; without one nothing is new, and nothing changed.
        before: What the runs of the base take, one for each cassette.
        now: What those of the branch take.
        changes: The cassettes that are new, removed or changed, by name.
        unchanged: How many cassettes do what they did.
        unreadable: What could not be read, and so was not compared.
    """

    is_compared: bool
    before: tuple[Figures, ...] = ()
    now: tuple[Figures, ...] = ()
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    unreadable: tuple[Unreadable, ...] = ()


def changes_between(root: Path, places: Iterable[str], base: Path | None, load: Callable[[Path], Trace]) -> Changes:
    """Return how the cassettes of a branch differ from the files of the same path on its base.

    Args:
        root: Where the branch is checked out.
        places: Folders below it that hold cassettes.
        base: Where its base is checked out; None to compare with nothing.
        load: Reads a cassette.
    """
    places = tuple(places)
    ours, theirs = _named(root, places), _named(base or root, places)
    compared: list[Change] = []
    unreadable: list[Unreadable] = []
    for name in sorted({*ours, *theirs}):
        now, before = ours.get(name), theirs.get(name)
        try:
            compared.append(_change(name, before, now, load))
        except _Unread as failure:
            unreadable.append(Unreadable(name, failure.reason, is_of_base=failure.path != now))
    return Changes(
        is_compared=base is not None,
        before=tuple(change.before for change in compared if change.before is not None),
        now=tuple(change.now for change in compared if change.now is not None),
        changes=tuple(change for change in compared if change.kind != "same"),
        unchanged=sum(change.kind == "same" for change in compared),
        unreadable=tuple(unreadable),
    )


def _named(root: Path, places: Iterable[str]) -> dict[str, Path]:
    found = (path for place in places for path in cassettes_below(root / place))
    return {path.relative_to(root).as_posix(): path for path in found}


class _Unread(Exception):
    """One of two cassettes cannot be read."""

    def __init__(self, path: Path, error: CassetteError) -> None:
        told = isinstance(error, CassetteCorrupt | CassetteInaccessible)
        self.reason = error.reason if told else str(error).partition("\n")[0]
        self.path = path


def _change(name: str, before: Path | None, now: Path | None, load: Callable[[Path], Trace]) -> Change:
    def read(path: Path | None) -> Trace | None:
        try:
            return None if path is None else load(path)
        except CassetteError as error:
            assert path is not None
            raise _Unread(path, error) from error

    trace, other = read(now), read(before)
    if trace is not None and now is not None and before is not None and cmp(before, now, shallow=False):
        figures = figures_of(trace)
        return Change(name, figures, figures)
    return change_of(name, other, trace)
