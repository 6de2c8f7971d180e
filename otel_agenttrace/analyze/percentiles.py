"""Sum up many amounts, of which some may not be known. Amounts in, percentiles out; a share that so few cannot show is None."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from otel_agenttrace.analyze.estimates import quantile

__all__ = ["Amounts", "Percentiles"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How amounts are spread.

    Attributes:
        n: How many are known.
        unknown: How many are not.
        total: Of those that are known; None if none is.
        p50: Half of such amounts stay below; None if none is known.
        p90: Nine of ten stay below; it takes 7 amounts.
        p99: 99 of 100 stay below; it takes 67 amounts.
        most: The greatest.
    """

    n: int
    unknown: int
    total: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    most: float | None


class Amounts:
    """Amounts as they come, eight bytes each."""

    def __init__(self) -> None:
        self._known = array("d")
        self._unknown = 0

    def add(self, amount: float | None) -> None:
        """Take one more; None is one that is not known."""
        if amount is None:
            self._unknown += 1
        else:
            self._known.append(amount)

    @property
    def percentiles(self) -> Percentiles:
        """Return how they are spread."""
        ordered = sorted(self._known)
        p50, p90, p99 = (_rounded(quantile(ordered, share)) for share in (0.5, 0.9, 0.99))
        total, most = (sum(ordered), ordered[-1]) if ordered else (None, None)
        return Percentiles(len(ordered), self._unknown, _rounded(total), p50, p90, p99, _rounded(most))


def _rounded(amount: float | None) -> float | None:
    """Return an amount without what floating point adds to it: nanoseconds and hundred millionths of a dollar stay."""
    return None if amount is None else round(amount, 9)
