"""Tell what changed in a pair of acts. Rows of two runs in, changes out, each told where it came up first.

A call to a model is given what was said before it. A message that another call answered, or a tool gave, is no change of
the calls that read it: it is told where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.acts import Act
from otel_agenttrace.analyze.alignment import Places, aligned
from otel_agenttrace.analyze.contents import Contents, given_by, given_to, written
from otel_agenttrace.analyze.pairing import Row
from otel_agenttrace.analyze.questioning import Piece
from otel_agenttrace.analyze.wording import word_diff
from otel_agenttrace.differing import differences_of
from otel_agenttrace.jsonvalue import Json, array

__all__ = ["KINDS", "Changed", "DiffKind", "Differ", "told_once"]

DiffKind: TypeAlias = Literal[
    "added",
    "removed",
    "order",
    "agent",
    "model",
    "parameters",
    "system",
    "definitions",
    "messages",
    "arguments",
    "result",
    "text",
    "finish",
    "error",
    "attempts",
]
KINDS: Final[Mapping[DiffKind, str]] = {
    "added": "an act that only the new run has",
    "removed": "an act that only the old run has",
    "order": "an act that stands at another place",
    "agent": "another agent at the same place",
    "model": "the model that was asked, or that answered",
    "parameters": "a parameter of a request",
    "system": "the instructions to a model",
    "definitions": "a tool that a model is offered: added, removed, changed",
    "messages": "what a model is given to read: injected, dropped, truncated, changed",
    "arguments": "what a tool or a retrieval was given",
    "result": "what a tool or a retrieval gave",
    "text": "what a model answered",
    "finish": "why a model stopped",
    "error": "failed, or failed otherwise",
    "attempts": "how often a call was tried",
}
"""The kinds of a change, and what they are."""
_LASTING: Final = frozenset({"agent", "model", "parameters", "system", "definitions"})
"""What is the same change in each later call."""
_MOST_PLACES: Final = 20
_ASKED: Final = frozenset({"stop", "end_turn", "tool_calls", "tool_use", "tool_call", "function_call"})
"""How a model ends that says something, or asks for a tool, which are acts of their own."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that changed.

    Attributes:
        kind: One of `KINDS`.
        step: The number of the row, from 1, in which it came up first.
        act: What it changed of, in words: `tool search`.
        what: The parameter, the name of the tool, the place in the arguments, what became of the message.
        old: What it was; None where there was nothing.
        new: What it is; None where there is nothing.
        words: Both as one text, `[-gone-]{+new+}`; empty for what is no text.
        old_span: The span of the old run.
        new_span: The span of the new run.
        times: In how many rows it is the same change.
    """

    kind: DiffKind
    step: int
    act: str
    what: str = ""
    old: str | None = None
    new: str | None = None
    words: str = ""
    old_span: str | None = None
    new_span: str | None = None
    times: int = 1


def told_once(changes: Iterator[Changed]) -> tuple[Changed, ...]:
    """Return changes with those that last told once, where they came up first."""
    found: dict[object, Changed] = {}
    for change in changes:
        key = (change.kind, change.what, change.old, change.new) if change.kind in _LASTING else len(found)
        known = found.get(key)
        found[key] = change if known is None else replace(known, times=known.times + 1)
    return tuple(found.values())


class Differ:
    """Tells the changes of the rows of one comparison, given in their order: it remembers what it told."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._gone: set[str] = set()
        self._came: set[str] = set()

    def changes(self, row: Row, step: int) -> Iterator[Changed]:
        """Yield what changed in a row."""
        act = row.new or row.old
        assert act is not None
        spans = (None if row.old is None else row.old.span.span_id, None if row.new is None else row.new.span.span_id)
        for change in self._changes(row):
            yield replace(change, step=step, act=f"{act.kind} {act.name}", old_span=spans[0], new_span=spans[1])

    def _changes(self, row: Row) -> Iterator[Changed]:
        old, new = row.old, row.new
        if old is None or new is None:
            yield from self._alone(old, new)
            return
        if row.is_moved:
            yield _change("order")
        if old.is_error or new.is_error:
            yield from _error(old, new)
        if old.kind == "agent":
            if old.name != new.name:
                yield _change("agent", "", old.name, new.name)
        elif old.kind == "inference":
            yield from self._inference(old, new)
        else:
            yield from self._tool(old, new)

    def _alone(self, old: Act | None, new: Act | None) -> Iterator[Changed]:
        if old is not None:
            self._gone.update(self._said_by(old))
            yield _change("removed", "", _described(old))
        if new is not None:
            self._came.update(self._said_by(new))
            yield _change("added", "", None, _described(new))

    def _said_by(self, act: Act) -> Iterator[str]:
        """Yield what an act adds to the conversation, as it is compared there."""
        if act.kind == "inference":
            yield from (piece.key for piece in self._contents.output(act.span))
        elif act.call is not None:
            yield self._contents.call_key(act.call.name, act.call.arguments)
            yield self._contents.result_key(act.call.result)

    # --- tools --------------------------------------------------------------------------------------------------------

    def _tool(self, old: Act, new: Act) -> Iterator[Changed]:
        found: list[Changed] = []
        if _is_other(given_to(old), given_to(new)):
            found += _of_values("arguments", self._contents.arguments(old), self._contents.arguments(new))
        if _is_other(given_by(old), given_by(new)):
            found += _of_values("result", self._contents.result(old), self._contents.result(new))
        if found:
            self._gone.update(self._said_by(old))
            self._came.update(self._said_by(new))
        yield from found

    # --- models -------------------------------------------------------------------------------------------------------

    def _inference(self, old: Act, new: Act) -> Iterator[Changed]:
        yield from _models(old, new)
        digests = old.span.call_digests
        if digests is None or digests != new.span.call_digests:
            if not self._contents.asked_alike(old, new):
                yield from self._request(old, new)
            if not self._contents.answered_alike(old, new):
                yield from self._answer(old, new)
        yield from _finish(old, new)

    def _request(self, old: Act, new: Act) -> Iterator[Changed]:
        read = self._contents
        was, now = read.members(old), read.members(new)
        if was is not None and now is not None:
            yield from _parameters(was, now, both=False)
        else:
            yield from _parameters(read.parameters(old), read.parameters(new), both=old.span.scope != new.span.scope)
        is_tail = read.begin_alike(old, new)
        if not is_tail or read.system(old.span, is_tail=True) != read.system(new.span, is_tail=True):
            yield from self._texts("system", read.system(old.span), read.system(new.span))
        yield from _definitions(read.definitions(old), read.definitions(new))
        yield from self._messages(read.messages(old.span, is_tail=is_tail), read.messages(new.span, is_tail=is_tail))

    def _texts(self, kind: DiffKind, old: str | None, new: str | None) -> Iterator[Changed]:
        if (
            old is None
            or new is None
            or old == new
            or self._contents.key_of(old.strip()) == self._contents.key_of(new.strip())
        ):
            return
        yield _change(kind, "", old or None, new or None, word_diff(old, new))

    def _messages(self, old: tuple[Piece, ...], new: tuple[Piece, ...]) -> Iterator[Changed]:
        """Yield the messages that differ, for which nothing that was told before is the reason."""
        if not old or not new or old == new:
            return
        pairs = _paired(old, new)
        held, taken = {one for one, _ in pairs}, {other for _, other in pairs}
        for one, other in pairs:
            if old[one].key != new[other].key:
                yield from self._message(old[one], new[other])
        for piece in (each for place, each in enumerate(old) if place not in held):
            yield from self._message(piece, None)
        for piece in (each for place, each in enumerate(new) if place not in taken):
            yield from self._message(None, piece)

    def _message(self, old: Piece | None, new: Piece | None) -> Iterator[Changed]:
        old, new = self._untold(old, self._gone), self._untold(new, self._came)
        said = old or new
        if said is None:
            return
        role = f"{said.role} message" if said.kind == "text" else f"{said.role} {said.kind.replace('_', ' ')}"
        if old is None or new is None:
            became = "injected" if old is None else "dropped"
            was, now = (None if each is None else each.text for each in (old, new))
            yield _change("messages", f"{role} {became}", was, now)
        else:
            became = "truncated" if _is_cut(old.text, new.text) else "changed"
            yield _change("messages", f"{role} {became}", old.text, new.text, word_diff(old.text, new.text))

    def _untold(self, piece: Piece | None, told: set[str]) -> Piece | None:
        """Return a part of a message if it is told for the first time."""
        if piece is None or piece.key in told:
            return None
        told.add(piece.key)
        return piece

    def _answer(self, old: Act, new: Act) -> Iterator[Changed]:
        was, now = self._contents.output(old.span), self._contents.output(new.span)
        gone, came = ([piece.key for piece in said] for said in (was, now))
        if gone != came:
            self._gone.update(gone)
            self._came.update(came)
        if was and now and not (old.is_error or new.is_error):
            yield from self._texts("text", _text(was), _text(now))
        tried = self._contents.tried(old), self._contents.tried(new)
        if all(tried) and tried[0] != tried[1]:
            yield _change("attempts", "", *map(str, tried))


