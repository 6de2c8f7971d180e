"""Open a session the way every door of the house does: seams in, credentials offered, then the cassette."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from otel_agenttrace.children import python_path
from otel_agenttrace.config import Config, RecordMode, resolve
from otel_agenttrace.environment import OTEL_AGENTTRACE_REDACT
from otel_agenttrace.errors import AgentTraceError, ConfigError
from otel_agenttrace.escaping import escaped_lines
from otel_agenttrace.in_force import open_sessions
from otel_agenttrace.model import AttributeValue
from otel_agenttrace.playback.patches import Patch
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.session_options import Cures, SessionOptions
from otel_agenttrace.sessions import Session
from otel_agenttrace.spans import end_dropped
from otel_agenttrace_instrumentation import seams
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.calls import finish_open_calls
from otel_agenttrace_instrumentation.closing import closing_line, sdks_seen
from otel_agenttrace_instrumentation.credentials import PLACEHOLDER
from otel_agenttrace_instrumentation.loading import cost_function
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import loaded_rules

__all__ = [
    "Opened",
    "close_session",
    "failing_session",
    "open_session",
    "prepare_session",
    "process_session",
]

_KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY")
"""SDK constructors insist on one of these; a replay needs none."""


def prepare_session(
    path: Path,
    mode: RecordMode,
    *,
    resource: Mapping[str, AttributeValue] | None = None,
    export_replay: bool = False,
    in_place: bool = False,
    config: Config | None = None,
    plan: ReplayPlan | None = None,
    fork: Path | None = None,
    patches: tuple[Patch, ...] = (),
    is_guarded: bool = False,
    cures: Cures | None = None,
) -> Session:
    """Return a session that is not open yet; prices, URL policy, rules of matching and redaction are those of the settings.

    A replay with a `fork` goes live where its recordings end, unless the plan says when, and is recorded there.
    """
    config = config or Config()
    plan = plan or ReplayPlan()
    plan = replace(plan, allow=(*plan.allow, *config.allow), has_functions=bool(patches))
    options = SessionOptions(
        resource=resource or _resource(os.environ),
        environ=os.environ,
        export_replay=export_replay or config.export_replay,
        in_place=in_place,
        policy=config.policy,
        plan=replace(plan, until=plan.until or "miss") if fork is not None else plan,
        fork=fork,
        patches=patches,
        cost_of=cost_function(config),
        match=config.match,
        redact=loaded_rules(config.redact),
        is_guarded=is_guarded,
        cures=cures or Cures(),
    )
    return Session(path, mode, options)


def open_session(session: Session, *, lenient: bool = False, takes_calls: bool = True) -> Session:
    """Open a session with its seams; when lenient, what is wrong with the cassette is raised by the first call.

    Raises:
        CassetteError: If a cassette that must answer cannot be read, unless lenient.
    """
    seams.install(session)
    try:
        if lenient:
            session.enter_lenient()
        else:
            session.enter(takes_calls=takes_calls)
    except BaseException:
        seams.uninstall(session)
        raise
    told = session.options.redact.told()
    if told:
        _lend(os.environ, OTEL_AGENTTRACE_REDACT, told)
    if takes_calls:
        _lend(os.environ, "PYTHONPATH", python_path(os.environ))
    if session.is_guarded:
        for name in _KEYS:
            if not os.environ.get(name):
                _lend(os.environ, name, PLACEHOLDER)
        _lend(os.environ, "NO_GCE_CHECK", "true")  # google-auth looks for a machine of Google's by its address
    return session


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and whether whoever asked for it is to close it."""

    session: Session
    is_owner: bool

    def close(self) -> None:
        """Close the session, if it is ours."""
        if self.is_owner:
            close_session(self.session)


