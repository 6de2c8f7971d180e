"""Which calls of tools are meant: a name and, where they matter, arguments. Call in, fits or not or not known out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from otel_agenttrace.analyze.tool_calls import ToolCall
from otel_agenttrace.checks.schemas import Schema
from otel_agenttrace.checks.wording import nearest_of, short, shown
from otel_agenttrace.jsonvalue import Json, array

__all__ = ["WantedCall", "mismatch", "nearest_call"]


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call of a tool, as a rule tells it. The provider's id of a call is never looked at.

    Attributes:
        tool: Its name, or a pattern with `*`.
        arguments: Members that its arguments must have, as `mismatch` compares them; None for any.
        schema: What its arguments must fit; None for anything.
    """

    tool: str
    arguments: Mapping[str, Json] | None = None
    schema: Schema | None = None

    def is_named(self, call: ToolCall) -> bool:
        """Whether the call is of the tool."""
        return fnmatchcase(call.name, self.tool)

    def fits(self, call: ToolCall) -> bool | None:
        """Whether the call is meant; None where its arguments matter and are not recorded."""
        if not self.is_named(call):
            return False
        if self.arguments is None and self.schema is None:
            return True
        return None if call.arguments is None else not self.problem(call)

    def problem(self, call: ToolCall) -> str:
        """Return what is wrong with the arguments of a call; empty if nothing is."""
        if self.arguments is not None and (found := mismatch(self.arguments, call.arguments)):
            return found
        return "" if self.schema is None else self.schema.problem(call.arguments)

    def __str__(self) -> str:
        told = [] if self.arguments is None else [shown(self.arguments)]
        told += [] if self.schema is None else ["schema"]
        return short(self.tool) + (f"({', '.join(told)})" if told else "")


def mismatch(wanted: Json, found: Json, at: str = "") -> str:
    """Return the first place where a value lacks what is wanted; empty if there is none.

    Of an object only the wanted members are compared, a list must have as many elements. 1 is 1.0, true is not 1.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return _told(wanted, found, at)
        for name, value in wanted.items():
            if name not in found:
                return f"{at}/{short(name)} is not there"
            if problem := mismatch(value, found[name], f"{at}/{short(name)}"):
                return problem
        return ""
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        elements = array(found)
        if not isinstance(found, list | tuple) or len(elements) != len(wanted):
            return _told(wanted, found, at)
        pairs = enumerate(zip(wanted, elements, strict=True))
        return next((told for place, (one, other) in pairs if (told := mismatch(one, other, f"{at}/{place}"))), "")
    is_same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return "" if is_same else _told(wanted, found, at)


def _told(wanted: Json, found: Json, at: str) -> str:
    return f"{at or '/'} is {shown(found)}, wanted {shown(wanted)}"


def nearest_call(wanted: WantedCall, calls: Sequence[ToolCall]) -> str:
    """Return what comes nearest to a wanted call that was not made: one of the tool, or a tool of a like name."""
    for call in calls:
        if wanted.is_named(call):
            why = "its arguments are not recorded" if wanted.fits(call) is None else wanted.problem(call)
            return f"{short(call.name)}: {why}"
    return nearest_of(wanted.tool, [call.name for call in calls])