def _described(act: Act) -> str:
    if act.call is not None:
        return f"tool {act.name}({'' if act.call.arguments is None else written(act.call.arguments)})"
    return f"{act.kind} {act.name}"


def _change(kind: DiffKind, what: str = "", old: str | None = None, new: str | None = None, words: str = "") -> Changed:
    return Changed(kind, 0, "", what, old, new, words)


def _key(piece: Piece) -> str:
    return piece.key


def _role(piece: Piece) -> tuple[str, str]:
    return piece.role, piece.kind


def _paired(old: Sequence[Piece], new: Sequence[Piece]) -> Sequence[Places]:
    """Return the places of pieces that belong together: the same from both sides, which the shortest edit is not."""
    if [*map(_key, old)] <= [*map(_key, new)]:
        return aligned(old, new, (_key, _role))
    return sorted((one, other) for other, one in aligned(new, old, (_key, _role)))


def _is_cut(old: str, new: str) -> bool:
    """Whether a text is the beginning or the end of another, but for a mark where it was cut."""
    kept = new.strip().strip("….").removesuffix("[truncated]").rstrip()
    return 0 < len(kept) < len(old.strip()) and (old.strip().startswith(kept) or old.strip().endswith(kept))


def _text(pieces: tuple[Piece, ...]) -> str:
    return "\n".join(piece.text for piece in pieces if piece.kind not in ("tool_call", "reasoning"))


