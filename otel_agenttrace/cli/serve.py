"""`serve`: answer the API of a provider from a cassette, for agents in any language."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import click
from rich.text import Text

from otel_agenttrace.capture.answering import Answer, Asked
from otel_agenttrace.capture.serving import CassetteServer, base_urls
from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.cli.run import exit_code
from otel_agenttrace.config import resolve
from otel_agenttrace.egress import is_loopback_origin
from otel_agenttrace.errors import CassetteError
from otel_agenttrace.model import OutcomeKind
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.terminal import outcome_text, replayed_line
from otel_agenttrace.report.text import escaped_lines
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["serve"]

_KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY")
"""Replaced, though a server needs none: a client that is led elsewhere by its code must not spend anything."""

_NO_PROXY: Final = ("NO_PROXY", "no_proxy")


@click.command(
    epilog="Example: otel-agenttrace serve run.otlp.jsonl -- node agent.js",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), metavar="N", help="The port; 0, the default, takes a free one."
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(["drift", "miss", "unplayed"]),
    help="Exit 1 although COMMAND succeeded, as after a miss: a call had an inexact recording, or one was not asked for.",
)
@click.option("--once", is_flag=True, help="End when every recorded call has been asked for.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line instead of text.")
@click.argument("cassette", type=RunPath(dir_okay=False))
@click.argument("command", nargs=-1, metavar="[-- COMMAND]...", type=click.UNPROCESSED)
def serve(
    cassette: Path,
    command: tuple[str, ...],
    host: str,
    port: int,
    fail_on: tuple[str, ...],
    *,
    once: bool,
    as_json: bool,
) -> None:
    """Answer the HTTP API of a provider from CASSETTE on this machine: no network, no API key, agents in any language.

    With COMMAND: runs it with the base URLs set and keys that open nothing, ends with it, and exits as it did. Without:
    ends on Ctrl-C or SIGTERM.
    """
    ended = threading.Event()
    teller = _Teller(cassette, sys.stderr if command else sys.stdout, as_json=as_json)

    def on_answer(asked: Asked, answer: Answer) -> None:
        teller.answered(asked, answer)
        if once and server.is_played:
            ended.set()

    server = _opened(cassette, host, port, on_answer)
    code = 0
    with suppress(KeyboardInterrupt), server:
        if not command:
            _interrupt_on_signals()
        teller.begins(server.url, is_public=not is_loopback_origin(f"http://{host}"))
        code = _run(command, server.url) if command else int(not ended.wait())
    teller.ends(server.counts, server.unplayed)
    failed = {**server.counts, "unplayed": server.unplayed}
    raise SystemExit(code or int(any(failed.get(kind) for kind in ("miss", *fail_on))))


def _opened(cassette: Path, host: str, port: int, on_answer: Callable[[Asked, Answer], object]) -> CassetteServer:
    settings = resolve(os.environ, pyproject_settings(Path.cwd()))
    try:
        return CassetteServer(
            cassette,
            redactor_of(settings),
            host=host,
            port=port,
            match=settings.match,
            on_answer=on_answer,
        )
    except CassetteError:
        raise
    except OSError as error:
        raise click.UsageError(
            f"{host}:{port} cannot be listened at: {error.strerror}\n  --port 0 takes a free port"
        ) from error


def _run(command: tuple[str, ...], url: str) -> int:
    """Return the exit code of a command that is led to a server."""
    outside = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    direct = ",".join(filter(None, [outside, urlsplit(url).hostname]))
    environment = {
        **os.environ,
        **base_urls(url),
        **dict.fromkeys(_KEYS, "agenttrace-replay"),
        **dict.fromkeys(_NO_PROXY, direct),
    }
    try:
        code = exit_code(command, environment)
    except OSError as error:
        raise click.UsageError(f"{shlex.join(command)} cannot be started: {error.strerror}") from error
    return code if code >= 0 else 128 - code


def _interrupt_on_signals() -> None:
    """End on SIGTERM as on Ctrl-C; a shell lets its background jobs ignore the interrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


class _Teller:
    """Says what happens: text on stderr, or JSON."""

    def __init__(self, cassette: Path, json_file: IO[str], *, as_json: bool) -> None:
        self._cassette = cassette
        self._json_file = json_file if as_json else None
        self._console = console(sys.stderr)

    def begins(self, url: str, *, is_public: bool) -> None:
        """Tell where, and by which variables an SDK is led there."""
        urls = base_urls(url)
        text = "\n".join([f"serving {self._cassette} at {url}", *(f"  {name}={value}" for name, value in urls.items())])
        self._tell(Text(escaped_lines(text)), event="serving", url=url, variables=dict(urls))
        if is_public:
            warning = "not a loopback address: whoever reaches this port can read what the cassette answers"
            self._tell(Text(f"warning: {warning}"), event="warning", message=warning)

    def answered(self, asked: Asked, answer: Answer) -> None:
        """Tell how one request was answered."""
        status = answer.exchange.status
        of = f"  attempt {answer.attempt} of {answer.attempts}" if answer.attempts > 1 else ""
        line = f"{asked.method} {asked.target}  {'no answer' if status is None else status}{of}"
        self._tell(
            outcome_text(answer.kind, line, answer.detail),
            event="call",
            outcome=answer.kind,
            method=asked.method,
            target=asked.target,
            status=status,
            attempt=answer.attempt,
            attempts=answer.attempts,
            detail=answer.detail,
        )

    def ends(self, counts: Mapping[OutcomeKind, int], unplayed: int) -> None:
        """Tell how it went."""
        line = replayed_line(counts, unplayed, self._cassette, verb="served")
        self._tell(Text(line), event="end", counts=dict(counts), unplayed=unplayed)

    def _tell(self, text: Text, **facts: object) -> None:
        with suppress(OSError):  # nobody reads any more, and the answers go on
            if self._json_file is None:
                self._console.print(text, soft_wrap=True)
            else:
                click.echo(json.dumps(facts), file=self._json_file)
