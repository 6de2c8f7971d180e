"""Tell which files an agent's run changed, by the arguments of its tools. Trace in, change out.

What a tool wrote is not in a trace, only what it was asked to write: lines are estimates, and a shell command may have
changed files that nobody names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from otel_agenttrace.analyze.overlaps import Change
from otel_agenttrace.analyze.pull_requests import ChangedFile, is_test
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.jsonvalue import JsonObject, array, obj, text
from otel_agenttrace.model import Trace

__all__ = ["change_of_run"]

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WRITING: Final = frozenset({"create", "edit", "editor", "insert", "multiedit", "patch", "replace", "update", "write"})
_RUNNING: Final = frozenset({"bash", "command", "exec", "execute", "powershell", "run", "shell", "terminal"})
_PATHS: Final = (
    "file_path",
    "filepath",
    "filePath",
    "path",
    "filename",
    "file",
    "file_name",
    "notebook_path",
    "target_file",
)
_COMMANDS: Final = ("command", "cmd", "script")
_PATCHED: Final = re.compile(r"^\*\*\* (?P<kind>Add|Update|Delete) File: (?P<path>.+)$", re.MULTILINE)
_STATUS: Final = {"Add": "added", "Update": "modified", "Delete": "removed"}
_WHOLE: Final = ("content", "contents", "file_text", "new_source", "insert_text")
_EDITS: Final = (("old_string", "new_string"), ("old_str", "new_str"), ("old_text", "new_text"))


def change_of_run(trace: Trace, name: str) -> Change:
    """Return what a run changed: each file that a tool was asked to write, without the calls that failed."""
    written: dict[str, ChangedFile] = {}
    commands = untold = 0
    for call in tool_calls(trace):
        if call.is_executed and call.span.is_error:
            continue
        found = list(_files(call))
        for each in found:
            written[each.path] = _together(written.get(each.path), each)
        commands += not found and _is_command(call)
        untold += not found and _writes(call) and not _is_command(call) and not obj(call.arguments)
    return Change(name, tuple(written.values()), is_estimate=True, commands=commands, untold_calls=untold)


def _named(call: ToolCall) -> set[str]:
    bare = call.name.rpartition("__")[2] or call.name
    return {word.lower() for word in _WORDS.findall(bare)} | {bare.lower()}


def _writes(call: ToolCall) -> bool:
    return not _WRITING.isdisjoint(_named(call)) and obj(call.arguments).get("command") != "view"


def _is_command(call: ToolCall) -> bool:
    has_command = any(obj(call.arguments).get(each) for each in _COMMANDS)
    return not _RUNNING.isdisjoint(_named(call)) and has_command


def _files(call: ToolCall) -> Iterator[ChangedFile]:
    arguments = obj(call.arguments)
    path = next((told for name in _PATHS if (told := text(arguments.get(name)))), None)
    if path is not None and _writes(call):
        yield ChangedFile(path, "modified", *_lines(arguments), previous_path=None, is_test=is_test(path))
    elif path is None:
        texts = filter(None, map(text, arguments.values())) if arguments else filter(None, [text(call.arguments)])
        for each in texts:
            yield from _patched(each)


def _patched(patch: str) -> Iterator[ChangedFile]:
    """Yield the files of a patch in the form of `apply_patch`."""
    if "*** Begin Patch" not in patch:
        return
    heads = list(_PATCHED.finditer(patch))
    for place, head in enumerate(heads):
        end = heads[place + 1].start() if place + 1 < len(heads) else len(patch)
        lines = patch[head.end() : end].splitlines()
        added, deleted = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        path = head["path"].strip()
        yield ChangedFile(path, _STATUS[head["kind"]], added, deleted, previous_path=None, is_test=is_test(path))


def _lines(arguments: JsonObject) -> tuple[int | None, int | None]:
    """Return the lines that a call adds and deletes, as far as its arguments tell; a file that is given whole counts as new."""
    edits = [obj(each) for each in array(arguments.get("edits"))] or [arguments]
    pairs = [_edit(each) for each in edits]
    told = [pair for pair in pairs if pair is not None]
    if not told or len(told) < len(pairs):
        return None, None
    added, deleted = zip(*(_between(old, new) for old, new in told), strict=True)
    return sum(added), sum(deleted)


def _edit(arguments: JsonObject) -> tuple[str, str] | None:
    for old, new in _EDITS:
        if old in arguments or new in arguments:
            return text(arguments.get(old)) or "", text(arguments.get(new)) or ""
    whole = next((told for name in _WHOLE if (told := text(arguments.get(name))) is not None), None)
    return None if whole is None else ("", whole)


def _between(old: str, new: str) -> tuple[int, int]:
    """Return how many lines there are that the other text has not; a moved line is none."""
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return (after - before).total(), (before - after).total()


def _together(earlier: ChangedFile | None, later: ChangedFile) -> ChangedFile:
    """Return a file that several calls changed: their lines are added up."""
    if earlier is None:
        return later
    return ChangedFile(
        path=later.path,
        status=later.status if later.status == "removed" else earlier.status,
        additions=_sum(earlier.additions, later.additions),
        deletions=_sum(earlier.deletions, later.deletions),
        previous_path=None,
        is_test=later.is_test,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
