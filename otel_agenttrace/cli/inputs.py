"""What commands that read many files have in common: how files are named, read and told of, and how a report is shown."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial, wraps
from math import isfinite
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import click

from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.cli.naming import RunPath, readable
from otel_agenttrace.errors import CassetteError, IngestError
from otel_agenttrace.library.finding import traces_at
from otel_agenttrace.library.loading import RUN, run_in, runs_at
from otel_agenttrace.library.reading import Source, Unread, forgiven, read_each
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.model import Trace
from otel_agenttrace.report.page import Page, page_markdown
from otel_agenttrace.report.plain import plain
from otel_agenttrace.report.text import escaped_lines
from otel_agenttrace_instrumentation.loading import load, pricing_here

__all__ = ["FILE", "FILES", "OUTPUT", "NumberRange", "Reader", "compared_with", "shown", "shown_each", "tell_unread"]

_Read = TypeVar("_Read")
_Report = TypeVar("_Report")
_Command = TypeVar("_Command", bound=Callable[..., object])

_log = logging.getLogger("otel_agenttrace")

FILE = RunPath(allow_dash=True)
"""A cassette by its path or name, a foreign trace, a folder of them, or - for the standard input."""
FILES = click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=FILE)


class NumberRange(click.FloatRange):
    """A number between limits, and none that is within any: `nan`, or without measure."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or exit."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        return "" if self.min is None and self.max is None else super()._describe_range()


class Reader:
    """Reads the files a user named, one after another, with progress; tells at the end which could not be read."""

    def __init__(self, paths: Sequence[Path], *, quiet: bool = False) -> None:
        """Take the files; `quiet` shows no progress, where what is made of each is printed at once."""
        self._paths = paths
        self._quiet = quiet
        self._unread: list[Unread] = []
        self._count = 0

    def traces(self, *, whole: bool = False, one: bool = False) -> Iterator[tuple[str, Trace]]:
        """Yield the name and the trace of each file that can be read; of a log that tells several runs, of each of them.

        Args:
            whole: A recorded call that turns out to be damaged when its content is read raises; else it is told, and not known.
            one: A log that tells several runs is refused.
        """
        prices = pricing_here()
        for name, runs in self._each(lambda path: runs_at(path, prices)):
            if one and len(runs) > 1:
                raise click.UsageError(_which(name, tuple(runs)))
            for run, trace in runs.items():
                spans = trace.spans if whole else tuple(forgiven(trace.spans, _log.warning))
                yield f"{name}{RUN}{run}" if run else name, replace(trace, spans=spans)

    def streams(self) -> Iterator[SpanStream]:
        """Yield the spans of each file that can be read, priced by the settings of the folder."""
        prices = pricing_here()
        for name, stream in self._each(lambda path: opened_stream(path, prices, _log.warning)):
            yield replace(stream, name=name)

    @property
    def has_read(self) -> bool:
        """Whether a file could be read so far."""
        return self._count > 0

    @property
    def unread(self) -> tuple[str, ...]:
        """The names of the files that could not be read so far."""
        return tuple(each.name for each in self._unread)

    def _each(self, read: Callable[[Path], _Read]) -> Iterator[tuple[str, _Read]]:
        with ExitStack() as kept:
            sources = [Source(str(file), kept.enter_context(readable(file))) for file in self._files()]
            for found in read_each(sources if self._quiet else _with_progress(sources), read, self._unread):
                self._count += 1
                yield found

    def made(self, name: str, make: Callable[[], _Read]) -> _Read | None:
        """Return what is made of a file that was given; None where its content cannot be read after all, as is told at the end."""
        try:
            return make()
        except (CassetteError, IngestError) as error:
            self._unread.append(Unread(name, str(error)))
            self._count -= 1
            return None

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            yield from traces_at(path, as_runs=True)

    def check_not_read(self, output: Path | None) -> None:
        """Refuse to write over a file that is read.

        Raises:
            UsageError: If the output is one of them.
        """
        if output is not None and output.exists() and any(_is_same(file, output) for file in self._files()):
            raise click.UsageError(f"{output} is one of the files that are read: name another one to write.")

    def end(self, *, findings: bool = False, needs_more: bool = False) -> NoReturn:
        """Name the files that could not be read, and exit: 3 if none could, or more were needed, 1 on findings, else 0."""
        self.tell_unread()
        raise SystemExit(UNREADABLE if needs_more or not self._count else FINDINGS if findings else CLEAN)

    def tell_unread(self) -> None:
        """Name the files that could not be read."""
        tell_unread(self._unread)


