"""The errors this project raises.

AgentTraceError
├─ ConfigError(ValueError)
│  ├─ RunAmbiguous                    .name .candidates
│  ├─ SelectorError                   .selector .position
│  └─ SpanNotFound(LookupError)       .span
├─ CassetteError
│  ├─ CassetteNotFound(FileNotFoundError)
│  ├─ CassetteInaccessible            .path .reason .is_output
│  ├─ CassetteCorrupt(ValueError)     .path .line
│  ├─ LogOfAnotherTool                .path .form
│  ├─ CassetteTooLarge                .path .limit
│  └─ CassetteTooNew                  .version .supported
├─ ReplayError
│  ├─ ReplayMiss(LookupError)         .request .nearest .first_difference
│  ├─ ReplayExhausted
│  ├─ ToolNotRestorable               .tool .reason
│  ├─ ReplayFailed                    .path .counts
│  └─ EgressBlocked(ConnectionError)  .host
├─ IngestError                        .path .line .reason
├─ GitHubError                        .url .reason
│  └─ GitHubLimited                   .resets_in_s
├─ ToolError                          .type
├─ ToolFault(RuntimeError)            .fault
├─ NotEncodable(ValueError)           .api .part
├─ AnswerUnknown(ValueError)          .side
├─ NotClean(ValueError)               .span_id .kind
└─ CheckFailed(AssertionError)        .findings
   ├─ BudgetExceeded                  .findings
   ├─ RegressionFound                 .findings
   └─ SnapshotMismatch                .path
"""

from __future__ import annotations

import errno
import shlex
import sys
from typing import TYPE_CHECKING

from otel_agenttrace.escaping import escaped_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "AgentTraceError",
    "AnswerUnknown",
    "BudgetExceeded",
    "CassetteCorrupt",
    "CassetteError",
    "CassetteInaccessible",
    "CassetteNotFound",
    "CassetteTooLarge",
    "CassetteTooNew",
    "CheckFailed",
    "ConfigError",
    "EgressBlocked",
    "GitHubError",
    "GitHubLimited",
    "IngestError",
    "LogOfAnotherTool",
    "NotClean",
    "NotEncodable",
    "RegressionFound",
    "ReplayError",
    "ReplayExhausted",
    "ReplayFailed",
    "ReplayMiss",
    "RunAmbiguous",
    "SelectorError",
    "SnapshotMismatch",
    "SpanNotFound",
    "ToolError",
    "ToolFault",
    "ToolNotRestorable",
    "error_type",
]


_WRITING = ("made", "recorded to", "written")
_CANDIDATES = 10
"""So many paths are told of those that a name may mean."""


class AgentTraceError(Exception):
    """Base of every error this project raises. Its text may quote what a file holds, and cannot steer a terminal."""

    def __str__(self) -> str:
        """Return the text."""
        return escaped_lines(super().__str__())


class ConfigError(AgentTraceError, ValueError):
    """A setting has no meaning: the text names the setting, its source and the values it may have."""


class RunAmbiguous(ConfigError):
    """Several recordings have the name that was given for one: `.candidates` are their paths."""

    def __init__(self, name: str, candidates: Sequence[Path]) -> None:
        told = [f"           {path}" for path in candidates[:_CANDIDATES]]
        if len(candidates) > _CANDIDATES:
            told.append(f"           and {len(candidates) - _CANDIDATES:,} more")
        listed = "\n".join(told).lstrip()
        super().__init__(
            f"{len(candidates):,} recordings are called {name!r}.\n  these    {listed}\n  to fix   name one by its path"
        )
        self.name = name
        self.candidates = tuple(candidates)


class SelectorError(ConfigError):
    """A selector of spans cannot be read: `.position` counts its characters from 0."""

    def __init__(self, selector: str, position: int, reason: str, expected: str) -> None:
        super().__init__(
            f"The selector cannot be read at character {position + 1}: {reason}.\n"
            f"  selector {selector}\n           {' ' * position}^\n  to fix   {expected}"
        )
        self.selector = selector
        self.position = position


class SpanNotFound(ConfigError, LookupError):
    """A text means no span of a run, or several."""

    def __init__(self, span: str, reason: str, nearest: str = "") -> None:
        near = f"\n  nearest  {escaped_lines(nearest)}" if nearest else ""
        fix = "the beginning of an id, a name, last, last-error, or a selector that chooses one span: '#7'"
        super().__init__(f"{escaped_lines(repr(span))}: {reason}.{near}\n  to fix   {fix}")
        self.span = span


