"""The border between us and the program we watch: our own faults stop here while we only watch."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import TypeVar

from otel_agenttrace.errors import AgentTraceError, ReplayError
from otel_agenttrace.in_force import open_sessions

__all__ = ["Interrupt", "observe"]

_log = logging.getLogger("otel_agenttrace")
_Result = TypeVar("_Result")
_told: set[str] = set()


class Interrupt(BaseException):
    """Carries an error of ours through an SDK that would retry or wrap any `Exception`."""

    def __init__(self, error: AgentTraceError) -> None:
        super().__init__(str(error))
        self.error = error


def observe(step: Callable[[], _Result], *, raises: bool = True) -> _Result | None:
    """Return what a step of ours returns. A fault of ours is logged once and dropped; while replaying it is raised.

    Args:
        step: What we do.
        raises: Whether anything may be raised at all, but what a signal handler of the program raised in between.

    Raises:
        AgentTraceError: What we mean to say, and in replay everything else.
    """
    try:
        return step()
    except Exception as error:  # the one border guard: our fault must not reach the application
        if (raises and isinstance(error, AgentTraceError)) or _is_from_signal_handler(error.__traceback__):
            raise
        if raises and any(session.run.is_replaying for session in open_sessions()):
            raise ReplayError(f"Replay failed: {type(error).__name__}: {error}") from error
        described = f"{type(error).__name__}: {error}"
        if described not in _told:
            _told.add(described)
            _log.warning("recording failed, the application goes on: %s", described, exc_info=True)
        return None


def _is_from_signal_handler(traceback: TracebackType | None) -> bool:
    """Whether an exception came out of a signal handler that ran in the middle of our work: a timeout of the program."""
    handlers = {code for number in signal.valid_signals() if (code := _code_of(signal.getsignal(number))) is not None}
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False


def _code_of(handler: object) -> CodeType | None:
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return code if isinstance(code, CodeType) else None
