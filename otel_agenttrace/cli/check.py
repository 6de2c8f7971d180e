"""`check`: hold traces to the rules of a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from otel_agenttrace.checks.documents import RULES_FILE, Check, checks_in
from otel_agenttrace.checks.files import CheckedFile, checked_file, lines_found, unmatched, with_vacuous
from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.cli.inputs import FILES
from otel_agenttrace.cli.look import JSON
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.cli.writing import write_file
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.library.finding import traces_at
from otel_agenttrace.report.checked import checked_json, checked_lines
from otel_agenttrace.report.junit import junit_xml
from otel_agenttrace.report.sarif import sarif
from otel_agenttrace.report.text import escaped_lines
from otel_agenttrace_instrumentation.loading import load

__all__ = ["check"]

_OUTPUT = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog="Example: otel-agenttrace check tests/cassettes --rules agent-checks.yaml")
@FILES
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RULES_FILE,
    show_default=True,
    help="The file of rules.",
)
@click.option("--junit", type=_OUTPUT, help="Write the results as JUnit XML here.")
@click.option("--sarif", "sarif_file", type=_OUTPUT, help="Write the findings as SARIF 2.1.0 here.")
@JSON
def check(
    paths: tuple[Path, ...], rules_file: Path, junit: Path | None, sarif_file: Path | None, *, as_json: bool
) -> None:
    """Hold each FILE to the rules that are for it, and tell what breaks them.

    FILE is a cassette, a trace that others exported, or - for the standard input. A folder stands for all cassettes below
    it, packed ones too. Exits 1 on findings: a rule that checks nothing is one, and so is a file of rules that no FILE is held to.
    """
    checks = _checks(rules_file)
    found = [_checked(file, checks) for path in paths for file in traces_at(path)]
    files = with_vacuous(found, str(rules_file))
    unused = tuple(unmatched(checks, [file.path for file in found]))
    if junit is not None:
        write_file(junit, junit_xml(files))
    if sarif_file is not None:
        write_file(sarif_file, json.dumps(sarif(files, lines_found(files)), indent=2).encode() + b"\n")
    for line in (
        (json.dumps(checked_json(files, unused), indent=2),)
        if as_json
        else checked_lines(files, unused, str(rules_file))
    ):
        click.echo(line)
    for file in files:
        if file.problem:
            click.echo(f"otel-agenttrace: {escaped_lines(file.problem)}", err=True)
    raise SystemExit(_exit_code(files))


def _exit_code(files: tuple[CheckedFile, ...]) -> int:
    if any(file.problem for file in files):
        return UNREADABLE
    return FINDINGS if any(file.findings for file in files) else CLEAN


def _checks(rules_file: Path) -> tuple[Check, ...]:
    try:
        content = rules_file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{rules_file} cannot be read: {error.strerror}.\n  to fix   write your rules there, or name the file: --rules FILE"
        ) from None
    return checks_in(content, str(rules_file), lambda told: load(rules_file.parent / str(told)))


def _checked(path: Path, checks: tuple[Check, ...]) -> CheckedFile:
    with readable(path) as kept:
        return checked_file(kept, checks, load, named=str(path))
