"""`show`, `validate` and `pack`: look at a cassette, check it, compress it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from otel_agenttrace.api import load
from otel_agenttrace.cassette.pack import pack as packed_file
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.errors import CassetteNotFound
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.report.terminal import console, trace_json, trace_tree
from otel_agenttrace_exporters.cassette import FOLDER

__all__ = ["pack", "show", "validate"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.command(epilog="Example: otel-agenttrace show run.otlp.jsonl")
@click.argument("cassette", required=False, type=click.Path(path_type=Path, dir_okay=False))
@_JSON
def show(cassette: Path | None, *, as_json: bool) -> None:
    """Show a run as a tree of spans: model, tokens, cost, time, first line of text. Without CASSETTE: the newest run."""
    trace = load(cassette or _newest(Path.cwd()))
    if as_json:
        click.echo(json.dumps(trace_json(trace), indent=2))
    else:
        console().print(trace_tree(trace, excerpt=excerpt))


def _newest(folder: Path) -> Path:
    """Return the newest cassette in a folder and the folder of unnamed recordings.

    Raises:
        CassetteNotFound: If there is none.
    """
    found = [*folder.glob("*.otlp.jsonl"), *(folder / FOLDER).glob("*.otlp.jsonl")]
    if not found:
        raise CassetteNotFound(
            folder / "*.otlp.jsonl", "record a run: otel-agenttrace record run.otlp.jsonl -- python agent.py"
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Validation:
    """What reading a whole cassette has shown."""

    path: str
    spans: int
    calls: int
    problems: list[str]


@click.command(epilog="Example: otel-agenttrace validate run.otlp.jsonl")
@click.argument("cassettes", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@_JSON
def validate(cassettes: tuple[Path, ...], *, as_json: bool) -> None:
    """Read every line and every recorded call of each CASSETTE. Exits 1 if something is damaged, 3 if all of it is."""
    reports = [_validated(path) for path in cassettes]
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        for report in reports:
            _tell(report)
    raise SystemExit(int(any(report.problems for report in reports)))


def _validated(path: Path) -> Validation:
    cassette = open_cassette(path)
    problems = [str(problem) for problem in cassette.index.problems]
    problems += cassette.damaged_calls()
    if cassette.index.torn:
        problems.append(f"{path}: the last line is torn")
    spans = sum(1 for _ in cassette.spans())
    return Validation(str(path), spans, len(cassette.index.calls), problems)


def _tell(report: Validation) -> None:
    if not report.problems:
        click.echo(f"{report.path}: {report.spans} spans, {report.calls} recorded calls, all readable")
    for problem in report.problems:
        click.echo(problem)


@click.command(epilog="Example: otel-agenttrace pack run.otlp.jsonl")
@click.argument("cassette", type=click.Path(path_type=Path, dir_okay=False))
def pack(cassette: Path) -> None:
    """Compress CASSETTE to CASSETTE.zst, which can be replayed and shown; nothing records into it."""
    open_cassette(cassette, strict=True)
    written = packed_file(cassette)
    ratio = cassette.stat().st_size / written.stat().st_size
    click.echo(f"{written}: {written.stat().st_size:,} bytes, {ratio:.0f} times smaller")