def _error(old: Act, new: Act) -> Iterator[Changed]:
    was, now = _failure(old), _failure(new)
    if was != now:
        yield _change("error", "", was, now)


def _failure(act: Act) -> str | None:
    if not act.is_error:
        return None
    return f"{act.span.attributes.get(semconv.ERROR_TYPE) or 'error'}: {act.span.status_message}".removesuffix(": ")


def _models(old: Act, new: Act) -> Iterator[Changed]:
    if not _is_same_model(old.name, new.name):
        yield _change("model", "", old.name, new.name)
        return
    was, now = (each.span.attributes.get(semconv.GEN_AI_RESPONSE_MODEL) for each in (old, new))
    if was != now and isinstance(was, str) and isinstance(now, str) and not _is_same_model(was, now):
        yield _change("model", "answering", was, now)


def _is_same_model(old: str, new: str) -> bool:
    """Whether two names are of one model: some say its provider before it, some do not."""
    return old == new or (("/" in old) != ("/" in new) and old.rpartition("/")[2] == new.rpartition("/")[2])


def _parameters(old: Mapping[str, str], new: Mapping[str, str], *, both: bool) -> Iterator[Changed]:
    """Yield parameters that differ; `both` says whether only those count that both sides tell."""
    for name in sorted({*old} & {*new} if both else {*old} | {*new}):
        if old.get(name) != new.get(name):
            yield _change("parameters", name, old.get(name), new.get(name))


def _definitions(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> Iterator[Changed]:
    if old is None or new is None or old == new:
        return
    for name in sorted({*old} | {*new}):
        was, now = old.get(name), new.get(name)
        if was != now:
            became = "added" if was is None else "removed" if now is None else "changed"
            yield _change("definitions", f"{name} {became}", was, now)


def _is_other(old: Json, new: Json) -> bool:
    """Whether two values differ that both runs tell."""
    return old is not None and new is not None and old != new


def _of_values(kind: DiffKind, old: Json, new: Json) -> Iterator[Changed]:
    if old == new:
        return
    if isinstance(old, str) and isinstance(new, str):
        yield _change(kind, "", old, new, word_diff(old, new))
        return
    for number, place in enumerate(differences_of(old, new)):
        if number == _MOST_PLACES:
            return
        yield _change(kind, place.pointer, place.recorded, place.asked)


def _finish(old: Act, new: Act) -> Iterator[Changed]:
    was, now = (
        tuple(map(str, array(each.span.attributes.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS)))) for each in (old, new)
    )
    if was and now and was != now and not _ASKED.issuperset({*was, *now}):
        yield _change("finish", "", ", ".join(was), ", ".join(now))
