"""`show`, `validate` and `pack`: look at a cassette, check it, compress it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from otel_agenttrace.analyze.tool_usage import tools_used
from otel_agenttrace.cassette.pack import pack as packed_file
from otel_agenttrace.cassette.places import newest_cassette
from otel_agenttrace.cassette.plain import plain_lines
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.validation import Validation, validated
from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.cli.naming import RunPath, readable
from otel_agenttrace.errors import CassetteCorrupt, CassetteTooLarge, CassetteTooNew
from otel_agenttrace.library.annotations import annotations_of
from otel_agenttrace.library.finding import traces_at
from otel_agenttrace.model import Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.report.annotated import unplaced_lines
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.node import text_of
from otel_agenttrace.report.plain import plain
from otel_agenttrace.report.screen import console, page_text
from otel_agenttrace.report.terminal import trace_json, trace_tree
from otel_agenttrace.report.text import counted, escaped, escaped_lines
from otel_agenttrace.report.tool_usage import tools_used_page
from otel_agenttrace_instrumentation.loading import load

__all__ = ["CASSETTE_OR_INPUT", "JSON", "pack", "show", "validate"]

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_CASSETTE = RunPath(dir_okay=False)
CASSETTE_OR_INPUT = RunPath(dir_okay=False, allow_dash=True)


@click.command(epilog="Example: otel-agenttrace show run.otlp.jsonl")
@click.argument("cassette", required=False, type=CASSETTE_OR_INPUT)
@JSON
@click.option("--conversation", "as_conversation", is_flag=True, help="Print what was said instead; fit for git diff.")
@click.option("--tools", "as_tools", is_flag=True, help="Print the tools instead: calls, errors, time, arguments.")
def show(cassette: Path | None, *, as_json: bool, as_conversation: bool, as_tools: bool) -> None:
    """Show a run as a tree of spans: model, tokens, cost, time, first line of text.

    CASSETTE is a path, the beginning of a run or trace id, a name, or latest; - is the standard input. Without: latest.

    With --conversation: what was said by whom, and which tools were called, without ids and times. Git shows cassettes so
    by `*.otlp.jsonl diff=agenttrace` in .gitattributes, and
    `git config diff.agenttrace.textconv "otel-agenttrace show --conversation"`. A file that is no trace is shown as it is.
    """
    if as_conversation and (as_json or as_tools):
        raise click.UsageError("--conversation stands alone: leave out --json and --tools")
    with readable(cassette or newest_cassette(Path())) as path:
        if as_conversation:
            for piece in _conversation(path):
                click.echo(piece, nl=False)
            return
        trace = load(path)
        if as_tools:
            _show_tools(trace, as_json=as_json)
            return
        annotations = annotations_of(trace)
        if as_json:
            click.echo(json.dumps(trace_json(trace, annotations), indent=2))
        else:
            console().print(trace_tree(trace, excerpt=excerpt, annotations=annotations))
        for line in unplaced_lines(annotations):
            click.echo(f"otel-agenttrace: {line}; look: otel-agenttrace annotate FILE --list", err=True)


def _show_tools(trace: Trace, *, as_json: bool) -> None:
    used = tools_used(trace)
    if as_json:
        click.echo(json.dumps(plain(used), indent=2))
        return
    output = console()
    for each in page_text(tools_used_page(used)):
        output.print(each)


def _conversation(path: Path) -> Iterable[str]:
    try:
        return (text_of(conversation(load(path))),)
    except (CassetteCorrupt, CassetteTooLarge, CassetteTooNew):
        return plain_lines(path)


@click.command(epilog="Example: otel-agenttrace validate run.otlp.jsonl")
@click.argument("cassettes", metavar="FILE…", nargs=-1, required=True, type=RunPath(allow_dash=True))
@JSON
def validate(cassettes: tuple[Path, ...], *, as_json: bool) -> None:
    """Read every line and every recorded call of each cassette.

    A folder stands for all cassettes below it. Exits 1 if something is damaged, 3 if that is only what cannot be read at all.
    """
    reports = [_validated(path) for place in cassettes for path in traces_at(place)]
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        for report in reports:
            _tell(report)
    damaged = any(report.problems for report in reports if report.readable)
    raise SystemExit(FINDINGS if damaged else CLEAN if all(report.readable for report in reports) else UNREADABLE)


def _validated(path: Path) -> Validation:
    with readable(path) as kept:
        return validated(kept, str(path))


def _tell(report: Validation) -> None:
    if not report.problems:
        read = f"{counted(report.spans, 'span')}, {counted(report.calls, 'recorded call')}"
        click.echo(f"{escaped(report.path)}: {read}, all readable")
    for problem in report.problems:
        shown = escaped_lines(problem)
        click.echo(shown if report.readable else f"otel-agenttrace: {shown}", err=not report.readable)
    for warning in report.warnings:
        click.echo(f"warning: {escaped_lines(warning)}", err=True)


@click.command(epilog="Example: otel-agenttrace pack run.otlp.jsonl")
@click.argument("cassette", type=_CASSETTE)
def pack(cassette: Path) -> None:
    """Compress CASSETTE to CASSETTE.zst, which can be replayed and shown; nothing records into it."""
    open_cassette(cassette, strict=True)
    written = packed_file(cassette)
    ratio = cassette.stat().st_size / written.stat().st_size
    click.echo(f"{escaped(str(written))}: {written.stat().st_size:,} bytes, {ratio:.0f} times smaller")
