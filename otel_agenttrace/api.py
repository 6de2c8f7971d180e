"""What users call: record, replay, and the spans only their own code knows."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from opentelemetry import trace as otel_trace

from otel_agenttrace.config import RecordMode, record_mode, resolve
from otel_agenttrace.errors import ConfigError, ReplayFailed
from otel_agenttrace.playback.patches import Patch, made_patch
from otel_agenttrace.playback.plan import Frozen, OnMiss, ReplayPlan
from otel_agenttrace.processor import watch_provider
from otel_agenttrace.redaction import RedactionRules
from otel_agenttrace.selectors import Selectable
from otel_agenttrace.sessions import FailOn, Session
from otel_agenttrace.stepping import Steps, stepped, stepped_async
from otel_agenttrace.volatile import MatchRule
from otel_agenttrace_instrumentation.loading import load
from otel_agenttrace_instrumentation.opening import close_session, open_session, prepare_session
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

if TYPE_CHECKING:
    from otel_agenttrace.capture.serving import CassetteServer

__all__ = ["SessionContext", "load", "patch", "record", "replay", "serve", "session", "start", "stop"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Item = TypeVar("_Item")


# --- sessions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """What a session was asked for with."""

    path: Path | None
    mode: RecordMode | None
    export_replay: bool
    quiet: bool
    plan: ReplayPlan | None
    fork: Path | None
    match: tuple[MatchRule, ...]
    redact: RedactionRules | None
    patches: tuple[Patch, ...]
    fail_on: tuple[FailOn, ...]


class SessionContext:
    """A session to enter with `with` or `async with`, or to decorate a function with: then each call is a run."""

    def __init__(self, told: _Told) -> None:
        self._told = told
        self._sessions: list[Session] = []

    def __enter__(self) -> Session:
        told = self._told
        pyproject = pyproject_settings(Path.cwd())
        settings = resolve(
            os.environ, pyproject, cassette=told.path, mode=told.mode, match=told.match, redact=told.redact
        )
        prepared = prepare_session(
            settings.cassette or Path("run.otlp.jsonl"),
            settings.mode,
            export_replay=told.export_replay,
            config=settings,
            plan=told.plan,
            fork=told.fork,
            patches=told.patches,
        )
        watch_provider(otel_trace.get_tracer_provider())
        self._sessions.append(open_session(prepared))
        return self._sessions[-1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sessions:
            keep = kind is not None and issubclass(kind, KeyboardInterrupt)
            session = self._sessions.pop()
            close_session(session, keep_partial=keep, has_failed=kind is not None, quiet=self._told.quiet)
            failed = {name: count for name, count in session.failures.items() if count and name in self._told.fail_on}
            if failed and kind is None:
                raise ReplayFailed(session.given_path, failed)

    async def __aenter__(self) -> Session:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _begin(self, _: tuple[Any, ...], __: Mapping[str, Any]) -> Steps:
        context = self._again()
        opened = context.__enter__()
        opened.step_out()

        def ended(error: BaseException | None, _: int | None) -> None:
            context.__exit__(type(error) if error is not None else None, error, None)

        return Steps(opened.in_force, ended)

    def _again(self) -> SessionContext:
        return SessionContext(self._told)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return the function with each of its calls in a session of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                async with self._again():
                    return await function(*args, **kwargs)

            return cast("Callable[_P, _R]", run_async)
        if inspect.isasyncgenfunction(function):
            return cast("Callable[_P, _R]", stepped_async(function, self._begin))
        if inspect.isgeneratorfunction(function):
            return cast("Callable[_P, _R]", stepped(function, self._begin))

        @functools.wraps(function)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self._again():
                return function(*args, **kwargs)

        return run


def session(
    path: str | Path | None = None,
    mode: str | None = None,
    *,
    export_replay: bool = False,
    quiet: bool = False,
    plan: ReplayPlan | None = None,
    fork: str | Path | None = None,
    match: Sequence[MatchRule] = (),
    redact: RedactionRules | None = None,
    patches: Sequence[Patch] = (),
    fail_on: Sequence[FailOn] = (),
) -> SessionContext:
    """Return a session on a cassette; what is not given comes from the environment or pyproject.toml.

    Args:
        path: The cassette.
        mode: `none`, `once`, `new` or `all`.
        export_replay: Whether spans of replayed calls are exported too; backends bill their tokens.
        quiet: Whether to leave out the closing line on stderr.
        plan: What a replay does besides answering; None answers each call from the recording.
        fork: A cassette that a replay is recorded to, with what goes live in it.
        match: What else changes from run to run, before the rules of pyproject.toml; child processes know only those.
        redact: What is redacted on top of secrets, in the place of what the environment or pyproject.toml says.
        patches: Changes by functions; those by texts stand in the plan, and reach child processes too.
        fail_on: Which outcomes raise `ReplayFailed` when the block ends well: `drift`, `miss`, `live`, `unplayed`, `egress`.

    Raises:
        ConfigError: If the mode has no meaning.
    """
    told = _Told(
        path=Path(path) if path else None,
        mode=record_mode(mode, "mode") if mode is not None else None,
        export_replay=export_replay,
        quiet=quiet,
        plan=plan,
        fork=Path(fork) if fork is not None else None,
        match=tuple(match),
        redact=redact,
        patches=tuple(patches),
        fail_on=tuple(fail_on),
    )
    return SessionContext(told)


def record(
    path: str | Path,
    *,
    quiet: bool = False,
    only: str = "",
    prune: bool = False,
    faults: Sequence[str] = (),
    seed: int = 0,
    redact: RedactionRules | None = None,
) -> SessionContext:
    """Return a session that records every call anew, or those of a cassette that a selector chooses.

    With `only`, the other calls are answered from the cassette, and a call that is not recorded is added.

    Args:
        path: The cassette.
        quiet: Whether to leave out the closing line on stderr.
        only: Which recorded calls are made again and replaced, as docs/selectors.md tells; entering raises `ConfigError`
            if there are none.
        prune: Whether to remove the recorded calls that were not asked for, unless the program fails.
        faults: Failures to inject: `SELECTOR KIND [NAME=VALUE …]`.
        seed: Decides which calls a fault with a rate strikes.
        redact: What is redacted on top of secrets, in the place of what the environment or pyproject.toml says.
    """
    plan = ReplayPlan(faults=_several("faults", faults), seed=seed, only=only, prune=prune)
    return session(path, "new" if only else "all", quiet=quiet, plan=plan, redact=redact)


def _several(name: str, given: Sequence[_Item]) -> tuple[_Item, ...]:
    """Return what is given, unless it is one text: that would be taken letter by letter."""
    if isinstance(given, str):
        raise ConfigError(f"{name} is {given!r}, one text.\n  to fix   a list: [{given!r}]")
    return tuple(given)


def replay(
    path: str | Path,
    *,
    export_replay: bool = False,
    quiet: bool = False,
    freeze: Sequence[Frozen] = ("llm",),
    on_miss: OnMiss = "fail",
    until: str = "",
    patches: Sequence[str | Patch] = (),
    faults: Sequence[str] = (),
    seed: int = 0,
    timing: str = "instant",
    run_tools: Sequence[str] = (),
    verify: bool = False,
    allow: Sequence[str] = (),
    fork: str | Path | None = None,
    match: Sequence[MatchRule] = (),
    redact: RedactionRules | None = None,
    fail_on: Sequence[FailOn] = (),
) -> SessionContext:
    """Return a session that answers calls from the cassette: all of them, with no network, unless told otherwise.

    Args:
        path: The cassette.
        export_replay: Whether spans of replayed calls are exported too; backends bill their tokens.
        quiet: Whether to leave out the closing line on stderr.
        freeze: What is answered from the recording: calls over HTTP (`llm`), results of `@at.tool` (`tools`).
        on_miss: Whether a call without a recording fails, or goes live.
        until: From when on all calls go live: `miss`, `drift`, or a selector of the first one that does.
        patches: Changes of recorded answers, prompts and tool results: `SELECTOR PART = VALUE`, or of `at.patch`.
        faults: Failures to inject: `SELECTOR KIND [NAME=VALUE …]`.
        seed: Decides which calls a fault with a rate strikes.
        timing: When chunks come: `instant`, `real`, `xN` or `first-token`.
        run_tools: Names of tools that run although tools are frozen.
        verify: Whether each call is also made live, and its answer compared with the recorded one.
        allow: Hosts that may be reached, besides this machine: `HOST`, `HOST:PORT`, `*.example.com`.
        fork: A cassette for the run as it goes on: live from the first miss, or from where `until` says.
        match: What else changes from run to run, before the rules of pyproject.toml; child processes know only those.
        redact: What is redacted on top of secrets, in the place of what the environment or pyproject.toml says.
        fail_on: Which outcomes raise `ReplayFailed` when the block ends well: `drift`, `miss`, `live`, `unplayed`, `egress`.

    Raises:
        ConfigError: If one of these has no meaning.
    """
    plan = ReplayPlan(
        freeze=_several("freeze", freeze),
        on_miss=on_miss,
        until=until,
        patches=tuple(patch for patch in _several("patches", patches) if isinstance(patch, str)),
        faults=_several("faults", faults),
        seed=seed,
        timing=timing,
        run_tools=_several("run_tools", run_tools),
        verify=verify,
        allow=_several("allow", allow),
    )
    return session(
        path,
        "none",
        export_replay=export_replay,
        quiet=quiet,
        plan=plan,
        fork=fork,
        match=match,
        redact=redact,
        patches=[patch for patch in patches if not isinstance(patch, str)],
        fail_on=fail_on,
    )


def patch(selector: Selectable, part: str, change: Callable[[Any], Any]) -> Patch:
    """Return a change of what is replayed, made by a function: of old JSON to new.

    Args:
        selector: The recorded spans it is made in, as docs/selectors.md tells, or a function of a span.
        part: What is changed: `answer`, `response/POINTER`, `request/POINTER`, `result` or `result/POINTER`.
        change: Takes the value, and returns what stands in its place.

    Raises:
        ConfigError: If the selector or the part has no meaning.
    """
    return made_patch(selector, part, change)


def serve(path: str | Path, *, host: str = "127.0.0.1", port: int = 0) -> CassetteServer:
    """Return a server that answers the API of a provider from the cassette; enter it, and lead a client to its `url`.

    Args:
        path: The cassette.
        host: The address to listen at.
        port: The port, 0 for a free one.

    Raises:
        CassetteError: If the cassette cannot be read.
        OSError: If the port is not free.
    """
    from otel_agenttrace.capture.serving import CassetteServer

    settings = resolve(os.environ, pyproject_settings(Path.cwd()))
    return CassetteServer(Path(path), redactor_of(settings), host=host, port=port, match=settings.match)


_started: list[SessionContext] = []


def start(path: str | Path | None = None, mode: str | None = None, *, quiet: bool = False) -> Session:
    """Open a session until `stop`, or until the program ends."""
    context = session(path, mode, quiet=quiet)
    opened = context.__enter__()
    if not _started:
        atexit.register(_stop_all)
    _started.append(context)
    return opened


def _stop_all() -> None:
    while _started:
        stop()


def stop() -> None:
    """Close the session that `start` opened last, if one is open."""
    if _started:
        _started.pop().__exit__(*sys.exc_info())
