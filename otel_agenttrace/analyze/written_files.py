"""Tell which files an agent's run changed, by the arguments of its tools. Trace in, change out.

What a tool wrote is not in a trace, only what it was asked to write: lines are estimates, and a shell command may have
changed files that nobody names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from otel_agenttrace.analyze.activities import activity_of, touches
from otel_agenttrace.analyze.measures import whole
from otel_agenttrace.analyze.overlaps import Change
from otel_agenttrace.analyze.pull_requests import ChangedFile, is_test
from otel_agenttrace.analyze.retries import failure_of
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.jsonvalue import JsonObject, array, obj, text
from otel_agenttrace.model import Trace

__all__ = ["change_of_run"]

_PATCHED: Final = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$", re.MULTILINE)
_WHOLE: Final = ("content", "contents", "file_text", "new_source", "insert_text")
_EDITS: Final = (("old_string", "new_string"), ("old_str", "new_str"), ("old_text", "new_text"))


def change_of_run(trace: Trace, name: str) -> Change:
    """Return what a run changed: each file that a tool was asked to write, without the calls that failed.

    A command that failed may have changed something before it did, and counts.
    """
    files: dict[str, ChangedFile] = {}
    commands = untold = 0
    for call in tool_calls(trace):
        activity, touched = activity_of(call), list(touches(call))
        commands += activity != "exploring" and any(touch.kind == "run" for touch in touched)
        if failure_of(call) is not None:
            continue
        written = [touch.target for touch in touched if touch.kind == "written"]
        for each in _changed(call, written):
            files[each.path] = _together(files.get(each.path), each)
        untold += activity == "editing" and not written
    return Change(name, tuple(files.values()), is_estimate=True, commands=commands, untold_calls=untold)


def _changed(call: ToolCall, paths: list[str]) -> Iterator[ChangedFile]:
    arguments = obj(call.arguments)
    patched = {path: lines for told in arguments.values() for path, lines in _patched(text(told) or "")}
    for path in paths:
        added, deleted = patched[path] if path in patched else _lines(arguments)
        yield ChangedFile(path, "modified", added, deleted, previous_path=None, is_test=is_test(path))


def _patched(patch: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the files of a patch in the form of `apply_patch`, with the lines that it adds and deletes."""
    _, *pieces = _PATCHED.split(patch)
    for path, body in zip(pieces[1::3], pieces[2::3], strict=True):
        lines = body.splitlines()
        yield path.strip(), (sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines))


def _lines(arguments: JsonObject) -> tuple[int | None, int | None]:
    """Return the lines that a call adds and deletes; a file that is given whole counts as new. None where they are not told."""
    edits = [_edit(obj(each)) for each in array(arguments.get("edits")) or [arguments]]
    told = [_between(*edit) for edit in edits if edit is not None]
    if not told or len(told) < len(edits):
        return None, None
    return sum(added for added, _ in told), sum(deleted for _, deleted in told)


def _edit(arguments: JsonObject) -> tuple[str, str] | None:
    for old, new in _EDITS:
        if old in arguments or new in arguments:
            return text(arguments.get(old)) or "", text(arguments.get(new)) or ""
    whole = next((told for name in _WHOLE if (told := text(arguments.get(name))) is not None), None)
    return None if whole is None else ("", whole)


def _between(old: str, new: str) -> tuple[int, int]:
    """Return how many lines each text has that the other has not; a moved line is none."""
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return (after - before).total(), (before - after).total()


def _together(earlier: ChangedFile | None, later: ChangedFile) -> ChangedFile:
    """Return a file that several calls changed: their lines are added up."""
    if earlier is None:
        return later
    return replace(
        later,
        additions=whole((earlier.additions, later.additions)),
        deletions=whole((earlier.deletions, later.deletions)),
    )
