"""Read what a rule was told: a number, texts, calls of tools, a schema. Value in, the typed thing or `ConfigError` out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from otel_agenttrace.checks.schemas import Schema, schema_of
from otel_agenttrace.checks.wanted import WantedCall
from otel_agenttrace.checks.wording import short
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, integer, number
from otel_agenttrace.model import Trace

__all__ = ["Told", "nearest", "pairs_of"]

_CALL: Final = ("args", "schema", "tool")
_TOLD_CALL: Final = "the name of a tool, or {tool: NAME, args: {…}} with what its arguments must have"


@dataclass(frozen=True, slots=True)
class Told:
    """What a rule was told.

    Attributes:
        name: Of the rule, or the place in it.
        value: What it was told.
        source: Where it stands.
        load: Gives the trace of a baseline.
    """

    name: str
    value: object
    source: str
    load: Callable[[object], Trace]

    @property
    def place(self) -> str:
        """Where the value stands, for people."""
        return f"{self.source}: {self.name}"

    @property
    def mapping(self) -> Mapping[str, object] | None:
        """The value if it is a mapping."""
        is_mapping = isinstance(self.value, Mapping)
        return cast("Mapping[str, object]", self.value) if is_mapping else None

    @property
    def listed(self) -> Sequence[object] | None:
        """The value if it is a list."""
        is_list = isinstance(self.value, list | tuple)
        return cast("Sequence[object]", self.value) if is_list else None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: null, false, or an empty text, list or mapping."""
        held = self.mapping if self.listed is None else self.listed
        return self.value is None or self.value is False or self.value == "" or (held is not None and not held)

    def wrong(self, expected: str) -> ConfigError:
        """Return the error that tells what is expected in the place of the value."""
        return ConfigError(f"{self.place} is {short(repr(self.value))}.\n  to fix   {expected}")

    def whole(self, least: int = 0) -> int:
        """Return a whole number.

        Raises:
            ConfigError: If it is none, or too small.
        """
        value = integer(self.value)
        if value is None or value < least:
            raise self.wrong(f"a whole number, {least} or more")
        return value

    def amount(self, most: float = math.inf, *, is_signed: bool = False) -> float:
        """Return a number.

        Raises:
            ConfigError: If it is none, negative where it may not be, or too large.
        """
        value = number(self.value)
        if value is None or not math.isfinite(value) or value > most or (value < 0 and not is_signed):
            raise self.wrong(
                "a number"
                if is_signed
                else f"a number from 0 to {most:g}"
                if most < math.inf
                else "a number, 0 or more"
            )
        return float(value)

    def flag(self) -> bool:
        """Return true or false.

        Raises:
            ConfigError: If it is neither.
        """
        if not isinstance(self.value, bool):
            raise self.wrong("true")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return one text, or each of a list.

        Raises:
            ConfigError: If it is something else.
        """
        listed = (self.value,) if isinstance(self.value, str) else self.listed
        if listed is None or not all(isinstance(each, str) for each in listed):
            raise self.wrong("a text, or a list of texts")
        return tuple(cast("Sequence[str]", listed))

    def items(self) -> tuple[Told, ...]:
        """Return each item of a list, with its place.

        Raises:
            ConfigError: If it is none.
        """
        if self.listed is None:
            raise self.wrong("a list")
        return tuple(
            replace(self, name=f"{self.name}[{place}]", value=value) for place, value in enumerate(self.listed)
        )

    def members(self, known: Sequence[str], required: Sequence[str] = ()) -> Mapping[str, Told]:
        """Return the members of a mapping, each with its place.

        Raises:
            ConfigError: If it is none, has others, or lacks one.
        """
        mapping = self.mapping
        if mapping is None:
            raise self.wrong(f"a mapping with {', '.join(known)}")
        for key in mapping:
            if key not in known:
                told = f"one of {', '.join(known)}.{nearest(str(key), known)}"
                raise ConfigError(f"{self.place} has no key {short(repr(key))}.\n  to fix   {told}")
        for key in required:
            if key not in mapping:
                raise ConfigError(f"{self.place} lacks {key}.\n  to fix   {', '.join(known)}")
        return {key: replace(self, name=f"{self.name}.{key}", value=value) for key, value in mapping.items()}

    def schema(self) -> Schema:
        """Return a JSON Schema.

        Raises:
            ConfigError: If it is none.
        """
        told = self.value if isinstance(self.value, bool) else self.mapping
        if told is None:
            raise self.wrong("a JSON Schema: a mapping such as {type: object, required: [city]}")
        return schema_of(told, self.place)

    def call(self) -> WantedCall:
        """Return a call of a tool: a name, or a mapping with `tool`, and `args` or `schema`.

        Raises:
            ConfigError: If it is something else.
        """
        if isinstance(self.value, str) and self.value:
            return WantedCall(self.value)
        if self.mapping is None:
            raise self.wrong(_TOLD_CALL)
        members = self.members(_CALL, ("tool",))
        tool, args, schema = (members.get(name) for name in ("tool", "args", "schema"))
        if tool is None or not isinstance(tool.value, str) or not tool.value:
            raise self.wrong(_TOLD_CALL)
        return WantedCall(
            tool.value,
            None if args is None else args.arguments(),
            None if schema is None else schema.schema(),
        )

    def calls(self) -> tuple[WantedCall, ...]:
        """Return one call of a tool, or each of a list.

        Raises:
            ConfigError: If it is something else.
        """
        return (self.call(),) if self.listed is None else tuple(each.call() for each in self.items())

    def arguments(self) -> Mapping[str, Json]:
        """Return the members that arguments must have.

        Raises:
            ConfigError: If it is no mapping.
        """
        if self.mapping is None:
            raise self.wrong("a mapping of what the arguments must have")
        return cast("Mapping[str, Json]", self.mapping)

    def baseline(self) -> Trace:
        """Return the trace of a baseline: the value itself, or what it names.

        Raises:
            ConfigError: If it names none.
        """
        return self.value if isinstance(self.value, Trace) else self.load(self.value)


def pairs_of(told: Told) -> tuple[tuple[WantedCall, ...], ...]:
    """Return one list of calls, or each of a list of lists.

    Raises:
        ConfigError: If it is something else.
    """
    items = () if told.listed is None else told.items()
    if items and all(each.listed is not None for each in items):
        return tuple(each.calls() for each in items)
    return (told.calls(),)


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a question that names the known word that is most like another; empty if none is."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
