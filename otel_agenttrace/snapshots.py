"""`TraceSnapshot`: a run against the readable text of an earlier one. Trace and stored text in, CheckFailed or nothing out.

It knows nothing of pytest: the plugin says where snapshots stand, what they are called, and whether they are updated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.answers import word_similarity
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.insides import with_insides
from otel_agenttrace.api import load
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ConfigError, SnapshotMismatch
from otel_agenttrace.model import Trace
from otel_agenttrace.redact.spans import redacted_trace
from otel_agenttrace.report.arranging import arranged
from otel_agenttrace.report.node import Node, forest_of, text_of
from otel_agenttrace.report.outline import ANSWER, outline
from otel_agenttrace.report.text import escaped
from otel_agenttrace.report.tree_diff import tree_diff
from otel_agenttrace.report.wording import ArgumentsShown
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["Answers", "TraceSnapshot", "unused_snapshots"]

Answers: TypeAlias = "Literal['exact', 'ignore'] | float"
"""How answers are compared: by their text, not at all, or by a similarity that they must reach, 0 to 1."""

_ANSWERED: Final = ("hit", "drift")
_VERSION: Final = 1
_UPDATE: Final = "pytest --agenttrace-update-snapshots"
_HEAD: Final = "# otel-agenttrace snapshot"
_READ_HEAD: Final = re.compile(rf"{_HEAD} ([0-9]{{1,9}})\b")
_SUFFIX: Final = ".txt"
_PART: Final = re.compile(r"(?!\.)[^\x00-\x1f\x7f-\x9f\\/:*?\"<>|]{1,200}(?<![. ])")
"""One part of a name: nothing that any system takes for a way elsewhere, and nothing it would change."""


class TraceSnapshot:
    """Compares runs with their snapshots in a folder.

    Attributes:
        folder: Where the snapshots stand.
        used: The files that were asked for, in their order.
        updated: Those that were written.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        update: bool = False,
        default_name: str = "",
        update_command: str = _UPDATE,
        colour: bool = False,
    ) -> None:
        """Make one.

        Args:
            folder: Where the snapshots stand; it is made when the first one is written.
            update: Whether what is missing or differs is written, and nothing fails.
            default_name: The name of the snapshot that is given none; the second such one is `NAME-2`.
            update_command: What a failure tells to run.
            colour: Whether the differences in a failure have colours.
        """
        self.folder = Path(folder)
        self.used: list[Path] = []
        self.updated: list[Path] = []
        self._update = update
        self._default_name = default_name
        self._unnamed = 0
        self._update_command = update_command
        self._colour = colour

    def assert_match(
        self,
        trace: Trace | Session | str | Path,
        name: str | None = None,
        *,
        answers: Answers = "exact",
        similarity: Callable[[str, str], float] = word_similarity,
        arguments: ArgumentsShown = "shape",
    ) -> None:
        """Compare what a run did with its snapshot.

        Args:
            trace: The run: a trace, a cassette, or a session. Only a session knows its recording, by which it tells
                what ran in parallel, and what a frozen tool did inside.
            name: The snapshot, in the folder; `group/name` stands in a folder of it.
            answers: `exact`, `ignore`, or the similarity that each answer of a model must have to the stored one, 0 to 1.
            similarity: Gives it, for the stored answer and the one of now; without it, the share of words that both
                have in the same order (`difflib`).
            arguments: What is compared of arguments: their `shape`, that is keys and types, or their `values`.

        Raises:
            SnapshotMismatch: If the run is not what the snapshot tells, or if there is none. It is a `CheckFailed`.
            ConfigError: If the name leads out of the folder, a setting has no meaning, or the file is no snapshot.
            CassetteError: If the run cannot be read.
        """
        _check(answers, arguments)
        path = self._path(name)
        self.used.append(path)
        now = _told(trace, arguments)
        stored = _stored(path)
        failure = _no_snapshot(path) if stored is None else self._compared(path, stored, now, answers, similarity)
        if failure is None:
            return
        if self._update:
            _write(path, f"{_HEAD} {_VERSION} · what a run did; update it: {_UPDATE}\n{text_of(now)}")
            self.updated.append(path)
            return
        to_fix = f"\n  to fix   {'make it' if stored is None else 'if it is meant'}: {self._update_command}"
        raise SnapshotMismatch(failure.shown + to_fix, (Finding("snapshot", failure.message + to_fix),), path)

    # --- where it stands --------------------------------------------------------------------------------------------

    def _path(self, name: str | None) -> Path:
        if name is None:
            self._unnamed += 1
            name = self._default_name if self._unnamed < 2 else f"{self._default_name}-{self._unnamed}"
        path = self.folder / f"{name}{_SUFFIX}"
        are_safe = all(map(_PART.fullmatch, name.split("/")))
        if not are_safe or not path.resolve().is_relative_to(self.folder.resolve()):
            raise ConfigError(
                f"{name!r} names no snapshot: it could stand outside of {self.folder}, or not on every system.\n"
                "  to fix   letters, digits, blanks, '-', '_', '.', '[' and ']'; '/' for a folder below"
            )
        return path

    # --- comparing --------------------------------------------------------------------------------------------------

    def _compared(
        self,
        path: Path,
        stored: tuple[Node, ...],
        now: tuple[Node, ...],
        answers: Answers,
        similarity: Callable[[str, str], float],
    ) -> _Failure | None:
        now = arranged(now, stored)
        left, right = (stored, now) if answers == "exact" else (_without(stored, answers), _without(now, answers))
        if text_of(left) != text_of(right):
            head = f"The run is not what {escaped(str(path))} tells (- stored, + now):\n"
            plain, shown = tree_diff(left, right), tree_diff(left, right, colour=self._colour)
            return _Failure(head + plain, head + shown)
        if isinstance(answers, str):
            return None
        below = [each for each in _scores(stored, now, similarity) if not each.score >= answers]
        if not below:
            return None
        head = f"An answer is not what {escaped(str(path))} tells: less similar than {answers} (- stored, + now).\n"
        plain, shown = ("\n".join(each.told(colour=colour) for each in below) for colour in (False, self._colour))
        return _Failure(head + plain, head + shown)


