"""`merge`, `split` and `slice`: put cassettes together, take them apart, keep a part of one."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final, get_args

import click

from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import CassetteInaccessible
from otel_agenttrace.library.combining import Made, SplitBy, merged, opened, sliced, write
from otel_agenttrace.library.combining import split as split_up
from otel_agenttrace.library.finding import stem_of, traces_at
from otel_agenttrace.report.text import counted, escaped
from otel_agenttrace_instrumentation.loading import cost_function
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["merge", "slice_", "split"]

_FORCE: Final = click.option("--force", is_flag=True, help="Replace a cassette that is there already.")
_OUT: Final = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The cassette to write."
)
_FILE: Final = click.argument("file", metavar="FILE", type=RunPath(dir_okay=False))
_UNSAFE: Final = re.compile(r"[^\w.-]+")
_LONGEST: Final = 60


@click.command(epilog="Example: otel-agenttrace merge monday.otlp.jsonl tuesday.otlp.jsonl -o week.otlp.jsonl")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=RunPath())
@_OUT
@_FORCE
def merge(paths: tuple[Path, ...], output: Path, *, force: bool) -> None:
    """Put the runs of several cassettes into one, which shows and replays them all.

    Lines are taken as they are, in the order of the files. A span that stands in several files is taken once, from the
    first. A folder stands for all cassettes below it.
    """
    made = merged([file for path in paths for file in traces_at(path)])
    write(made, output, replaces=force)
    _tell(output, made, f"; {counted(made.left_out, 'span')} of an earlier file left out" if made.left_out else "")


@click.command(epilog="Example: otel-agenttrace split week.otlp.jsonl -o runs --by trace")
@_FILE
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder."
)
@click.option(
    "--by",
    type=click.Choice(get_args(SplitBy)),
    default="trace",
    show_default=True,
    help="What becomes a cassette of its own: each trace, or all of one agent.",
)
@_FORCE
def split(file: Path, folder: Path, by: SplitBy, *, force: bool) -> None:
    """Write a cassette for each trace of FILE, or for each agent; each shows and replays on its own."""
    part = opened(file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CassetteInaccessible(folder, "made", f"{error.strerror}", "give another folder with -o") from error
    taken: set[str] = set()
    for name, made in split_up(part, by):
        output = folder / f"{_free(f'{stem_of(file)}-{_safe(name)}', taken)}.otlp.jsonl"
        write(made, output, replaces=force)
        _tell(output, made)


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name)[:_LONGEST]


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no other of these files has."""
    free = next(each for number in range(1, len(taken) + 2) if (each := _numbered(name, number)) not in taken)
    taken.add(free)
    return free


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


@click.command("slice", epilog="Example: otel-agenttrace slice run.otlp.jsonl 'tool=weather' -o weather.otlp.jsonl")
@_FILE
@click.argument("selector")
@_OUT
@click.option("--with-inside", is_flag=True, help="Keep what stands below the chosen spans, too.")
@_FORCE
def slice_(file: Path, selector: str, output: Path, *, with_inside: bool, force: bool) -> None:
    """Write the spans of FILE that SELECTOR chooses, and those above them, to a cassette of their own.

    SELECTOR is such as 'inference[2:4]', 'error' or 'model=gpt-4o*'; docs/selectors.md lists the terms. What the kept
    calls share with others comes along: they replay.
    """
    cost_of = cost_function(resolve(os.environ, pyproject_settings(Path.cwd())))
    made = sliced(opened(file), selector, cost_of, now_ns=time.time_ns(), with_inside=with_inside)
    write(made, output, replaces=force)
    _tell(output, made, f" of {made.spans + made.left_out:,}")


def _tell(path: Path, made: Made, more: str = "") -> None:
    click.echo(f"{escaped(str(path))}: {counted(made.spans, 'span')}{more}")
