"""The errors this project raises.

AgentTraceError
├─ ConfigError(ValueError)
├─ CassetteError
│  ├─ CassetteNotFound(FileNotFoundError)
│  ├─ CassetteCorrupt(ValueError)     .path .line
│  └─ CassetteTooNew                  .version .supported
├─ ReplayError
│  ├─ ReplayMiss(LookupError)         .request .nearest .first_difference
│  ├─ ReplayExhausted
│  └─ EgressBlocked(ConnectionError)  .host
├─ IngestError                        .path .line
└─ CheckFailed(AssertionError)        .findings
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "AgentTraceError",
    "CassetteCorrupt",
    "CassetteError",
    "CassetteNotFound",
    "CassetteTooNew",
    "CheckFailed",
    "ConfigError",
    "EgressBlocked",
    "IngestError",
    "ReplayError",
    "ReplayExhausted",
    "ReplayMiss",
]


class AgentTraceError(Exception):
    """Base of every error this project raises."""


class ConfigError(AgentTraceError, ValueError):
    """A setting has no meaning: the text names the setting, its source and the values it may have."""


class CassetteError(AgentTraceError):
    """A cassette cannot be used."""


class CassetteNotFound(CassetteError, FileNotFoundError):
    """There is no file where a cassette was expected."""

    def __init__(self, path: Path, hint: str) -> None:
        super().__init__(f"No cassette at {path}.\n  to fix   {hint}")
        self.path = path


class CassetteCorrupt(CassetteError, ValueError):
    """A line of a cassette is not what the format promises."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(
            f"{path}:{line}: {reason}\n  to fix   look: otel-agenttrace validate {path}, or record it again"
        )
        self.path = path
        self.line = line
        self.reason = reason


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


class EgressBlocked(ReplayError, ConnectionError):
    """Replay kept a connection from leaving the machine."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(message)
        self.host = host


class IngestError(AgentTraceError):
    """A foreign file cannot be read as a trace."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.line = line


class CheckFailed(AgentTraceError, AssertionError):
    """A trace breaks a rule it was checked against."""

    def __init__(self, message: str, findings: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
