"""Which session is in force where a call is made, and which are open in this process. Sessions in, the one that is meant out.

A session says here when it opens and ends; whoever makes a call asks here.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from collections.abc import MutableMapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import ReplayError
from otel_agenttrace.redact import Redactor, environment_redactor
from otel_agenttrace.redaction import BUILT_IN, RedactionRules

if TYPE_CHECKING:
    from otel_agenttrace.sessions import Session

__all__ = [
    "answering_session",
    "begin",
    "current_session",
    "end",
    "execution",
    "held_session",
    "hold",
    "is_guarded_here",
    "know",
    "let_go",
    "open_sessions",
    "redactor_in_force",
    "tell_children",
]

_log = logging.getLogger("otel_agenttrace")
_context: ContextVar[Session | None] = ContextVar("otel_agenttrace_session", default=None)
_open_sessions: list[Session] = []
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def know(session: Session) -> None:
    """Take note of a session, open or not: in a forked child it is made usable again."""
    _sessions.add(session)


def begin(session: Session) -> None:
    """Take note that a session is open."""
    _open_sessions.append(session)


def end(session: Session) -> None:
    """Take note that a session is no longer open."""
    _open_sessions.remove(session)


def held_session() -> Session | None:
    """Return the session that this context was given, open or over."""
    return _context.get()


def hold(session: Session) -> Token[Session | None]:
    """Give this context a session; return what takes it back."""
    return _context.set(session)


def let_go(token: Token[Session | None]) -> bool:
    """Take a session back from this context; whether it is the one the session was entered in."""
    try:
        _context.reset(token)
    except ValueError:
        _context.set(None)
        return False
    return True


def open_sessions() -> tuple[Session, ...]:
    """Return the sessions that are open in this process, oldest first."""
    return tuple(_open_sessions)


def current_session() -> Session | None:
    """Return the session in force: that of this context, else the only one that is open in the process.

    Raises:
        ReplayError: If the replay of this context is over, or if several sessions are open, one of them replays, and no
            context says which is meant.
    """
    session = _context.get()
    if session is not None and session.is_open:
        return session
    asked = [session for session in _open_sessions if session.takes_calls]
    if len(asked) > 1:
        _warn_of_several()
    if asked:
        return asked[-1]
    if session is not None and session.mode == "none" and not session.was_opened_here():
        raise ReplayError(
            f"The replay of {session.given_path} is over, and this call was begun inside it.\n"
            "  to fix   wait for threads and tasks before the session ends"
        )
    return None


def redactor_in_force(rules: RedactionRules | None) -> Redactor:
    """Return the redactor of the session in force; without one, that of these rules for this process's environment."""
    held = _context.get()
    found = [held] if held is not None and held.is_open else _open_sessions
    return found[-1].redactor if found else environment_redactor(os.environ, rules or BUILT_IN)


def is_guarded_here() -> bool:
    """Whether the guard of a replay keeps what runs here from leaving the machine."""
    return any(session.is_guarded and session.is_in_force_here() for session in _open_sessions)


def answering_session() -> Session | None:
    """Return the session that answers tools from its recording, or None where tools run.

    Raises:
        ReplayError: If tools are frozen, and it cannot be told by which recording, or its replay is over.
    """
    held = _context.get()
    if not any(session.answers.takes_tools for session in (*_open_sessions, *([held] if held is not None else []))):
        return None
    session = current_session()
    return session if session is not None and session.answers.takes_tools else None


def _warn_of_several() -> None:
    paths = ", ".join(str(session.path) for session in _open_sessions)
    if any(session.run.is_replaying for session in _open_sessions):
        raise ReplayError(
            f"Several sessions are open ({paths}) and this call has no context to choose by.\n"
            "  to fix   run the call in the context of its session: contextvars.copy_context().run(…)"
        )
    _log.warning("several sessions are open (%s); a call without a context goes to the newest", paths)


def execution() -> tuple[int, int | None]:
    """Return what tells this thread and asyncio task from others that run."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop is running
        task = None
    return threading.get_ident(), id(task) if task is not None else None


_inherited_runs: dict[int, str | None] = {}
"""What stood in each environment, by its id, before a session of ours was open."""


def tell_children(environ: MutableMapping[str, str]) -> None:
    """Have the environment name the run of the newest open session, or what it named before any was open."""
    runs = [each.run for each in _open_sessions if each.takes_calls and each.options.environ is environ]
    if runs:
        _inherited_runs.setdefault(id(environ), environ.get(RUN))
        environ[RUN] = runs[-1].to_environment()
        return
    before = _inherited_runs.pop(id(environ), None)
    if before is None:
        environ.pop(RUN, None)
    else:
        environ[RUN] = before


def _after_fork_in_child() -> None:
    for session in tuple(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
