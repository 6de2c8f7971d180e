"""Split a data set into a side to train on and one to test on. Examples in, their sides out, the same for the same content."""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

from otel_agenttrace.datasets.examples import Example

__all__ = ["Side", "Sides"]

Side: TypeAlias = Literal["", "train", "test"]


class Sides:
    """Decides the side of a run by what its user said first: all its calls, and other runs of the same task, are on one.

    Another example does not move those that are there already.
    """

    def __init__(self, share: float | None, seed: int = 0) -> None:
        self._share = share
        self._seed = seed
        self._openings: dict[tuple[str, str], str] = {}

    @property
    def names(self) -> tuple[Side, ...]:
        """The sides there are."""
        return ("",) if self._share is None else ("train", "test")

    def of(self, example: Example) -> Side:
        """Return the side of an example; empty where nothing is split."""
        if self._share is None:
            return ""
        opening = self._openings.setdefault((example.file, example.span.trace_id), example.opening)
        digest = hashlib.sha256(f"{self._seed}\n{opening}".encode()).digest()
        return "train" if int.from_bytes(digest[:8], "big") < self._share * (1 << 64) else "test"