class CassetteError(AgentTraceError):
    """A cassette cannot be used."""


class CassetteNotFound(CassetteError, FileNotFoundError):
    """There is no file where a cassette was expected."""

    def __init__(self, path: Path, hint: str) -> None:
        super().__init__(f"No cassette at {path}.\n  to fix   {hint}")
        self.path = path


_NAME_A_FILE = "name a file, in a folder that you may write to, such as run.otlp.jsonl"
_NAME_A_READABLE = "name a file that you may read; what comes through a pipe is named -"


class CassetteInaccessible(CassetteError):
    """The system does not let a cassette be opened, or what stands at its path is no file: `.is_output` if it was to be written."""

    def __init__(self, path: Path, purpose: str, reason: str, cure: str | None = None) -> None:
        told = cure or (_NAME_A_READABLE if purpose == "read" else _NAME_A_FILE)
        super().__init__(f"{path} cannot be {purpose}: {reason}.\n  to fix   {told}")
        self.path = path
        self.reason = reason
        self.is_output = purpose in _WRITING


class CassetteCorrupt(CassetteError, ValueError):
    """A line of a cassette, or the file itself (`line` is None), is not what the format promises."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}" if line is None else f"{path}:{line}"
        named = shlex.quote(str(path))
        cure = f"look: otel-agenttrace validate {named}, or record it again"
        if ".otlp.jsonl" not in path.name:
            cure = f"look: otel-agenttrace validate {named}; if another tool wrote it: otel-agenttrace ingest otlp {named} -o FOLDER"
        super().__init__(f"{where}: {reason}\n  to fix   {cure}")
        self.path = path
        self.line = line
        self.reason = reason


class LogOfAnotherTool(CassetteError):
    """A file is the log of another tool, in the format `.form`: it can be shown as it is, and imported, but not replayed."""

    def __init__(self, path: Path, form: str) -> None:
        command = f"otel-agenttrace ingest {form} {shlex.quote(str(path))} -o recorded"
        super().__init__(f"{path} is no trace, but a file of the format {form}.\n  to fix   {command}")
        self.path = path
        self.form = form


class CassetteTooLarge(CassetteError):
    """A packed cassette becomes more than `.limit` bytes: it may be made to fill the memory or the disk."""

    def __init__(self, path: Path, limit: int, told: str) -> None:
        plain = shlex.quote(str(path.with_suffix("")))
        super().__init__(
            f"{path} is refused: it unpacks to more than {limit:,} bytes, {told}.\n"
            f"  to fix   if you trust it, unpack it yourself (zstd -d {shlex.quote(str(path))}) and use {plain}, "
            "which has no limit"
        )
        self.path = path
        self.limit = limit


class CassetteTooNew(CassetteError):
    """A cassette was written by a newer release."""

    def __init__(self, path: Path, version: int, supported: int) -> None:
        super().__init__(
            f"{path} has format version {version}; this release reads up to {supported}.\n"
            "  to fix   pip install --upgrade otel-agenttrace"
        )
        self.path = path
        self.version = version
        self.supported = supported


class ReplayError(AgentTraceError):
    """A recorded call cannot be answered."""


class ReplayMiss(ReplayError, LookupError):
    """No recording answers a call."""

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        nearest: str | None = None,
        first_difference: str | None = None,
    ) -> None:
        super().__init__(message)
        self.request = request
        self.nearest = nearest
        self.first_difference = first_difference


class ReplayExhausted(ReplayMiss):
    """A recording answers the call, but each of its answers was given already."""


class ToolNotRestorable(ReplayMiss):
    """A tool's call was recorded, but what it gave cannot be given again: `.tool` and `.reason` tell what and why."""

    def __init__(self, message: str, *, tool: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.tool = tool
        self.reason = reason


class ReplayFailed(ReplayError):
    """A replay ended well, and not as it was asked to: `.counts` tells of each outcome that fails it how many."""

    def __init__(self, path: Path, counts: Mapping[str, int]) -> None:
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        super().__init__(
            f"The replay of {path} has {told}.\n  to fix   session.outcomes tells of each call what it was"
        )
        self.path = path
        self.counts = dict(counts)


class EgressBlocked(ReplayError, ConnectionError):
    """Replay kept a connection, a look-up of a name, or a child process without a guard from leaving: `.host` names it.

    `.is_telemetry` tells whether it was an SDK's own affair: then it fails no replay.
    """

    def __init__(self, host: str, message: str, *, is_telemetry: bool = False) -> None:
        super().__init__(message)
        self.host = host
        self.is_telemetry = is_telemetry
        self.errno = errno.ECONNREFUSED
        self.strerror = message.partition("\n")[0]

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[EgressBlocked], tuple[str, str], dict[str, object]]:
        return type(self), (self.host, str(self)), {"is_telemetry": self.is_telemetry}


