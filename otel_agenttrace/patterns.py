"""Compile the expressions that users write: in selectors, match rules and patches. Text in, pattern out."""

from __future__ import annotations

import re

__all__ = ["expression"]


def expression(written: str) -> re.Pattern[str]:
    """Return the regular expression that a text is.

    Raises:
        ValueError: If it is none, or more than `re` can hold.
    """
    try:
        return re.compile(written)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
