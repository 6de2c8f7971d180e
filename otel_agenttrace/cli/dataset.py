"""`dataset`: make a data set of recorded calls, for training, for evaluation, or as a table."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from otel_agenttrace.cassette.held import check_is_file
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.cli.inputs import FILE, FILES, NumberRange, Reader, compared_with, shown
from otel_agenttrace.cli.look import JSON
from otel_agenttrace.cli.writing import writable
from otel_agenttrace.config import resolve
from otel_agenttrace.datasets.choosing import Wanted
from otel_agenttrace.datasets.examples import Per, examples_of, last_of_conversations
from otel_agenttrace.datasets.formats import FORMATS
from otel_agenttrace.datasets.making import Making, made
from otel_agenttrace.datasets.sides import Side
from otel_agenttrace.datasets.writing import content_of
from otel_agenttrace.report.dataset import dataset_page
from otel_agenttrace.selectors import parse_selector
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["dataset"]

_SHARE = NumberRange(0, 1, min_open=True, max_open=True)


@click.command(
    epilog="Example: otel-agenttrace dataset runs --format openai --outcome success --split 0.9 -o train.jsonl"
)
@FILES
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), required=True, help="What is written.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to.")
@click.option(
    "--per",
    type=click.Choice(("conversation", "call")),
    default="conversation",
    show_default=True,
    help="One example for each conversation, its last call, or for each call; csv and ndjson have each call.",
)
@click.option("--outcome", type=click.Choice(("success", "error")), help="Only runs that ended so.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only calls to this model; a pattern, and several are possible.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Only calls with this label, see annotate, or inside of what has it; or one of several.",
)
@click.option(
    "--filter", "where", metavar="SELECTOR", help="Only calls that it chooses: 'tokens<4000', 'path=planner/*'."
)
@click.option("--max-cost", type=NumberRange(), metavar="USD", help="Only runs that cost so much at most.")
@click.option(
    "--min-reward",
    type=NumberRange(),
    metavar="NUMBER",
    help="Only calls whose evaluations, or those of their run, score so much.",
)
@click.option(
    "--reward",
    default="",
    metavar="NAME",
    help="The name of the evaluations that count for --min-reward; all if not given.",
)
@click.option("--keep-duplicates", is_flag=True, help="Keep examples that say the same as another.")
@click.option(
    "--split",
    type=_SHARE,
    metavar="SHARE",
    help="Write two files: about this share of the tasks to train on, the rest to test.",
)
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Chooses another split.")
@click.option(
    "--reference", "references", multiple=True, type=FILE, help="A run, or a folder of runs, that answered right."
)
@click.option("--strict", is_flag=True, help="Exit 1 if an example is broken by the rules of the format.")
@JSON
def dataset(
    paths: tuple[Path, ...],
    form: str,
    output: Path,
    per: Per,
    outcome: Literal["success", "error"] | None,
    models: tuple[str, ...],
    labels: tuple[str, ...],
    where: str | None,
    max_cost: float | None,
    min_reward: float | None,
    reward: str,
    split: float | None,
    seed: int,
    references: tuple[Path, ...],
    *,
    keep_duplicates: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Make a data set of the calls in FILE: cassettes, traces that others exported, folders of them, or -.

    Each row is checked for secrets by today's rules once more: if one cannot be removed, nothing is written. A row that
    the provider would not take is left out and named.
    """
    making = Making(
        form,
        per,
        Wanted(
            outcome,
            models,
            parse_selector(where) if where else None,
            max_cost,
            min_reward,
            reward,
            labels=frozenset(labels),
        ),
        not keep_duplicates,
        split,
        seed,
        tuple(
            example
            for reference in references
            for name, trace in compared_with(reference)
            for example in last_of_conversations(examples_of(name, trace))
        ),
    )
    reader = Reader(paths)
    redactor = redactor_of(resolve(os.environ, pyproject_settings(Path.cwd())))
    report, rows = made(reader.traces(), making, redactor)
    if report.examples:
        report = replace(report, files={side: str(_path(output, side)) for side in rows})
        for side in rows:
            reader.check_not_read(_path(output, side))
        for side, on in rows.items():
            _write(_path(output, side), content_of(on, form))
    shown("json" if as_json else "text", report, lambda: dataset_page(report))
    reader.end(findings=strict and bool(report.broken))


def _path(output: Path, side: Side) -> Path:
    return output.with_name(f"{output.stem}.{side}{output.suffix}") if side else output


def _write(path: Path, content: bytes) -> None:
    with writable(path):
        check_is_file(path, "written")  # a device would be replaced
        write_private(path, content)