@dataclass(frozen=True, slots=True)
class _Failure:
    """What is wrong, in plain text and as it is shown: in colours, where they are asked for."""

    message: str
    shown: str


def _no_snapshot(path: Path) -> _Failure:
    message = f"There is no snapshot at {escaped(str(path))}, and none is made unasked."
    return _Failure(message, message)


def _check(answers: object, arguments: object) -> None:
    is_share = isinstance(answers, int | float) and not isinstance(answers, bool) and 0 <= answers <= 1
    if answers not in ("exact", "ignore") and not is_share:
        raise ConfigError(f"answers is {answers!r}.\n  to fix   'exact', 'ignore', or a similarity from 0 to 1")
    if arguments not in ("shape", "values"):
        raise ConfigError(f"arguments is {arguments!r}.\n  to fix   'shape' or 'values'")


# --- what the run did -------------------------------------------------------------------------------------------------


def _told(run: Trace | Session | str | Path, arguments: ArgumentsShown) -> tuple[Node, ...]:
    """Return the outline of a run; that of a session as if nothing were frozen, and in the order of its recording."""
    if not isinstance(run, Session):
        trace = run if isinstance(run, Trace) else load(run)
        redactor = redactor_of(resolve(os.environ, pyproject_settings(Path.cwd())))
        return outline(redacted_trace(trace, redactor), arguments=arguments)
    trace = redacted_trace(run.trace, run.redactor)
    if not any(span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) in _ANSWERED for span in trace.spans):
        return outline(trace, arguments=arguments)
    recorded = load(run.path)
    whole = with_insides(trace, recorded)
    return arranged(outline(whole, arguments=arguments), outline(recorded, arguments=arguments))


# --- answers ------------------------------------------------------------------------------------------------------------


def _without(nodes: Sequence[Node], answers: Answers) -> tuple[Node, ...]:
    """Return a forest without the text of answers; where they are ignored, whether there are any does not count either."""
    return tuple(
        Node(node.line, () if node.line == ANSWER else _without(node.below, answers))
        for node in nodes
        if node.line != ANSWER or answers != "ignore"
    )


@dataclass(frozen=True, slots=True)
class _Score:
    """Two answers, the lines they stand below, and how similar they are."""

    above: tuple[str, ...]
    was: tuple[Node, ...]
    now: tuple[Node, ...]
    score: float

    def told(self, *, colour: bool) -> str:
        place = " > ".join(self.above)
        return f"{place}: similarity {self.score:.3g}\n{tree_diff(self.was, self.now, colour=colour)}"


def _scores(
    was: Sequence[Node],
    now: Sequence[Node],
    similarity: Callable[[str, str], float],
    above: tuple[str, ...] = (),
) -> Iterator[_Score]:
    """Yield the scores of all answers of two forests that are the same but for those."""
    for left, right in zip(was, now, strict=True):
        if left.line != ANSWER:
            yield from _scores(left.below, right.below, similarity, (*above, left.line))
        else:
            yield _Score(above, left.below, right.below, similarity(_text(left), _text(right)))


def _text(answer: Node) -> str:
    return "\n".join(node.line[2:] for node in answer.below)


# --- files --------------------------------------------------------------------------------------------------------------


def _stored(path: Path) -> tuple[Node, ...] | None:
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a snapshot: {error}.\n  to fix   move it away") from error
    found = _READ_HEAD.match(head)
    if found is None:
        raise ConfigError(
            f"{path} is no snapshot: its first line is another.\n  to fix   move it away, or take another name"
        )
    if int(found[1]) > _VERSION:
        raise ConfigError(
            f"{path} has format version {found[1]}; this release reads up to {_VERSION}.\n"
            "  to fix   pip install --upgrade otel-agenttrace"
        )
    return forest_of(list(map(escaped, lines)))  # what somebody else put there may be shown


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text.encode())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.\n  to fix   name a folder that you may write to"
        ) from error


def unused_snapshots(folder: str | Path, used: Collection[Path]) -> tuple[Path, ...]:
    """Return the snapshots below a folder that are not among the used ones, in the order of their names."""
    asked = {path.resolve() for path in used}
    found = (path for path in Path(folder).rglob(f"*{_SUFFIX}") if path.is_file() and path.resolve() not in asked)
    return tuple(sorted(path for path in found if _is_snapshot(path)))


def _is_snapshot(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return _READ_HEAD.match(file.readline(200)) is not None
