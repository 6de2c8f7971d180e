"""`retrieval`: look at what runs retrieved, hold it against a baseline; `retrieval snapshot` records a retriever alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final, get_args

import click

from otel_agenttrace.analyze.retrieval_drift import DriftKind, QueryDrift, Tolerances, drifts
from otel_agenttrace.analyze.retrievals import Retrieval, retrievals
from otel_agenttrace.analyze.retrieving import RetrievalFigures, RetrievalReport, retrieval_figures
from otel_agenttrace.cli.inputs import FILE, FILES, OUTPUT, NumberRange, Reader, compared_with, shown
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.report.retrieval import retrieval_page
from otel_agenttrace.report.text import escaped
from otel_agenttrace.retrievers import snapshot as recorded
from otel_agenttrace_instrumentation.named import named_function

__all__ = ["retrieval"]

_ANY: Final = "drift"
_DEFAULT: Final = Tolerances()
_SHARE: Final = NumberRange(0, 1)


@click.command(epilog="Example: otel-agenttrace retrieval snapshot queries.txt --with search:find -o today.otlp.jsonl")
@click.argument("queries", type=FILE)
@click.option("--with", "function", required=True, help="The retriever: module:function, from a query to a list.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The cassette.")
def _snapshot(queries: Path, function: str, output: Path) -> None:
    """Ask a retriever each line of QUERIES, and record what it finds as a cassette to compare with later.

    The module is looked for in the current folder, too. What the retriever returns may be texts, {'id', 'score', 'content'},
    pairs of these and a score, or documents of LangChain and LlamaIndex.
    """
    sys.path.insert(0, str(Path.cwd()))
    asked = _lines(queries)
    recorded(named_function(function, "retriever"), asked, output)
    click.echo(f"{escaped(str(output))}: {len(asked):,} {'query' if len(asked) == 1 else 'queries'}")


def _lines(path: Path) -> list[str]:
    try:
        with readable(path) as kept:
            lines = kept.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.\n  to fix   name a text file, a query on each line"
        ) from None
    return [line.strip() for line in lines if line.strip()]


class _WithSnapshot(click.Command):
    """A command of files, of which the word `snapshot` is none but a command of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["snapshot"]:
            return _snapshot.make_context(f"{info_name} snapshot", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_WithSnapshot, epilog="Example: otel-agenttrace retrieval runs --baseline baseline --fail-on drift")
@FILES
@click.option("--baseline", type=FILE, help="A trace, or a folder of them, that retrieved what it should.")
@click.option(
    "--tolerance",
    type=_SHARE,
    metavar="SHARE",
    default=_DEFAULT.set,
    show_default=True,
    help="Documents that may change.",
)
@click.option(
    "--order-tolerance",
    type=_SHARE,
    metavar="SHARE",
    default=_DEFAULT.order,
    show_default=True,
    help="Pairs that may swap.",
)
@click.option(
    "--score-tolerance",
    type=NumberRange(),
    metavar="NUMBER",
    default=_DEFAULT.score,
    show_default=True,
    help="How a score may move.",
)
@click.option(
    "--fail-on", type=click.Choice((_ANY, *get_args(DriftKind))), multiple=True, help="Exit 1 on this; drift is any."
)
@OUTPUT
def retrieval(
    paths: tuple[Path, ...],
    baseline: Path | None,
    tolerance: float,
    order_tolerance: float,
    score_tolerance: float,
    fail_on: tuple[str, ...],
    *,
    form: str,
) -> None:
    """Look at what the runs in FILE retrieved: how much, how good, how fast, and what of it the next call was asked with.

    With --baseline: which documents came and went, their order, their scores, and whether their content is another one,
    query by query. See also: retrieval snapshot --help, which records a retriever on its own.
    """
    if fail_on and baseline is None:
        raise click.UsageError("--fail-on needs a --baseline.")
    before = None
    if baseline is not None:
        before = [each for _, trace in compared_with(baseline) for each in retrievals(trace)]
    reader = Reader(paths)
    figures: list[RetrievalFigures] = []
    after: list[Retrieval] = []
    for name, trace in reader.traces():
        figures += retrieval_figures(name, trace)
        after += retrievals(trace)
    tolerances = Tolerances(tolerance, order_tolerance, score_tolerance)
    drift = None if before is None else drifts(before, after, tolerances)
    report = RetrievalReport(tuple(figures), drift, tolerances)
    if form == "json" or reader.has_read:
        shown(form, report, lambda: retrieval_page(report))
    reader.end(findings=bool(fail_on) and _fails(drift or (), frozenset(fail_on)))


def _fails(drift: tuple[QueryDrift, ...], fail_on: frozenset[str]) -> bool:
    """Whether something drifted that may not: where neither side retrieved anything, that is not known."""
    return not drift or any(_ANY in fail_on or not fail_on.isdisjoint(each.drifted) for each in drift if each.drifted)