def _is_same(file: Path, other: Path) -> bool:
    found, _ = run_in(file) or (file, "")
    return found.exists() and found.samefile(other)


def _with_progress(sources: Sequence[Source]) -> Iterator[Source]:
    """Yield the files, with a bar on a terminal until the last one is read: what follows may be the report.

    The standard output passes by the bar only where it goes to the terminal too: into a file it goes as it is.
    """
    if len(sources) < 2:
        yield from sources
        return
    from rich.progress import Progress  # takes 2 MB, hence not before it is needed

    from otel_agenttrace.report.screen import console

    told = console(sys.stderr)
    if not told.is_terminal:
        yield from sources
        return
    progress = Progress(console=told, transient=True, redirect_stdout=sys.stdout.isatty())
    progress.start()
    try:
        yield from progress.track(sources[:-1], len(sources), description="reading")
    finally:
        progress.stop()
    yield sources[-1]


def _which(name: str, runs: Sequence[str]) -> str:
    told = f"{name} tells {len(runs):,} runs, and one is meant: {', '.join(runs)}"
    return escaped_lines(f"{told}\n  to fix   name it: {name}{RUN}{runs[0]}")


def tell_unread(files: Sequence[Unread]) -> None:
    """Name files that could not be read."""
    for unread in files:
        named = unread.reason if unread.name in unread.reason else f"{unread.name}: {unread.reason}"
        click.echo(f"otel-agenttrace: not read: {escaped_lines(named)}", err=True)


def compared_with(path: Path) -> Iterator[tuple[str, Trace]]:
    """Yield the name and the trace of each file at a path that others are held against.

    Raises:
        CassetteError: If one cannot be read: what is missing there would pass for what is new.
    """
    for file in traces_at(path, as_runs=True):
        with readable(file) as kept:
            yield str(file), load(kept)


def OUTPUT(command: _Command) -> _Command:  # noqa: N802 - a decorator beside FILES
    """Give a command `--format text|md|json` and `--json`; it gets `form`."""

    @wraps(command)
    def with_form(*args: Any, as_json: bool, form: str, **options: Any) -> object:
        return command(*args, form="json" if as_json else form, **options)

    choice = click.Choice(("text", "md", "json"))
    told = "For a terminal, for a comment or a page, for programs."
    with_format = click.option("--format", "form", type=choice, default="text", show_default=True, help=told)
    return with_format(click.option("--json", "as_json", is_flag=True, help="The same as --format json.")(with_form))  # pyright: ignore[reportReturnType] - click keeps the function


def shown(form: str, report: object, page: Callable[[], Page]) -> None:
    """Print a report: its page as text or Markdown, or its attributes as JSON."""
    if form == "json":
        click.echo(json.dumps(plain(report), indent=2, ensure_ascii=False))
    elif form == "md":
        click.echo(page_markdown(page()), nl=False)
    else:
        from otel_agenttrace.report.screen import console, page_text

        output = console()
        for each in page_text(page()):
            output.print(each)


@dataclass(frozen=True, slots=True)
class _Reports(Generic[_Report]):
    """The reports of the files that were read, as JSON."""

    runs: tuple[_Report, ...]


def shown_each(form: str, reports: tuple[_Report, ...], page: Callable[[_Report], Page]) -> None:
    """Print a report of each run: one page after the other, or one JSON object with all of them as `runs`."""
    if form == "json":
        shown(form, _Reports(reports), tuple)
        return
    for report in reports:
        shown(form, report, partial(page, report))
