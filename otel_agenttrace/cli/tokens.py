"""`tokens`: how full the context windows of models were."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from otel_agenttrace.analyze.contexts import Window, context_use, windows
from otel_agenttrace.cli.inputs import FILES, OUTPUT, NumberRange, Reader, shown_each
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import digits
from otel_agenttrace.model import Span
from otel_agenttrace.report.contexts import contexts_page
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["tokens"]

_FAILING: Final[Mapping[str, tuple[str, ...]]] = {"warning": ("warning", "critical"), "critical": ("critical",)}
_SHARE: Final = NumberRange(min=0, max=100, min_open=True)


@click.command(epilog="Example: otel-agenttrace tokens run.otlp.jsonl --fail-on critical")
@FILES
@click.option(
    "--limit", "limits", multiple=True, metavar="[MODEL=]TOKENS", help="The context window, of a model or all."
)
@click.option("--warn", type=_SHARE, default=75, show_default=True, metavar="PERCENT", help="From here on: warning.")
@click.option(
    "--critical", type=_SHARE, default=90, show_default=True, metavar="PERCENT", help="From here on: critical."
)
@click.option("--fail-on", type=click.Choice(tuple(_FAILING)), help="Exit with 1 if a call is that full, or fuller.")
@OUTPUT
def tokens(
    paths: tuple[Path, ...], *, limits: tuple[str, ...], warn: float, critical: float, fail_on: str | None, form: str
) -> None:
    """Show how full the context window was in each call to a model, how it grew, and what fills it."""
    window_of = _windows(limits)
    reader = Reader(paths)
    reports = tuple(
        context_use(trace, window_of, warning=warn / 100, critical=critical / 100, name=name)
        for name, trace in reader.traces()
    )
    shown_each(form, reports, contexts_page)
    failing = _FAILING.get(fail_on or "", ())
    reader.end(findings=any(report.level in failing for report in reports))


def _windows(limits: tuple[str, ...]) -> Callable[[Span], Window | None]:
    config = resolve(os.environ, pyproject_settings(Path.cwd()))
    return windows(dict(map(_limit, limits)), config.context_windows)


def _limit(written: str) -> tuple[str, int]:
    model, _, told = written.rpartition("=")
    found = digits(told)
    if not found:
        raise ConfigError(
            f"--limit is {written!r}.\n  to fix   a number of tokens, --limit 128000 or --limit gpt-4o=128000"
        )
    return model, found
