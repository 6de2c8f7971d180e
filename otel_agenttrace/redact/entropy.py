"""How much there is to guess in a text: drawn ones have more than words. Text in, bits out."""

from __future__ import annotations

import math
from collections import Counter

__all__ = ["bits_per_character"]


def bits_per_character(text: str) -> float:
    """Return the entropy of the characters of a text that is not empty."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
