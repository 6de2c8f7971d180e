"""The border between us and the program we watch: our own faults stop here while we only watch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from otel_agenttrace.errors import AgentTraceError, ReplayError
from otel_agenttrace.sessions import open_sessions

__all__ = ["Interrupt", "observe"]

_log = logging.getLogger("otel_agenttrace")
_Result = TypeVar("_Result")
_told: set[str] = set()


class Interrupt(BaseException):
    """Carries an error of ours through an SDK that would retry or wrap any `Exception`."""

    def __init__(self, error: AgentTraceError) -> None:
        super().__init__(str(error))
        self.error = error


def observe(step: Callable[[], _Result]) -> _Result | None:
    """Return what a step of ours returns. A fault of ours is logged once and dropped; while replaying it is raised.

    Raises:
        AgentTraceError: What we mean to say, and in replay everything else.
    """
    try:
        return step()
    except AgentTraceError:
        raise
    except Exception as error:  # the one border guard: our fault must not reach the application
        if any(session.is_replaying for session in open_sessions()):
            raise ReplayError(f"Replay failed: {type(error).__name__}: {error}") from error
        described = f"{type(error).__name__}: {error}"
        if described not in _told:
            _told.add(described)
            _log.warning("recording failed, the application goes on: %s", described, exc_info=True)
        return None
