"""How commands that read take a recording: by its path, or by any name that `library/finding.py` finds it by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from otel_agenttrace.library.finding import run_named, traces_at
from otel_agenttrace.report.text import counted, escaped

__all__ = ["RunPath"]


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
