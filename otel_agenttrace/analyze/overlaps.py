"""Compare what was changed with what a pull request changed: files, tests, lines. Pull request and change in, comparison out."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.measures import whole
from otel_agenttrace.analyze.pull_requests import ChangedFile, PullRequest, is_test

__all__ = ["Baselines", "Change", "Comparison", "Overlap", "compare_change"]

_ABSOLUTE: Final = re.compile(r"/|[A-Za-z]:/")


@dataclass(frozen=True, slots=True)
class Change:
    """What a run of an agent, or a working tree, changed.

    Attributes:
        name: Of the file of the run, or of what the working tree is compared with.
        files: What was changed. Paths may be absolute.
        is_estimate: Whether lines are counted by what tools were asked to write.
        commands: Shell commands, which may have changed files that nobody names.
        untold_calls: Calls of tools that write, without recorded arguments.
    """

    name: str
    files: tuple[ChangedFile, ...]
    is_estimate: bool = False
    commands: int = 0
    untold_calls: int = 0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Paths, sorted: those that the pull request and the change touched, only the pull request, only the change."""

    both: tuple[str, ...]
    missed: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A change beside a pull request.

    Attributes:
        repository: Of the pull request.
        number: Of the pull request.
        name: Of the change.
        root: The folder that absolute paths of the change were taken to be below of; None where there are none.
        files: Which files they share.
        tests: Which of them are tests.
        baseline_additions: Lines of the pull request.
        baseline_deletions: The same.
        additions: Lines of the change; None where they are not known of each file.
        deletions: The same.
        is_estimate: As in `Change`.
        commands: As in `Change`.
        untold_calls: As in `Change`.
    """

    repository: str
    number: int
    name: str
    root: str | None
    files: Overlap
    tests: Overlap
    baseline_additions: int
    baseline_deletions: int
    additions: int | None
    deletions: int | None
    is_estimate: bool
    commands: int
    untold_calls: int


@dataclass(frozen=True, slots=True)
class Baselines:
    """Pull requests, and what was compared with each of them."""

    pull_requests: tuple[PullRequest, ...]
    comparisons: tuple[Comparison, ...] = ()


def compare_change(baseline: PullRequest, change: Change, root: str | None = None) -> Comparison:
    """Return which files and tests a change shares with a pull request. A renamed file is the same by either path.

    Args:
        baseline: The pull request.
        change: What is compared with it.
        root: The folder of the repository, for absolute paths; without it, the one that makes most of them files of the
            pull request.
    """
    known = {path: each.path for each in baseline.files for path in (each.path, each.previous_path) if path}
    written = [_normal(each.path) for each in change.files]
    root = _root_of(written, known) if root is None else f"{_normal(root).rstrip('/')}/"
    files = {each.path for each in baseline.files}
    touched = {known.get(path, path) for path in (each.removeprefix(root or "") for each in written)}
    return Comparison(
        repository=baseline.repository,
        number=baseline.number,
        name=change.name,
        root=root,
        files=_overlap(files, touched),
        tests=_overlap(filter(is_test, files), filter(is_test, touched)),
        baseline_additions=baseline.additions,
        baseline_deletions=baseline.deletions,
        additions=whole(each.additions for each in change.files),
        deletions=whole(each.deletions for each in change.files),
        is_estimate=change.is_estimate,
        commands=change.commands,
        untold_calls=change.untold_calls,
    )


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def _root_of(written: Iterable[str], known: Mapping[str, str]) -> str | None:
    """Return the folder below which most of the absolute paths are known; of several, the one that makes paths longest."""
    found = Counter(root for path in set(written) if _ABSOLUTE.match(path) for root in _roots(path, known))
    return min(found, key=lambda root: (-found[root], len(root), root), default=None)


def _roots(path: str, known: Mapping[str, str]) -> Iterator[str]:
    place = path.find("/")
    while place >= 0:
        if path[place + 1 :] in known:
            yield path[: place + 1]
        place = path.find("/", place + 1)


def _overlap(baseline: Iterable[str], touched: Iterable[str]) -> Overlap:
    one, other = set(baseline), set(touched)
    return Overlap(tuple(sorted(one & other)), tuple(sorted(one - other)), tuple(sorted(other - one)))
