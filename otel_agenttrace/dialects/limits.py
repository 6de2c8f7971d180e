"""At which length the values of a trace were cut off, as `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` does. Spans in, length out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.dialects.told import is_cut
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["UNLIMITED", "Limits", "length_limit", "limits_of", "process_of"]

_LEAST: Final = 16
"""Nobody cuts values shorter than this: names and ids are as long."""
_PLACE: Final = re.compile(r"\.\d+(?=\.|$)")


@dataclass(frozen=True, slots=True)
class Limits:
    """The lengths at which a process cut off the values of spans and of events, None if it did not."""

    of_spans: int | None = None
    of_events: int | None = None


UNLIMITED: Final = Limits()


def limits_of(spans: Iterable[Span]) -> Mapping[str, Limits]:
    """Return the limits of each process that has spans here, by the name `process_of` gives it."""
    held: dict[str, list[Span]] = {}
    for span in spans:
        held.setdefault(process_of(span), []).append(span)
    return {
        process: Limits(
            length_limit(span.attributes for span in told),
            length_limit(event.attributes for span in told for event in span.events),
        )
        for process, told in held.items()
    }


def process_of(span: Span) -> str:
    """Return what tells the process of a span from others: a limit is a setting of a process."""
    return repr(sorted(span.resource.items(), key=lambda pair: pair[0]))


def length_limit(told: Iterable[Mapping[str, AttributeValue]]) -> int | None:
    """Return the length at which values were cut off, or None.

    It is the most frequent length of JSON that ends too early. Without such, it is the greatest length of all, if
    attributes of two names share it, or if it is one that people set: a power of two, or so many hundreds.
    """
    longest, held = 0, dict[str, set[str]]()
    cut: Counter[int] = Counter()
    for name, value in _texts(told):
        if len(value) < _LEAST:
            continue
        if _is_cut(value):
            cut[len(value)] += 1
        if len(value) > longest:
            longest, held = len(value), {}
        if len(value) == longest:
            held.setdefault(_PLACE.sub("", name), set()).add(value)
    if cut:
        return cut.most_common(1)[0][0]
    is_told_twice = len(held) > 1 and len(set[str]().union(*held.values())) > 1
    return longest if longest and (is_told_twice or _is_set(longest)) else None


def _texts(told: Iterable[Mapping[str, AttributeValue]]) -> Iterator[tuple[str, str]]:
    for attributes in told:
        for name, value in attributes.items():
            yield from ((name, text) for text in _strings(value))


def _strings(value: AttributeValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _strings(member)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for item in value:
            yield from _strings(item)


def _is_set(length: int) -> bool:
    return length & (length - 1) == 0 or (length + 1) & length == 0 or length % 100 == 0


def _is_cut(value: str) -> bool:
    if value[:1] not in ("[", "{"):
        return False
    try:
        parse(value)
    except ValueError as error:
        return is_cut(value, error)
    return False
