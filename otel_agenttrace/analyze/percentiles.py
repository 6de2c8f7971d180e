"""Sum up many amounts, of which some may not be known. Amounts in, percentiles out; a share that so few cannot show is None."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.estimates import quantile

__all__ = ["Amounts", "Percentiles"]

_DECIMALS: Final = 9
"""What floating point adds to amounts is cut off; nanoseconds and hundred millionths of a dollar stay."""


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

    def join(self, other: Amounts) -> None:
        """Take all that another one took."""
        self._known.extend(other._known)
        self._unknown += other._unknown

    @property
    def whole(self) -> float | None:
        """Their sum; None if one is not known."""
        return None if self._unknown else sum(self._known)

    @property
    def percentiles(self) -> Percentiles:
        """Return how they are spread."""
        if not self._known:
            return Percentiles(0, self._unknown, None, None, None, None, None)
        ordered = sorted(self._known)
        p50, p90, p99 = (_rounded(quantile(ordered, share)) for share in (0.5, 0.9, 0.99))
        return Percentiles(len(ordered), self._unknown, _rounded(sum(ordered)), p50, p90, p99, _rounded(ordered[-1]))


def _rounded(amount: float | None) -> float | None:
    return amount if amount is None or amount.is_integer() else round(amount, _DECIMALS)