class ToolError(AgentTraceError):
    """A recorded tool failed with an error whose class is not at hand: `.type` names it, the text is the recorded one."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.type = kind

    def __str__(self) -> str:
        """Return the text as the tool gave it: the program compares it."""
        return Exception.__str__(self)


class IngestError(AgentTraceError):
    """A foreign file cannot be read as a trace."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class GitHubError(AgentTraceError):
    """GitHub does not tell what was asked for, or nobody answers as GitHub does: `.url` and `.reason` tell where and why."""

    def __init__(self, url: str, reason: str, cure: str) -> None:
        super().__init__(f"{url}: {reason}.\n  to fix   {cure}")
        self.url = url
        self.reason = reason


class GitHubLimited(GitHubError):
    """GitHub answers no more for now: `.resets_in_s` tells for how many seconds, None where it does not say."""

    def __init__(self, url: str, reason: str, cure: str, resets_in_s: float | None) -> None:
        super().__init__(url, reason, cure)
        self.resets_in_s = resets_in_s


class ToolFault(AgentTraceError, RuntimeError):
    """A tool fails because a fault says so: `.fault` is its text."""

    def __init__(self, message: str, fault: str) -> None:
        super().__init__(message)
        self.fault = fault


class CheckFailed(AgentTraceError, AssertionError):
    """A trace breaks a rule it was checked against."""

    def __init__(self, message: str, findings: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class BudgetExceeded(CheckFailed):
    """A run took more than it may: money, tokens, calls, time; or it cannot be told whether it did."""


class RegressionFound(CheckFailed):
    """A run is not what its baseline was."""


class AnswerUnknown(AgentTraceError, ValueError):
    """What one side of a comparison answered is not known: `.side` tells which. Not a finding: nothing was compared."""

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(
            f"The {side} has no answer to compare: {reason}.\n"
            "  to fix   give a trace whose last call to a model answered with text, or the text itself"
        )
        self.side = side
        self.reason = reason


class SnapshotMismatch(CheckFailed):
    """A run is not what its snapshot tells, or has none: `.path` is the snapshot."""

    def __init__(self, message: str, findings: Sequence[object], path: Path) -> None:
        super().__init__(message, findings)
        self.path = path

    def __str__(self) -> str:
        """Return the text, with the colours that were asked for: what is foreign in it was made safe before."""
        return str(self.args[0])


class NotClean(AgentTraceError, ValueError):
    """What is to be written holds what redaction finds and cannot remove; nothing was written."""

    def __init__(self, span_id: str, kind: str) -> None:
        super().__init__(
            f"The row of span {span_id} cannot be cleaned: the rules find something of the kind {kind!r} in what is left.\n"
            f"  to fix   mend the rule that finds it, or leave the span out: --filter '!id={span_id}'; nothing was written"
        )
        self.span_id = span_id
        self.kind = kind


class NotEncodable(AgentTraceError, ValueError):
    """A response has a part that an API has no place for: `.api` and `.part` tell which."""

    def __init__(self, api: str, part: str) -> None:
        super().__init__(f"{api} has no place for a part of type {part!r}")
        self.api = api
        self.part = part


def error_type(error: BaseException) -> str:
    """Return what an exception is called in `error.type`: its class by the shortest way it can be imported."""
    if isinstance(error, ToolError):
        return error.type
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    package = kind.__module__.partition(".")[0]
    is_public = getattr(sys.modules.get(package), kind.__qualname__, None) is kind
    return f"{package if is_public else kind.__module__}.{kind.__qualname__}"
