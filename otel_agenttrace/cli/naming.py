"""How commands that read take a recording: by its path, or by any name that `library/finding.py` finds it by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from otel_agenttrace.library.finding import run_named

__all__ = ["RunPath"]


class RunPath(click.Path):
    """A recording that is read: a path, the beginning of an id, a readable name, or `latest`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the recording that is meant."""
        return super().convert(run_named(str(value), Path()), param, ctx)
