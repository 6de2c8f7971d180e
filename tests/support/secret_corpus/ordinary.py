"""Look-alikes: what has the words or the shape of a secret and is none. Not one character of them may change."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from tests.support.secret_corpus.drawing import filled
from tests.support.secret_corpus.ordinary_code import CODE
from tests.support.secret_corpus.ordinary_ids import IDS
from tests.support.secret_corpus.ordinary_words import WORDS

__all__ = ["LOOK_ALIKES"]

LOOK_ALIKES: Final[Mapping[str, str]] = {
    f"{table}: {name}": filled(template, Random(f"look-alike {name}"))
    for table, templates in (("ids", IDS), ("words", WORDS), ("code", CODE))
    for name, template in templates.items()
}
"""By name; opaque values are drawn by a seed."""
