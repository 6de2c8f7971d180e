"""Tell what a call of a tool was for, and which files and commands it touched. Tool call in, activity and touches out.

By the name of the tool first, by the words of its name next; a shell command by its first word. docs/explain.md shows the
table. A tool that is in none of these has no activity but its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agenttrace.analyze.tool_calls import ToolCall
from otel_agenttrace.jsonvalue import array, obj, text

__all__ = ["ACTIVITIES", "Touch", "activity_of", "touches"]

TouchKind: TypeAlias = Literal["read", "written", "run"]


@dataclass(frozen=True, slots=True)
class Touch:
    """A file that a call read or wrote, or a command that it ran."""

    kind: TouchKind
    target: str


ACTIVITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "planning": ("todo", "todowrite", "todoread", "plan", "think", "exitplanmode"),
    "delegating": ("task", "agent", "subagent", "handoff", "delegate", "transfer"),
    "answering": ("answer", "finish", "submit", "final", "respond", "completion"),
    "asking": ("ask", "askuserquestion", "question"),
    "editing": ("edit", "write", "multiedit", "patch", "replace", "notebookedit", "editor", "insert", "str"),
    "searching": ("search", "websearch", "webfetch", "fetch", "browse", "query", "retrieve", "lookup"),
    "exploring": ("read", "view", "cat", "ls", "glob", "grep", "find", "tree", "open", "notebookread", "scroll"),
    "running": ("bash", "shell", "run", "exec", "execute", "terminal", "command", "python", "powershell", "test"),
}
"""The words in the name of a tool that tell what it is for, the first activity that has one of them counts."""

_ONLY_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "editing": ("create", "update", "delete", "move", "rename", "save"),
    "exploring": ("get", "list", "show", "load"),
}
"""Words that tell an activity where the call names a file: an order can be created too."""
_LOOKING: Final = frozenset(
    [
        "awk",
        "cat",
        "cd",
        "diff",
        "du",
        "fd",
        "file",
        "find",
        "grep",
        "head",
        "jq",
        "less",
        "ls",
        "more",
        "nl",
        "pwd",
        "rg",
        "stat",
        "tail",
        "tree",
        "type",
        "wc",
        "which",
    ]
)
_LOOKING_AT_GIT: Final = frozenset({"blame", "diff", "log", "show", "status"})
_DOES: Final = re.compile(r"[>`]|\$\(")
"""Writes a file, or runs another command within."""
_FINDING: Final = frozenset({"fd", "find"})
_FOUND: Final = re.compile(r"-(?:delete|exec|ok|fprint|fls|[xX]$|-exec)")
"""How these are told to do something with what they find."""
_EDITOR_COMMANDS: Final = {"view": "exploring"}
_PATHS: Final = [
    "file_path",
    "filepath",
    "filePath",
    "path",
    "filename",
    "file",
    "file_name",
    "notebook_path",
    "target_file",
    "relative_path",
    "absolute_path",
]
_COMMANDS: Final = ("command", "cmd", "script", "commandline", "CommandLine")
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PATCHED: Final = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_LONGEST: Final = 100_000


def activity_of(call: ToolCall) -> str | None:
    """Return what a call was for: a key of `ACTIVITIES`; None where its name tells none."""
    arguments = obj(call.arguments)
    named = _named(call.name, has_file=_path(call) is not None)
    if named == "running":
        return "exploring" if _only_looks(_command(call)) else "running"
    if named == "editing" and "command" in arguments:
        return _EDITOR_COMMANDS.get(text(arguments["command"]) or "", "editing")
    return named


def _named(name: str, *, has_file: bool) -> str | None:
    bare = name.rpartition("__")[2] or name
    words = [found.lower() for found in _WORDS.findall(bare)]
    words.append("".join(words))
    for table in (ACTIVITIES, _ONLY_FILES if has_file else {}):
        for activity, known in table.items():
            if any(word in known for word in words):
                return activity
    return None


def _command(call: ToolCall) -> str | None:
    arguments = obj(call.arguments)
    for name in _COMMANDS:
        told = arguments.get(name)
        listed = [text(each) for each in array(told)]
        written = text(told) or (" ".join(filter(None, listed)) if listed else None)
        if written:
            return written
    return None


def _only_looks(command: str | None) -> bool:
    """Whether a shell command changes and runs nothing: each part of it begins with a word that looks."""
    if not command or _DOES.search(command):
        return False
    parts = [part.split() for part in re.split(r"[&|;\n]", command[:_LONGEST]) if part.strip()]
    return bool(parts) and all(map(_looks, parts))


def _looks(words: Sequence[str]) -> bool:
    if words[0] == "git":
        return len(words) > 1 and words[1] in _LOOKING_AT_GIT
    return words[0] in _LOOKING and not (words[0] in _FINDING and any(map(_FOUND.match, words)))


def _path(call: ToolCall) -> str | None:
    arguments = obj(call.arguments)
    return next((told for name in _PATHS if (told := text(arguments.get(name)))), None)


def touches(call: ToolCall) -> Iterator[Touch]:
    """Yield the files that a call read or wrote, and the command that it ran, as its arguments tell."""
    activity = activity_of(call)
    path = _path(call)
    is_editor = _named(call.name, has_file=path is not None) == "editing"
    command = None if is_editor else _command(call)
    if command is not None:
        yield Touch("run", command)
    elif path is not None and activity in ("editing", "exploring", "searching"):
        yield Touch("written" if activity == "editing" else "read", path)
    if activity == "editing" and path is None:
        patch = next((told for told in map(text, obj(call.arguments).values()) if told), "")
        yield from (Touch("written", found.strip()) for found in _PATCHED.findall(patch[:_LONGEST]))