def process_session(
    path: Path,
    mode: RecordMode,
    *,
    lenient: bool = False,
    export_replay: bool = False,
    in_place: bool = False,
    config: Config | None = None,
) -> Opened:
    """Return the open session of a cassette, opening one for the whole process if there is none; it ends at exit.

    While another cassette replays, one that is opened to record takes spans only: its calls are answered elsewhere.
    Without a `config` the prices and the URL policy are those of the environment and of pyproject.toml.

    Raises:
        CassetteError: If a cassette that must answer cannot be read, unless lenient.
        ConfigError: If a setting has no meaning, or if the cassette is being recorded and is asked to replay.
    """
    for session in open_sessions():
        if session.path == path.absolute():
            if mode == "none" and not session.run.is_replaying:
                raise ConfigError(
                    f"{path} is being recorded, and cannot answer calls at the same time.\n"
                    "  to fix   end the recording first, or replay another cassette"
                )
            return Opened(session, is_owner=False)
    settings = config or resolve(os.environ, pyproject_settings(Path.cwd()))
    session = prepare_session(path, mode, export_replay=export_replay, in_place=in_place, config=settings)
    is_answered = any(other.run.is_replaying and other.takes_calls for other in open_sessions())
    open_session(session, lenient=lenient, takes_calls=session.run.is_replaying or not is_answered)
    atexit.register(_close_at_exit, session)
    return Opened(session, is_owner=True)


def failing_session(path: Path, error: AgentTraceError) -> Session:
    """Return a session that raises this error at each call: better than to let one live that may not."""
    session = prepare_session(path, "none")
    session.fail_with(error)
    seams.install(session)
    return session


def _close_at_exit(session: Session) -> None:
    interrupted = getattr(sys, "last_type", None)
    close_session(session, keep_partial=interrupted is KeyboardInterrupt, keep_guard=True)


def close_session(
    session: Session,
    *,
    keep_partial: bool = False,
    has_failed: bool = False,
    quiet: bool = False,
    keep_guard: bool = False,
    settles: bool = True,
) -> None:
    """End the calls that are open, then the session; the root of the run says on stderr how it went.

    Whatever fails here is logged: an exception would stand in the place of the program's own.

    Args:
        session: The session; twice is once.
        keep_partial: Whether what was recorded stays in the partial.
        has_failed: Whether the program failed.
        quiet: Whether to say nothing.
        keep_guard: Whether the guard of a replay stays for the rest of the process.
        settles: Whether what was recorded gets its name now; else the session is settled, or set aside, later.
    """
    if not session.is_open:
        return
    steps: list[Callable[[], object]] = [
        partial(finish_open_calls, session),
        end_dropped,
        *([] if session.run.is_root else [lambda: session.run.tell(sdks_seen())]),
        partial(
            session.close, keep_partial=keep_partial, has_failed=has_failed, keep_guard=keep_guard, settles=settles
        ),
        partial(seams.uninstall, session, stay_on_guard=session.mode == "none"),
        _take_back,
        *([partial(_say, session)] if session.run.is_root and not quiet else []),
    ]
    for step in steps:
        observe(step, raises=False)


def _say(session: Session) -> None:
    line = closing_line(session)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a daemon has a closed stderr, or None
        sys.stderr.write(f"{escaped_lines(line)}\n")


_lent: dict[str, tuple[str | None, str]] = {}
"""What stood in the environment before a replay, and what stands there for its time."""


def _lend(environ: MutableMapping[str, str], name: str, value: str) -> None:
    if environ.get(name) != value:
        _lent[name] = environ.get(name), value
        environ[name] = value


def _take_back() -> None:
    if any(session.takes_calls for session in open_sessions()):
        return
    while _lent:
        name, (before, lent) = _lent.popitem()
        if os.environ.get(name) != lent:
            continue
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _resource(environ: Mapping[str, str]) -> Mapping[str, AttributeValue]:
    """Return the resource of this process as the OpenTelemetry variables tell it."""
    pairs = (pair.partition("=") for pair in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",") if "=" in pair)
    told: dict[str, AttributeValue] = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    service = environ.get("OTEL_SERVICE_NAME") or told.get("service.name") or "unknown_service"
    return {**told, "service.name": service, "process.pid": os.getpid()}
