"""What the rows of all formats are checked for: the tools that are called, and answers to each call. Turns in, problems out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Turn", "tool_problems"]

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as far as its tools go.

    Attributes:
        calls: Id and name of each call it makes.
        results: Id of each call it answers.
    """

    calls: tuple[tuple[str, str], ...] = ()
    results: tuple[str, ...] = ()


def tool_problems(turns: Sequence[Turn], tools: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the calls of a conversation and their results."""
    for name in tools:
        if not _NAME.fullmatch(name):
            yield f"the tool name {name!r} is not legal: 1 to 64 letters, digits, _ and -"
    seen: set[str] = set()
    open_ids: set[str] = set()
    for turn in turns:
        if open_ids and not turn.results:
            yield f"{_named(open_ids)} without a result"
            open_ids = set()
        for call_id in turn.results:
            if call_id not in open_ids:
                yield (
                    f"a result for {call_id!r}, which was not called just before" if call_id else "a result without id"
                )
            open_ids.discard(call_id)
        for call_id, name in turn.calls:
            if not call_id or call_id in seen:
                yield f"a call of {name!r} has the id of another" if call_id else f"a call of {name!r} has no id"
            if name not in tools:
                yield f"{name!r} is called, and is not among the tools"
            seen.add(call_id)
            open_ids.add(call_id)


def _named(ids: Collection[str]) -> str:
    return f"the call {min(ids)!r} is" if len(ids) == 1 else f"{len(ids)} calls are"
