"""`pr`: merged pull requests of a repository as baselines, kept as files and compared with what an agent changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from otel_agenttrace.analyze.overlaps import Baselines, compare_change
from otel_agenttrace.analyze.pull_requests import PullRequest
from otel_agenttrace.analyze.written_files import change_of_run
from otel_agenttrace.cli.inputs import FILE, OUTPUT, NumberRange, Reader, shown, tell_unread
from otel_agenttrace.cli.redact import todays_redactor, tracked
from otel_agenttrace.cli.working_tree import change_since
from otel_agenttrace.errors import IngestError
from otel_agenttrace.github.addresses import Place, place_of, token_for
from otel_agenttrace.github.client import GitHub
from otel_agenttrace.github.reading import chosen, with_files
from otel_agenttrace.github.storing import read_stored, store, stored_files
from otel_agenttrace.library.reading import Source, Unread, read_each
from otel_agenttrace.report.pull_requests import baselines_page
from otel_agenttrace.report.text import counted

__all__ = ["pr"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(epilog="Example: otel-agenttrace pr owner/name -n 20 -o baselines")
@click.argument("place", metavar="URL|DIR")
@click.option("--task", "has_task", is_flag=True, help="Show title and body of each.")
@click.option("--files", "has_files", is_flag=True, help="Show the files of each.")
@click.option("--run", "runs", metavar="FILE", multiple=True, type=FILE, help="Compare what a recorded run wrote.")
@click.option(
    "--diff", "base", metavar="BASE", help="Compare what the working tree changed since BASE, or a range A..B."
)
@click.option("--root", type=_FOLDER, help="The repository's folder: where --diff looks, and below which --run wrote.")
@click.option(
    "-n",
    "most",
    type=click.IntRange(1, 1_000),
    metavar="N",
    default=20,
    show_default=True,
    help="How many of a repository.",
)
@click.option("--no-bots", is_flag=True, help="Without those of bots and dependency updates.")
@click.option("-o", "--output", type=_FOLDER, help="Keep each as a JSON file in this folder.")
@click.option("--api", metavar="URL", help="The base address of the API, where the host has another than GitHub's.")
@click.option("--wait", is_flag=True, help="Wait where a rate limit is reached.")
@click.option(
    "--timeout",
    "timeout_s",
    type=NumberRange(0, min_open=True),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to wait for one answer, in seconds.",
)
@OUTPUT
def pr(
    place: str,
    runs: tuple[Path, ...],
    base: str | None,
    root: Path | None,
    most: int,
    output: Path | None,
    api: str | None,
    timeout_s: float,
    form: str,
    *,
    has_task: bool,
    has_files: bool,
    no_bots: bool,
    wait: bool,
) -> None:
    """Show merged pull requests of a repository, or one of them: the task and the change that was accepted for it.

    URL is owner/name, or the address of a repository or of one pull request; DIR is a folder that -o wrote, which needs no
    network. The token is that of GH_TOKEN or GITHUB_TOKEN; for other hosts than GitHub's own, GH_ENTERPRISE_TOKEN or
    GITHUB_ENTERPRISE_TOKEN.
    """
    if Path(place).exists():
        pulls = tuple(each for each in _stored(Path(place)) if not (no_bots and each.is_bot))[:most]
    else:
        pulls = _asked(place_of(place, api), most, timeout_s, has_bots=not no_bots, wait=wait)
    if output is not None:
        redact = todays_redactor(personal=False).redact_text
        for each in pulls:
            store(each, output, redact)
        click.echo(f"otel-agenttrace: kept {counted(len(pulls), 'pull request')} in {output}", err=True)
    reader = Reader(runs)
    changes = [change_of_run(trace, name) for name, trace in reader.traces()]
    changes += [] if base is None else [change_since(base, root or Path())]
    below = None if root is None else str(root.absolute())
    report = Baselines(pulls, tuple(compare_change(pull, change, below) for pull in pulls for change in changes))
    shown(form, report, lambda: baselines_page(report, has_task=has_task, has_files=has_files))
    if runs:
        reader.end()


def _asked(place: Place, most: int, timeout_s: float, *, has_bots: bool, wait: bool) -> tuple[PullRequest, ...]:
    token = token_for(place.api, os.environ)
    with GitHub(place.api, token, now=time.time, wait=_waited if wait else None, timeout_s=timeout_s) as github:
        told = chosen(github, place, most, has_bots=has_bots)
        return tuple(with_files(github, place, each) for each in tracked(told, f"reading {place.owner}/{place.name}"))


def _waited(seconds: float) -> None:
    """Wait until a limit ends, and say for how long."""
    click.echo(f"otel-agenttrace: waiting {seconds:,.0f} s for GitHub's rate limit", err=True)
    time.sleep(seconds)


def _stored(place: Path) -> tuple[PullRequest, ...]:
    unread: list[Unread] = []
    sources = [Source(str(path), path) for path in stored_files(place)]
    found = tuple(pull for _, pull in read_each(sources, read_stored, unread))
    tell_unread(unread)
    if not found:
        raise IngestError(place, None, "it holds no stored pull request that can be read")
    return found
