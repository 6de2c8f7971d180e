"""docs/cli.md is what the commands say of themselves. To write it anew:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_cli_page.py
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from otel_agenttrace import cli

_PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
_PROGRAM: Final = "otel-agenttrace"
_EXAMPLE: Final = "Example: "
_HEAD: Final = """# Commands

What `--help` tells of each command. A test writes this page. Exit codes: 0 clean, 1 findings of a command that judges, 2
wrong use or a file that cannot be written, 3 nothing that can be read. `-` is the standard input.
`otel-agenttrace completion bash|zsh|fish` prints what makes a shell complete all of this.
"""


def _root() -> click.Group:
    return next(value for value in vars(cli).values() if isinstance(value, click.Group))


def _named(name: str) -> click.Command:
    command = _root().get_command(click.Context(_root()), name)
    assert command is not None
    return command


def _leaves(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _leaves((*path, name), command.commands[name])


def _names() -> list[str]:
    return _root().list_commands(click.Context(_root()))


def _sections() -> dict[str, tuple[str, ...]]:
    return vars(cli)["_SECTIONS"]


def _aliases(name: str) -> list[str]:
    return sorted(alias for alias, command in vars(cli)["_ALIASES"].items() if command == name)


def _page() -> str:
    return "\n".join([_HEAD, *_blocks()])


def _blocks() -> Iterator[str]:
    for title, names in _sections().items():
        yield f"## {title}\n"
        for name in names:
            if name in _names():
                yield f"### {name}\n"
                if aliases := _aliases(name):
                    yield f"Also called {', '.join(f'`{alias}`' for alias in aliases)}.\n"
                for path, command in _leaves((name,), _named(name)):
                    yield f"```text\n{_help(path, command)}\n```\n"


def _help(path: tuple[str, ...], command: click.Command) -> str:
    shown = click.Context(command, info_name=" ".join((_PROGRAM, *path)), terminal_width=100, max_content_width=100)
    shown.help_option_names = []
    return command.get_help(shown)


def test_the_page_is_what_the_commands_say_of_themselves() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        _PAGE.write_text(_page(), encoding="utf-8")
    assert _PAGE.read_text(encoding="utf-8") == _page()


def test_every_command_stands_in_one_section_of_the_help() -> None:
    named = [name for names in _sections().values() for name in names]
    assert sorted(set(named)) == sorted(named)
    assert set(_names()) <= set(named)


def test_the_help_shows_each_command_under_its_section() -> None:
    shown = _root().get_help(click.Context(_root(), info_name=_PROGRAM, terminal_width=200))
    lines = shown.splitlines()
    told = [line.split()[0] for line in lines[lines.index("Record and replay:") :] if line.startswith("  ")]
    assert [name for name in told if name in _names()] == [
        name for names in _sections().values() for name in names if name in _names()
    ]


@pytest.mark.parametrize("name", ["", *_names()])
def test_an_example_has_options_and_arguments_that_are_there(name: str) -> None:
    for path, command in _leaves((name,), _named(name)) if name else (((), _root()),):
        assert command.epilog is not None
        assert command.epilog.startswith(f"{_EXAMPLE}{_PROGRAM} "), path
        words = shlex.split(command.epilog.removeprefix(_EXAMPLE))[1:]
        used, rest = _command_in(words)
        assert path == () or used is command or isinstance(command, click.Group), path
        _parse(used, rest)


def _command_in(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = _root()
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), words[0])
        assert below is not None, words[0]
        command, words = below, words[1:]
    return command, words


def _parse(command: click.Command, words: list[str]) -> None:
    """Parse words as options and arguments; no value is looked at, and nothing runs."""
    told, left, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    assert left == []
    for parameter in command.params:
        assert not parameter.required or told.get(parameter.name or "") not in (None, ()), parameter.name
