"""`score`: let a model judge what runs answered, by a client that is recorded, so that judging replays."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from otel_agenttrace.api import session
from otel_agenttrace.cli.inputs import FILE, FILES, OUTPUT, NumberRange, Reader, compared_with, shown
from otel_agenttrace.datasets.examples import examples_of, last_of_conversations
from otel_agenttrace.judges import judge_of
from otel_agenttrace.rag_metrics import METRICS, rag_scorer
from otel_agenttrace.report.scores import scores_page
from otel_agenttrace.scoring import CRITERIA, criterion_of, judged, scores, write_scores

__all__ = ["score"]

_CASSETTE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog="Example: otel-agenttrace score runs --model gpt-4o-mini --criterion faithfulness --min-score 0.7"
)
@FILES
@click.option("--model", required=True, metavar="NAME", help="The model that judges.")
@click.option(
    "--provider", type=click.Choice(("openai", "anthropic")), default="openai", show_default=True, help="Whose client."
)
@click.option(
    "--scorer",
    type=click.Choice(("judge", *METRICS)),
    default="judge",
    show_default=True,
    help="Whose questions the model is asked: ours, or those of ragas or deepeval, which the extra rag installs.",
)
@click.option(
    "--criterion",
    "--metric",
    "criteria",
    multiple=True,
    metavar="NAME[=QUESTION]",
    help=f"What is judged: {', '.join(CRITERIA)}, or your own: 'polite=Is it polite?'; of ragas and deepeval the name of a "
    "metric. Several are possible. Default: relevance; of ragas and deepeval faithfulness.",
)
@click.option(
    "--reference", "references", multiple=True, type=FILE, help="A run, or a folder of runs, that answered right."
)
@click.option(
    "--cassette",
    type=_CASSETTE,
    default="judge.otlp.jsonl",
    show_default=True,
    help="Where the calls to the judge are recorded, and answered from.",
)
@click.option(
    "--mode",
    type=click.Choice(("none", "once", "new", "all")),
    help="How that cassette is used; none answers from it alone, with no network. Default: once, and none under CI=true.",
)
@click.option("--min-score", type=NumberRange(0, 1), metavar="0..1", help="Exit 1 if a score is lower, or not known.")
@click.option(
    "-o", "--output", type=_CASSETTE, help="Write the scores here, as evaluations in a cassette of their own."
)
@OUTPUT
def score(
    paths: tuple[Path, ...],
    model: str,
    provider: Literal["openai", "anthropic"],
    scorer: Literal["judge", "ragas", "deepeval"],
    criteria: tuple[str, ...],
    references: tuple[Path, ...],
    cassette: Path,
    mode: str | None,
    min_score: float | None,
    output: Path | None,
    *,
    form: str,
) -> None:
    """Let a model judge what the runs in FILE answered: the last answer of each conversation, 0 to 1 by each criterion.

    The judge is asked through a recorded client: a second time its cassette gives the same scores, without a network.
    """
    right = [
        each
        for reference in references
        for name, trace in compared_with(reference)
        for each in last_of_conversations(examples_of(name, trace))
    ]
    reader = Reader(paths)
    reader.check_not_read(output)
    examples = [each for name, trace in reader.traces() for each in last_of_conversations(examples_of(name, trace))]
    with session(cassette, mode, quiet=True):
        judge = judge_of(provider, model)
        if scorer == "judge":
            scorers = [judged(criterion_of(told), judge) for told in criteria or ("relevance",)]
        else:
            scorers = [rag_scorer(scorer, told, judge) for told in criteria or ("faithfulness",)]
        report = scores(examples, scorers, right, min_score)
    if output is not None:
        write_scores(report, output)
    shown(form, report, lambda: scores_page(report))
    reader.end(findings=bool(report.failed))
