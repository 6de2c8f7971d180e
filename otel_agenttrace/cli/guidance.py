"""`guidance`: what runs teach, written into AGENTS.md."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import click

from otel_agenttrace.analyze.advice import advice_of
from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.cli.inputs import FILES, Reader
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.cli.writing import refuse_recording
from otel_agenttrace.counting import counted
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, obj, parse
from otel_agenttrace.library.blocks import with_block
from otel_agenttrace.report.guidance import guidance_lines
from otel_agenttrace.report.plain import plain
from otel_agenttrace.scaffold.files import look, write

__all__ = ["SKILLS", "guidance", "wrote_guidance"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_TITLE = "What recorded runs teach"
SKILLS = click.option("--skills", type=_FILE, help="Write what this teaches into this file, such as AGENTS.md, too.")


@click.command(epilog="Example: otel-agenttrace guidance gaps.json patterns.json -o AGENTS.md")
@FILES
@click.option("-o", "--output", type=_FILE, help="The file to write into; without it the text is printed.")
@click.option("--title", default=_TITLE, show_default=True, help="The heading of the text.")
def guidance(paths: tuple[Path, ...], output: Path | None, title: str) -> None:
    """Write what runs teach for AGENTS.md or CLAUDE.md: which tools to call, in which order, what not to do again.

    FILE is what `patterns -o` or `gaps --json` wrote, or a cassette, a trace or a folder of them: their patterns are looked
    for then. Only the block between the two otel-agenttrace comments is written; the rest of the file stays as it is.
    """
    Reader(paths).check_not_read(output)
    with ExitStack() as kept:
        files = [kept.enter_context(readable(path)) for path in paths]
        reports = [_report_in(file) for file in files]
        documents: list[Json] = [report for report in reports if report is not None]
        reader = Reader([file for file, report in zip(files, reports, strict=True) if report is None])
        found = patterns_of(reader.streams())
    if found.files:
        documents.append(plain(found))
    if documents and output is None:
        for line in guidance_lines(advice_of(documents), title):
            click.echo(line)
    elif documents and output is not None:
        wrote_guidance(output, documents, title)
    if any(report is None for report in reports):
        reader.end()


def _report_in(path: Path) -> Json:
    """Return the report in a file, or None if there is none in it."""
    if path.is_dir():
        return None
    try:
        document = parse(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if {"gaps", "ngrams"} & obj(document).keys() else None


def wrote_guidance(path: Path, documents: Iterable[Json], title: str = _TITLE) -> None:
    """Write what reports teach into the block of a file, and tell of it on stderr.

    Raises:
        ConfigError: If the file cannot be read or written, or its block is damaged.
    """
    found = look(path.parent, path.name)
    if found.obstacle:
        raise ConfigError(f"{path} is left alone: {found.obstacle}.\n  to fix   name another file")
    refuse_recording(path)
    advice = advice_of(documents)
    content = with_block(found.content or b"", tuple(guidance_lines(advice, title)), str(path))
    write(path.parent, path.name, content)
    left_out = f"; {advice.left_out} left out: a name in it is none" if advice.left_out else ""
    click.echo(f"otel-agenttrace: {counted(len(advice.lines), 'line')} of guidance in {path}{left_out}", err=True)
