"""`init`: a project that records and tests an agent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from otel_agenttrace.report.screen import console as terminal
from otel_agenttrace.report.text import escaped
from otel_agenttrace.scaffold.plan import CI_FILES, Step, carry_out, steps_for, verdict_on
from otel_agenttrace.scaffold.telling import (
    Outcome,
    change_lines,
    head_line,
    next_lines,
    outcome_lines,
    outcomes_json,
)

__all__ = ["init"]

_ANSWERS: Final = click.Choice(["y", "n", "s"], case_sensitive=False)


@click.command(epilog="Example: otel-agenttrace init my-agent")
@click.argument("folder", metavar="[DIR]", default=Path(), type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--ci", type=click.Choice([*CI_FILES, "none"]), default="github", show_default=True, help="Whose CI file it gets."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing: write what is not there, add lines to files that are.")
@click.option("--force", is_flag=True, help="As --yes, and replace files with other content: that content is lost.")
@click.option("--json", "as_json", is_flag=True, help="Ask nothing, and print JSON instead of text.")
def init(folder: Path, *, ci: str, dry_run: bool, yes: bool, force: bool, as_json: bool) -> None:
    """Give a project an agent that runs, its test, settings, a CI file and what git needs.

    DIR is the folder of the project, by default this one. A file that is there is never replaced unasked: on a terminal
    each file is shown and asked for, elsewhere files that are there stay as they are. No settings are ever rewritten. A
    second run changes nothing.
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    console = terminal()
    outcomes: list[Outcome] = []
    for step in steps_for(folder, ci):
        verdict = verdict_on(step, yes=yes, force=force, asks=asks)
        if verdict == "ask" and not dry_run:
            verdict = "write" if _agreed(console, step) else "keep"
        outcomes.append(Outcome(step, verdict, dry_run))
    for outcome in outcomes:
        if outcome.verdict == "write" and not dry_run:
            carry_out(folder, outcome.step)
        if not as_json:
            _print(console, outcome_lines(outcome))
    if as_json:
        click.echo(json.dumps(outcomes_json(folder, outcomes), indent=2))
    else:
        click.echo("\n".join(("", *next_lines(folder, outcomes))))


def _agreed(console: Console, step: Step) -> bool:
    """Show a step and ask for it: what is new, or only grows, is proposed; what replaces something is not."""
    console.print()
    console.print(Text(escaped(head_line(step))), soft_wrap=True)
    if step.state != "new":
        _print(console, change_lines(step))
        told = "replace it?" if step.state == "differs" else "add them?"
        return click.confirm(told, default=step.state == "add")
    if step.is_setting:
        return click.confirm("set it?", default=True)
    answer = "s"
    while answer == "s":
        answer = click.prompt("write it? (s shows it)", type=_ANSWERS, default="y")
        if answer == "s":
            _print(console, change_lines(step))
    return answer == "y"


def _print(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)
