"""The corpus that judges redaction: secrets in contexts, drawn by a seed, and look-alikes that must stay.

It was written from the vendors' formats and not from the detectors, so that it can tell what they miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.support.secret_corpus.blocks import BLOCKS
from tests.support.secret_corpus.contexts import CONTEXTS, Context, Shape
from tests.support.secret_corpus.drawing import Told, drawn
from tests.support.secret_corpus.sayings import LINES
from tests.support.secret_corpus.streams import STREAMS, Body, Stream, told_texts
from tests.support.secret_corpus.survival import survivors
from tests.support.secret_corpus.tokens import TOKENS

__all__ = [
    "CONTEXTS",
    "ENVIRON",
    "SECRETS",
    "STREAMS",
    "Body",
    "Context",
    "Secret",
    "Stream",
    "Told",
    "drawn_secrets",
    "survivors",
    "told_texts",
]

_SEED: Final = "the corpus of issue 4"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a kind, and how it is told."""

    kind: str
    shape: Shape
    told: Told


_TABLES: Final[tuple[tuple[Shape, Mapping[str, tuple[str, ...]]], ...]] = (
    ("token", TOKENS),
    ("line", LINES),
    ("block", BLOCKS),
)


def drawn_secrets(seed: str = _SEED) -> tuple[Secret, ...]:
    """Return one secret of each template; another seed gives others of the same kinds."""
    return tuple(
        Secret(kind, shape, drawn(template, Random(f"{seed} {kind} {template}")))
        for shape, table in _TABLES
        for kind, templates in table.items()
        for template in templates
    )


ENVIRON: Final[Mapping[str, str]] = {
    name: drawn(template, Random(f"{_SEED} {name}")).text
    for name, template in {
        "INTERNAL_SERVICE_TOKEN": "{n24}",
        "LEGACY_DB_PASSWORD": "{s9}/{s7} + {d3}%{a6}",
        "VENDOR_API_KEY": "{u8}.{u12}",
    }.items()
}
"""Variables of the environment; their values are secrets of the kind `environment`."""

SECRETS: Final[tuple[Secret, ...]] = (
    *drawn_secrets(),
    *(Secret("environment", "token", Told(value, (value,))) for value in ENVIRON.values()),
)
