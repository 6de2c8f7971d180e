"""What is told of the steps of `init`. Steps and what became of them in, lines and JSON out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

from rich.text import Text

from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.report.text import counted, escaped
from otel_agenttrace.scaffold import git
from otel_agenttrace.scaffold.plan import AGENT, TEST, Step, Verdict

__all__ = ["Outcome", "change_lines", "head_line", "next_lines", "outcome_lines", "outcomes_json"]

_COLUMN: Final = 36
_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}
_PURPOSES: Final = {
    AGENT: "an agent that runs: one model, one tool",
    TEST: "its test: cassette, budget, check",
    "pyproject.toml": "settings of otel-agenttrace and of pytest",
    ".gitignore": "what runs leave behind",
    ".gitattributes": "git diff shows cassettes as conversations",
}
_ENTRANCE: Final = b"def advise("
_HOW: Final = {
    ("new", "write"): ("written", "would be written"),
    ("add", "write"): ("lines added", "would get lines at its end"),
    ("differs", "write"): ("replaced", "would be replaced"),
    ("same", "keep"): ("there already", "there already"),
    ("left", "keep"): ("kept", "would be kept"),
    ("new", "keep"): ("not written", "would not be written"),
    ("add", "keep"): ("kept; --yes adds the lines", "would be kept; --yes adds the lines"),
    ("differs", "keep"): ("kept; --force replaces it", "would be kept; --force replaces it"),
}
"""What became of a step of this state with this verdict; and in a dry run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step and what became, or would become, of it."""

    step: Step
    verdict: Verdict
    is_dry: bool = False

    @property
    def is_others(self) -> bool:
        """Whether a file stays that is not as we would write it."""
        return self.step.state in ("differs", "left") and self.verdict == "keep"

    @property
    def told(self) -> str:
        """The same in words."""
        if self.verdict == "ask":
            return "you would be asked"
        if self.step.is_setting and self.step.state == "new":
            if self.verdict == "write":
                return "would be set" if self.is_dry else "set"
            return f"not set; --yes sets it, or: {self.step.path} '{git.TEXTCONV}'"
        return _HOW[self.step.state, self.verdict][self.is_dry]


def outcome_lines(outcome: Outcome) -> Iterator[Text]:
    """Yield a line for a step, and one for each of its notes."""
    mark, style = ("+", "green") if outcome.verdict == "write" else ("=", "dim")
    if outcome.verdict == "keep" and outcome.step.state != "same":
        mark, style = "!", "yellow"
    yield Text.assemble((mark, style), f" {outcome.step.path:{_COLUMN}} {escaped(outcome.told)}")
    if outcome.is_dry and outcome.step.state in ("add", "differs"):
        yield from change_lines(outcome.step)
    for note in outcome.step.notes:
        yield Text(f"  {'':{_COLUMN}} {escaped(note)}", style="dim")


def head_line(step: Step) -> str:
    """Return what a step is about, before it is asked for."""
    if step.is_setting:
        return f"{step.path} '{git.TEXTCONV}', in this repository"
    if step.state == "add":
        return f"{step.path} is there; these lines would be added"
    if step.state == "differs":
        return f"{step.path} is there with other content; replacing it would do this"
    size = counted(len(_lines(step.content)), "line")
    return f"{step.path}, new: {_PURPOSES.get(step.path, 'the tests replayed in CI')} ({size})"


def change_lines(step: Step) -> Iterator[Text]:
    """Yield what a step makes of a file: a unified diff where it replaces something, else the lines that are new."""
    lines: Iterable[str] = (f"+{line}" for line in _lines(step.content[len(step.before) :].lstrip(b"\r\n")))
    if step.state == "differs":
        before, after = _lines(step.before), _lines(step.content)
        lines = difflib.unified_diff(before, after, "as it is", "as it would be", lineterm="")
    yield from (Text(f"    {escaped(line)}", style=_STYLES.get(line[:1], "")) for line in lines)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").splitlines()


# --- what is next -----------------------------------------------------------------------------------------------------


def next_lines(folder: Path, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield what the user does next."""
    if all(outcome.step.state == "same" for outcome in outcomes):
        yield "nothing to do: all of it is there"
        return
    kept = {outcome.step.path: outcome.step for outcome in outcomes if outcome.is_others}
    yield "next:"
    if os.path.normpath(folder) != os.curdir:
        yield f"  cd {escaped(quote(str(folder)))}"
    yield "  pip install 'otel-agenttrace[openai]' pytest"
    if AGENT in kept and TEST not in kept and _ENTRANCE not in kept[AGENT].before:
        yield f"  {AGENT} is your own: let {TEST} import what it has, in the place of `advise`"
    if TEST not in kept:
        yield "  pytest --record     # without OPENAI_API_KEY from a provider on this machine, which is no model"
    yield "  pytest              # the same answers, with no network and no key"
    yield "with a key, for answers of a model:"
    yield "  OPENAI_API_KEY=… pytest --agenttrace-record-mode all"
    if not any(outcome.step.is_setting for outcome in outcomes):
        yield "in a git repository, once per clone, for diffs of cassettes that read as conversations:"
        yield f"  git config {git.SETTING} '{git.TEXTCONV}'"


def outcomes_json(folder: Path, outcomes: Sequence[Outcome]) -> JsonObject:
    """Return what was done as JSON with stable keys: `folder`, `steps`.

    Of each step: `path`, `state` (new, add, differs, same, left: as it was found), `written` (a dry run: whether it would
    be), and `notes`, a list.
    """
    return {
        "folder": str(folder),
        "steps": [
            {
                "path": outcome.step.path,
                "state": outcome.step.state,
                "written": outcome.verdict == "write",
                "notes": list(outcome.step.notes),
            }
            for outcome in outcomes
        ],
    }
