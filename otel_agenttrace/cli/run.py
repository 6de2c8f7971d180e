"""`record` and `replay`: run any command with recording or replay switched on in it and its children."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar, get_args

import click
from click.core import ParameterSource

from otel_agenttrace.cassette.reader import open_cassette, with_calls
from otel_agenttrace.children import python_path
from otel_agenttrace.cli.ages import checked_age
from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.config import resolve
from otel_agenttrace.environment import OTEL_AGENTTRACE_CASSETTE, OTEL_AGENTTRACE_MODE
from otel_agenttrace.errors import EgressBlocked
from otel_agenttrace.playback.plan import OnMiss, ReplayPlan
from otel_agenttrace.playback.rerecording import places_of
from otel_agenttrace.sessions import FailOn, Session
from otel_agenttrace_instrumentation.opening import close_session, open_session, prepare_session
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["exit_code", "record", "refresh", "replay"]

_CASSETTE = click.argument("cassette", type=click.Path(path_type=Path, dir_okay=False))
_COMMAND = click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
_CONTEXT: Final = {"allow_interspersed_args": False}
_Decorated = TypeVar("_Decorated", bound=Callable[..., object])


_PRUNE: Final = click.option("--prune", is_flag=True, help="Remove recorded calls that COMMAND does not ask for.")


def _said(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse an option that is given and empty: a variable of the shell that was not set."""
    source = context.get_parameter_source(parameter.name or "")
    if not value and source is ParameterSource.COMMANDLINE:
        raise click.BadParameter("it is empty: name calls, as in 'inference[2]', or leave it out")
    return value


def _faulty(command: _Decorated) -> _Decorated:
    """Give a command the options that inject failures."""
    fault = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="'SELECTOR KIND [NAME=VALUE …]'",
        help="Inject a failure: 'inference[2] 429 retry-after=2'. KIND: a status, timeout, reset, refused, malformed, "
        "cut=N, slow=TIME, tool-error. docs/faults.md",
    )
    seed = click.option(
        "--seed", default=0, show_default=True, metavar="N", help="Which calls a fault with rate= strikes."
    )
    return fault(seed(command))


@click.command(
    context_settings=_CONTEXT,
    epilog="Example: otel-agenttrace record run.otlp.jsonl -- python agent.py",
)
@click.option(
    "--mode",
    type=click.Choice(["once", "new", "all"]),
    default="all",
    show_default=True,
    help="all: record everything anew; new: answer what is recorded, record the rest; once: only if there is no cassette.",
)
@click.option(
    "--only",
    default="",
    callback=_said,
    metavar="SELECTOR",
    help="Make the calls again that it chooses, and answer the others from CASSETTE: 'inference[2]', 'model=gpt-4o*'.",
)
@_PRUNE
@_faulty
@_CASSETTE
@_COMMAND
def record(cassette: Path, command: tuple[str, ...], mode: str, **plan: Any) -> None:
    """Run COMMAND and record what its agents do to CASSETTE. Python children are recorded too."""
    chosen = ReplayPlan(**plan)
    if chosen.only and mode == "once":
        raise click.UsageError("--only makes calls of a cassette again, --mode once none. Leave one of them out.")
    raise SystemExit(_run(cassette, "new" if chosen.only else mode, command, chosen))


@click.command(
    epilog="Example: otel-agenttrace refresh run.otlp.jsonl --older-than 30d -- python agent.py",
)
@click.option("--older-than", required=True, callback=checked_age, metavar="AGE", help="Such as 12h, 30d or 2w.")
@_PRUNE
@_CASSETTE
@_COMMAND
def refresh(cassette: Path, command: tuple[str, ...], older_than: str, prune: bool) -> None:
    """Run COMMAND and make the calls again that were recorded long ago; the others are answered from CASSETTE."""
    plan = ReplayPlan(only=f"age>{older_than}", prune=prune)
    if not places_of(with_calls(open_cassette(cassette, strict=True)), plan.only, time.time_ns()):
        click.echo(f"refreshed nothing: no call of {cassette} is older than {older_than}", err=True)
        return
    raise SystemExit(_run(cassette, "new", command, plan))


