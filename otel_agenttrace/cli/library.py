"""`ls`, `prune`, `fingerprint` and `migrate`: what is on the shelf, what may go, what a run is known by."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, get_args

import click

from otel_agenttrace.analyze.fingerprints import Fingerprint
from otel_agenttrace.analyze.fingerprints import fingerprint as fingerprint_of
from otel_agenttrace.analyze.suite import suite_of
from otel_agenttrace.cassette.places import UNNAMED
from otel_agenttrace.cli import CLEAN, UNREADABLE
from otel_agenttrace.cli.ages import checked_age
from otel_agenttrace.cli.inputs import FILES, OUTPUT, Reader, shown, tell_unread
from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.library.finding import traces_at
from otel_agenttrace.library.listing import Sort, listed, listing
from otel_agenttrace.library.migrating import migrated
from otel_agenttrace.library.playing import Played, played_in
from otel_agenttrace.library.pruning import Pruned, Pruning, prunable_in, pruned, remove
from otel_agenttrace.library.reading import Source, Unread, read_each
from otel_agenttrace.report.library import fingerprint_page, listing_page, pruning_page
from otel_agenttrace.report.text import escaped

__all__ = ["fingerprint", "ls", "migrate", "prune"]

_HERE: Final = (Path(),)
_REPORT: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_UNPLAYED: Final = click.option(
    "--unplayed", "report", metavar="REPORT.json", type=_REPORT, help="What pytest wrote by --agenttrace-report."
)


@click.command(epilog="Example: otel-agenttrace ls tests/cassettes --sort cost")
@click.argument("paths", metavar="[FILE…]", nargs=-1, type=RunPath(allow_dash=True))
@click.option("--sort", type=click.Choice(get_args(Sort)), default="age", show_default=True, help="What comes first.")
@_UNPLAYED
@OUTPUT
def ls(paths: tuple[Path, ...], sort: Sort, report: Path | None, *, form: str) -> None:
    """List cassettes: age, calls, tokens, cost, errors, size, models and agent of each. Without FILE: those below this folder.

    Age counts from when the newest span of a cassette was recorded, not from the date of the file. A + stands for more:
    some calls tell no tokens or have no price. With --unplayed: only cassettes with calls that no test asked for, and those
    of no test.
    """
    played = _played(report)
    reader = Reader(paths or _HERE)
    rows = (reader.made(each.name, partial(listed, each, time.time_ns(), played)) for each in reader.streams())
    kept = (row for row in rows if row and (not report or row.unplayed or played.is_unused(Path(row.name))))
    found = listing(kept, sort)
    if form == "json" or reader.has_read:
        shown(form, found, lambda: listing_page(found))
    reader.end()


def _played(report: Path | None) -> Played:
    if report is None:
        return Played()
    try:
        return played_in(suite_of(parse(report.read_bytes())), Path.cwd())
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"{report} cannot be used: {told}.\n  to fix   write it by: pytest --agenttrace-report {report}"
        ) from error


@click.command(epilog="Example: otel-agenttrace prune .agenttrace --older-than 30d --dry-run")
@click.argument("folders", metavar="[FOLDER…]", nargs=-1, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--older-than", callback=checked_age, metavar="AGE", help="Such as 12h, 30d or 2w.")
@_UNPLAYED
@click.option("--dry-run", is_flag=True, help="Tell what would be deleted.")
@click.option("--yes", is_flag=True, help="Delete without a question.")
@OUTPUT
def prune(
    folders: tuple[Path, ...], older_than: str | None, report: Path | None, *, dry_run: bool, yes: bool, form: str
) -> None:
    """Delete cassettes in and below FOLDER that are old, that no test uses, or with both options those that are both.

    Without FOLDER: those of .agenttrace, with --unplayed those in and below this folder.

    Old is one in which every span was recorded before: the dates of files do not count. Large bodies go with the last file
    that names them, and what killed runs left of cassettes goes by the same rules. Nothing goes to which a run records, and
    no link is followed. Without --yes: asks on a terminal, else deletes nothing and exits 2.
    """
    if older_than is None and report is None:
        raise click.UsageError("Say what may go: --older-than 30d, or --unplayed REPORT.json, or both.")
    played = _played(report)
    files = [file for folder in folders or _default(report) for file in prunable_in(folder)]
    reader = Reader(files)
    traces = reader.traces() if files else iter(())
    is_unused: Callable[[Path], bool] = (lambda _: True) if report is None else played.is_unused
    found = tuple(pruned(traces, time.time_ns(), older_than, is_unused))
    is_wanted = bool(found) and not dry_run and (yes or _is_agreed(found, form))
    if is_wanted:
        remove(found)
    told = Pruning(found, sum(each.size_bytes for each in found), is_wanted)
    shown(form, told, lambda: pruning_page(told))
    if found and not is_wanted and not dry_run:
        raise click.UsageError("Nothing was deleted: --yes deletes these.")
    reader.end() if files else sys.exit(CLEAN)


def _default(report: Path | None) -> tuple[Path, ...]:
    """Return where to look: cassettes of tests are often old and needed, so age alone takes none of them unasked."""
    return (Path(UNNAMED),) if report is None else _HERE


def _is_agreed(found: Sequence[Pruned], form: str) -> bool:
    """Ask on a terminal; nobody else can answer."""
    if form == "json" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    told = Pruning(tuple(found), sum(each.size_bytes for each in found), deleted=False)
    shown(form, told, lambda: pruning_page(told))
    return click.confirm("Delete them?")


@dataclass(frozen=True, slots=True)
class _Fingerprints:
    """What `fingerprint --json` prints: one entry for each file."""

    runs: tuple[_Named, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    fingerprint: Fingerprint


@click.command(epilog="Example: otel-agenttrace fingerprint monday.otlp.jsonl tuesday.otlp.jsonl")
@FILES
@OUTPUT
def fingerprint(paths: tuple[Path, ...], *, form: str) -> None:
    """Print what each FILE is known by: a digest of all it did, of its tools' names in order, of what each tool was called with.

    Two runs that did the same have the same digests, a recording and its replay too: ids, times, durations and tokens are
    not in them, nor the order of what ran at the same time.
    """
    reader = Reader(paths)
    read = ((name, reader.made(name, partial(fingerprint_of, trace))) for name, trace in reader.traces(whole=True))
    runs = tuple((name, run) for name, run in read if run is not None)
    report = _Fingerprints(tuple(_Named(name, run) for name, run in runs))
    shown(form, report, lambda: fingerprint_page(runs))
    reader.end()


@click.command(epilog="Example: otel-agenttrace migrate tests/cassettes")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=RunPath())
def migrate(paths: tuple[Path, ...]) -> None:
    """Bring cassettes of an older format to the current one; those that have it stay byte for byte.

    There is one format yet, version 1. A cassette of a later release is refused. Exits 3 only if no FILE could be read.
    """
    sources = [Source(str(file), file) for path in paths for file in traces_at(path)]
    unread: list[Unread] = []
    for name, done in read_each(sources, migrated, unread):
        click.echo(f"{escaped(name)}: already current, version {done.after}")
    tell_unread(unread)
    sys.exit(UNREADABLE if len(unread) == len(sources) else CLEAN)
