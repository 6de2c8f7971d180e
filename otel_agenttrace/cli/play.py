"""`play`: the spans of a run as they happened, or as they happen now."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from otel_agenttrace.cassette.places import newest_cassette
from otel_agenttrace.cli.inputs import NumberRange
from otel_agenttrace.cli.look import CASSETTE_OR_INPUT
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.library.annotations import annotations_of
from otel_agenttrace.library.following import Followed
from otel_agenttrace.model import Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.report.playing import paused_line, played, wait_ns
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.text import escaped
from otel_agenttrace.selectors import Selector, parse_selector
from otel_agenttrace_instrumentation.loading import load, pricing_here

__all__ = ["play"]

_NS: Final = 1_000_000_000
_LOOKS_EVERY_S: Final = 0.1
_SPEED = NumberRange(min=0)


@click.command(epilog="Example: otel-agenttrace play run.otlp.jsonl --speed 2 --filter 'inference | tool'")
@click.argument("cassette", metavar="[FILE]", required=False, type=CASSETTE_OR_INPUT)
@click.option(
    "--speed", type=_SPEED, metavar="FACTOR", default=1.0, show_default=True, help="Twice as fast: 2. At once: 0."
)
@click.option(
    "--pause",
    type=_SPEED,
    metavar="SECONDS",
    default=2.0,
    show_default=True,
    help="Seconds to wait at most; 0: as long as it was.",
)
@click.option("--filter", "chosen", metavar="SELECTOR", help="Show these spans only (docs/selectors.md).")
@click.option("--live", is_flag=True, help="Follow a run that is being recorded to FILE, until it ends or Ctrl-C.")
def play(cassette: Path | None, speed: float, pause: float, chosen: str | None, *, live: bool) -> None:
    """Print the spans of a run as they happened: each when it ended, in the time it took.

    Waits above --pause seconds are cut short, and told. Without FILE: the newest run. With --live FILE may not be there
    yet; a span is told when it has ended, its parents after it.
    """
    selector = parse_selector(chosen) if chosen is not None else None
    with suppress(KeyboardInterrupt):
        if live:
            if cassette is None or str(cassette) == "-":
                raise click.UsageError("--live follows a file: name it.")
            _follow(cassette, selector, console())
            return
        with readable(cassette or newest_cassette(Path.cwd())) as path:
            _play(load(path), selector, speed, round(pause * _NS) or None, console())


def _play(trace: Trace, selector: Selector | None, speed: float, longest_ns: int | None, output: Console) -> None:
    before_ns = 0
    for each in played(trace, selector, excerpt, annotations=annotations_of(trace)):
        recorded_ns = each.at_ns - before_ns
        wait = wait_ns(recorded_ns, speed, longest_ns)
        if speed and wait < round(recorded_ns / speed):
            output.print(paused_line(recorded_ns))
        time.sleep(wait / _NS)
        output.print(each.line, no_wrap=True, overflow="ellipsis")
        before_ns = each.at_ns


def _follow(path: Path, selector: Selector | None, output: Console) -> None:
    cost_of = pricing_here()
    followed = Followed(path, lambda text: click.echo(f"otel-agenttrace: {text}", err=True))
    if not followed.is_there:
        click.echo(f"otel-agenttrace: waiting for a run that is recorded to {escaped(str(path))}", err=True)
    while not followed.is_over:
        new = followed.look()
        for each in played(Trace(followed.spans, cost_of), selector, excerpt, new) if new else ():
            output.print(each.line, no_wrap=True, overflow="ellipsis")
        if not followed.is_over:
            time.sleep(_LOOKS_EVERY_S)
    if followed.was_killed:
        click.echo("otel-agenttrace: the run was killed before it ended", err=True)