@click.command(
    context_settings=_CONTEXT,
    epilog="Example: otel-agenttrace replay run.otlp.jsonl -- python agent.py",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(get_args(FailOn)),
    help="Exit 1 although COMMAND succeeded, as after a miss: a call had an inexact recording or went live, or a recording was not asked for.",
)
@click.option(
    "--on-miss",
    type=click.Choice(get_args(OnMiss)),
    default="fail",
    show_default=True,
    help="What becomes of a call that no recording answers: it fails, or goes live.",
)
@click.option(
    "--until",
    default="",
    callback=_said,
    metavar="SELECTOR|miss|drift",
    help="From this recorded call on all go live: a selector such as 'inference[5]', the first miss or drift.",
)
@click.option(
    "--freeze",
    default="llm",
    show_default=True,
    metavar="llm,tools",
    help="What is answered from the recording: llm, tools, or both (a dry run). What is not named goes live.",
)
@click.option("--run-tool", "run_tools", multiple=True, metavar="NAME", help="With tools frozen: let this tool run.")
@click.option(
    "--patch",
    "patches",
    multiple=True,
    metavar="'SELECTOR PART = VALUE'",
    help="Change what is replayed: 'inference[2] answer = No'. PART is answer, response/POINTER, request/POINTER or "
    "result; also += and ~=. docs/forks.md",
)
@click.option(
    "--fork",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record this run to FILE, a cassette of its own: live from the first miss, or from --until on.",
)
@click.option(
    "--timing",
    default="instant",
    show_default=True,
    metavar="instant|real|xN|first-token",
    help="When chunks come: at once, as recorded, N times as fast, all with the first.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Let the run reach this host too, such as db.intern.test:5432 or '*.example.com'; else only this machine.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Make each call live too (needs network and key), and tell where its answer differs; writes nothing.",
)
@_faulty
@click.argument("cassette", type=RunPath(dir_okay=False))
@_COMMAND
def replay(
    cassette: Path,
    command: tuple[str, ...],
    fail_on: tuple[str, ...],
    freeze: str,
    fork: Path | None,
    **plan: Any,
) -> None:
    """Run COMMAND and answer its calls from CASSETTE: no network, no API key."""
    frozen = tuple(word.strip() for word in freeze.split(",") if word.strip())
    raise SystemExit(_run(cassette, "none", command, ReplayPlan(freeze=frozen, **plan), fail_on=fail_on, fork=fork))


def _run(
    cassette: Path,
    mode: str,
    command: tuple[str, ...],
    plan: ReplayPlan,
    *,
    fail_on: tuple[str, ...] = (),
    fork: Path | None = None,
) -> int:
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise click.UsageError("Missing argument 'COMMAND...'.")
    if command[0].startswith("-"):
        raise click.UsageError(f"{command[0]} is an option: it stands before {cassette}.")
    config = resolve(os.environ, pyproject_settings(Path.cwd()), cassette=cassette, mode=mode)
    session = open_session(prepare_session(cassette, config.mode, config=config, plan=plan, fork=fork))
    try:
        code = exit_code(command, _environment(session))
    except EgressBlocked as error:
        close_session(session, keep_partial=True, quiet=True)
        raise click.UsageError(f"{error.strerror}\n  to fix   --allow {error.host!r}, or start it otherwise") from error
    except OSError as error:
        close_session(session, keep_partial=True, quiet=True)
        raise click.UsageError(
            f"{command[0]} cannot be started: {error.strerror}\n  the cassette is {cassette}, the command {shlex.join(command)}"
        ) from error
    close_session(session, keep_partial=code < 0, has_failed=code != 0)
    code = code if code >= 0 else 128 - code
    return code or int(_has_failed(session, fail_on))


def _has_failed(session: Session, fail_on: tuple[str, ...]) -> bool:
    """Whether a replay did not go as asked, though the command succeeded."""
    is_asked = session.mode == "none" or bool(session.plan.only)
    if is_asked and not any("started" in fact for fact in session.tally.facts):
        click.echo(
            "otel-agenttrace: no Python process of the command was under replay: its calls went where they would.\n"
            f"  to fix   run it with a Python that has otel-agenttrace ({sys.executable} has), and without -I, -E or -S",
            err=True,
        )
        return True
    done = session.recorder.rewriting
    if done is not None and (done.failure is not None or done.failed):
        return True
    return any(count for kind, count in session.failures.items() if kind in ("miss", "egress", *fail_on))


def _environment(session: Session) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": python_path(os.environ),
        OTEL_AGENTTRACE_CASSETTE: str(session.path),
        OTEL_AGENTTRACE_MODE: session.mode,
    }


def exit_code(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Return the exit code of a command; one that died by a signal gives the signal's number, negative."""
    process = subprocess.Popen(command, env=environment)
    with _signals_to(process):
        return process.wait()


@contextmanager
def _signals_to(process: subprocess.Popen[bytes]) -> Generator[None]:
    """Pass a termination on; an interrupt from the terminal reaches the command by itself."""

    def ignore(_: int, __: FrameType | None) -> None:
        """Wait on: the command has heard it too."""

    def forward(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, forward),
        signal.SIGINT: signal.signal(signal.SIGINT, ignore),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
