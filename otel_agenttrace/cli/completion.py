"""`completion`: the script by which a shell completes commands, options and file names."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

__all__ = ["completion"]

_SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}
_PROGRAM: Final = "otel-agenttrace"
_VARIABLE: Final = "_OTEL_AGENTTRACE_COMPLETE"


@click.command(epilog="Example: otel-agenttrace completion bash")
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and files.

    For bash and zsh a line in ~/.bashrc or ~/.zshrc: eval "$(otel-agenttrace completion bash)". For fish: put what is
    printed into ~/.config/fish/completions/otel-agenttrace.fish.
    """
    click.echo(_SHELLS[shell](context.find_root().command, {}, _PROGRAM, _VARIABLE).source())
