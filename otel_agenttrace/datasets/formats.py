"""The formats of data sets: a table of names, and the module that makes the rows of each, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from otel_agenttrace.datasets.examples import Example
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import JsonObject

__all__ = ["FORMATS", "Format", "format_named"]


def _nothing(_: JsonObject) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Format:
    """How the rows of one format are made and checked.

    Attributes:
        row: Makes the row of an example; of the example with the same question in a reference, if there is one. It raises
            `NotEncodable` where the format has no place for something.
        problems: Tells what the provider's documentation would not let pass of a row.
        least: How many rows the provider asks for.
        is_facts: Whether each call is told as it was, failed or not, twice or not.
        is_table: Whether rows are written as CSV.
    """

    row: Callable[[Example, Example | None], JsonObject]
    problems: Callable[[JsonObject], Iterable[str]] = _nothing
    least: int = 1
    is_facts: bool = False
    is_table: bool = False


FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("openai_chat", "fine-tuning of OpenAI's chat models"),
    "anthropic": ("anthropic_messages", "fine-tuning by Anthropic's messages"),
    "ragas": ("rag", "single-turn samples of ragas"),
    "deepeval": ("rag", "test cases of deepeval"),
    "openai-evals": ("evals", "samples of OpenAI evals"),
    "agentevals": ("evals", "trajectories of agentevals"),
    "csv": ("calls", "a table, a row for each call"),
    "ndjson": ("calls", "JSON lines, one for each call"),
}
"""What can be written: for each name the module here that knows it, and what it is."""


def format_named(name: str) -> Format:
    """Return a format of the table.

    Raises:
        ConfigError: If there is none of this name.
    """
    if name not in FORMATS:
        raise ConfigError(f"There is no format {name!r} of data sets.\n  to fix   one of {', '.join(FORMATS)}")
    module = import_module(f"otel_agenttrace.datasets.{FORMATS[name][0]}")
    return getattr(module, "FORMATS", {}).get(name) or module.FORMAT
