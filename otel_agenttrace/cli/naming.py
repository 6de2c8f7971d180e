"""How commands that read take a recording: by its path, any name that `library/finding.py` finds it by, or from the standard input."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from otel_agenttrace.library.finding import run_named, traces_at
from otel_agenttrace.report.text import counted, escaped

__all__ = ["RunPath", "readable"]


class RunPath(click.Path):
    """A recording that is read: a path, the beginning of an id, a readable name, or `latest`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the recording that is meant."""
        path = run_named(str(value), Path())
        if str(path) == "-" and not self.allow_dash:
            self.fail("the standard input is not read here: name a file.", param, ctx)
        if not self.dir_okay and path.is_dir():
            found = traces_at(path)
            there = f"{escaped(str(path))} is a folder, and one file is wanted: {counted(len(found), 'cassette')} in it"
            self.fail(f"{there}, such as {escaped(str(found[0]))}.", param, ctx)
        return super().convert(path, param, ctx)


@contextmanager
def readable(path: Path) -> Generator[Path]:
    """Give a file that can be read twice: the standard input is kept in one."""
    if str(path) != "-":
        yield path
        return
    with TemporaryDirectory() as folder:
        kept = Path(folder, "stdin")
        with kept.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield kept
