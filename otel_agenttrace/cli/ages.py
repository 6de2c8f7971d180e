"""How commands take an age: `12h`, `30d`, `2w`, as selectors do."""

from __future__ import annotations

import re
from typing import Final

import click

__all__ = ["checked_age"]

_AGE: Final = re.compile(r"\d+(\.\d+)?(m|min|h|d|w)")


def checked_age(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return an age as a selector takes it, None for none."""
    if value is not None and not _AGE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no age: a number of minutes, hours, days or weeks, such as 12h, 30d or 2w"
        )
    return value
