"""The command `otel-agenttrace`. A command parses, calls one function, hands its report on and sets the exit code."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click
from click.shell_completion import CompletionItem

from otel_agenttrace.errors import AgentTraceError, CassetteError, CassetteInaccessible, GitHubError, IngestError

__all__ = ["CLEAN", "FINDINGS", "UNREADABLE", "WRONG_USE", "main"]

CLEAN: Final = 0
FINDINGS: Final = 1
WRONG_USE: Final = 2
UNREADABLE: Final = 3

_COMMANDS: Final = {
    "annotate": ("annotate", "annotate"),
    "check": ("check", "check"),
    "completion": ("completion", "completion"),
    "cost": ("cost", "cost"),
    "dataset": ("dataset", "dataset"),
    "demo": ("demo", "demo"),
    "diff": ("diff", "diff"),
    "doctor": ("doctor", "doctor"),
    "explain": ("explain", "explain"),
    "export": ("export", "export"),
    "fingerprint": ("library", "fingerprint"),
    "gaps": ("gaps", "gaps"),
    "grade": ("grade", "grade"),
    "guidance": ("guidance", "guidance"),
    "ingest": ("ingest", "ingest"),
    "init": ("init", "init"),
    "learn": ("learn", "learn"),
    "ls": ("library", "ls"),
    "merge": ("combine", "merge"),
    "migrate": ("library", "migrate"),
    "open": ("browse", "open_"),
    "pack": ("look", "pack"),
    "patterns": ("patterns", "patterns"),
    "play": ("play", "play"),
    "pr": ("pr", "pr"),
    "prune": ("library", "prune"),
    "record": ("run", "record"),
    "redact": ("redact", "redact"),
    "refresh": ("run", "refresh"),
    "replay": ("run", "replay"),
    "report": ("report", "report"),
    "retrieval": ("retrieval", "retrieval"),
    "score": ("score", "score"),
    "serve": ("serve", "serve"),
    "show": ("look", "show"),
    "slice": ("combine", "slice_"),
    "split": ("combine", "split"),
    "stats": ("stats", "stats"),
    "timeline": ("explain", "timeline"),
    "tokens": ("tokens", "tokens"),
    "tree": ("explain", "tree"),
    "validate": ("look", "validate"),
    "why": ("why", "why"),
}

_ALIASES: Final = {
    "analyze": "patterns",
    "gap-report": "gaps",
    "inspect": "show",
    "list": "ls",
    "pr-diff": "pr",
    "token-budget": "tokens",
}
"""Names that other tools have for a command."""

_SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Record and replay": ("demo", "init", "record", "replay", "refresh", "serve"),
    "Look": ("show", "open", "play", "tree", "timeline", "tokens", "stats", "annotate", "grade"),
    "Compare and explain": (
        "diff",
        "explain",
        "why",
        "cost",
        "gaps",
        "patterns",
        "guidance",
        "pr",
        "learn",
        "report",
    ),
    "Check and test": ("check", "score", "retrieval", "validate", "doctor"),
    "Library": ("ls", "fingerprint", "merge", "split", "slice", "prune", "migrate", "pack", "redact"),
    "Bring in and hand on": ("ingest", "export", "dataset", "completion"),
}
"""How the help groups the commands; a name that no command has is passed over."""

_UNLIMITED: Final = 1_000


class _LazyGroup(click.Group):
    """Imports the module of a command when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if found is None:
            return None
        module, attribute = found
        return getattr(import_module(f"otel_agenttrace.cli.{module}"), attribute)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, aliases where a letter is given; no command is imported for its help text."""
        aliases = [name for name, command in _ALIASES.items() if incomplete and command in _COMMANDS]
        named = [CompletionItem(name) for name in (*_COMMANDS, *aliases) if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _SECTIONS.items():
            told = [(name, _first_sentence(self.get_command(ctx, name))) for name in names if name in _COMMANDS]
            with formatter.section(title):
                formatter.write_dl(told)


def _first_sentence(command: click.Command | None) -> str:
    return command.get_short_help_str(limit=_UNLIMITED) if command is not None else ""


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: otel-agenttrace record run.otlp.jsonl -- python agent.py",
)
@click.version_option(package_name="otel-agenttrace", prog_name="otel-agenttrace")
def _cli() -> None:
    """Any OpenTelemetry GenAI trace is a test: record a run of an agent, replay it with no network, look at it."""


def main() -> None:
    """Run the command line; errors we raise become one message and an exit code."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # what its encoding has no bytes for is shown as an escape, not raised
        reconfigure(errors="backslashreplace")
    try:
        _cli(prog_name="otel-agenttrace")
    except (CassetteError, GitHubError, IngestError) as error:
        is_output = isinstance(error, CassetteInaccessible) and error.is_output
        _fail(error, WRONG_USE if is_output else UNREADABLE)
    except AgentTraceError as error:
        _fail(error, WRONG_USE)


def _fail(error: AgentTraceError, code: int) -> None:
    sys.stderr.write(f"otel-agenttrace: {error}\n")
    raise SystemExit(code)
