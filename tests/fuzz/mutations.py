"""Put hostile values into good JSON. A document in, the same with one value of another type, size or depth out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, Final, TypeAlias, cast

__all__ = ["HOSTILE", "mutated"]

HOSTILE: Final[tuple[str, ...]] = (
    "null",
    "true",
    '""',
    "{}",
    "[]",
    "[[]]",
    "[null,1,{}]",
    '{"":null}',
    "0",
    "-1",
    "1.5",
    "9" * 40,
    "-" + "9" * 400,
    "9" * 10_000,
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    '"NaN"',
    '"-' + "9" * 400 + '"',
    '"' + "9" * 10_000 + '"',
    '"\\ud800"',
    '"\\udc00\\ud800 x"',
    '"\\u0000\\u001b]0;x\\u0007\\u202e"',
    '"{"',
    '"' + "[" * 2_000 + '"',
    "[" * 100_000,
    *("[" * depth + "]" * depth for depth in (60, 150, 199, 201, 320, 480, 900)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (60, 150, 199, 201, 320, 480, 900)),
    '{"a":1,"a":{"b":2},"a":[3]}',
    '"{\\"a\\":NaN,\\"a\\":1e999}"',
    '"text/event-stream"',
    '"http://[::1"',
)
"""JSON, or nearly, that stands where something else is meant."""

_DIGITS: Final = re.compile(r"[0-9]+")
_ODD: Final = ("01", "-1", "²", "９", "99999999999", "9" * 5_000, ".".join(["0"] * 500))
"""What stands where a place or a length is meant in a text."""

_Place: TypeAlias = "tuple[Any, Any]"
_MARK: Final = "\x00the hostile value\x00"


def mutated(content: bytes, random: Random) -> bytes:
    """Return JSON lines, or one JSON document, with one value of one of them exchanged; anything else with some bytes."""
    lines = content.split(b"\n")
    chosen = random.randrange(len(lines))
    for document, put in (
        (lines[chosen], lambda new: b"\n".join([*lines[:chosen], new, *lines[chosen + 1 :]])),
        (content, lambda new: new),
    ):
        try:
            value = json.loads(document)
        except (ValueError, RecursionError):
            continue
        return put(_exchanged(value, random).encode("utf-8", "surrogatepass"))
    return _scrambled(content, random)


def _exchanged(value: Any, random: Random) -> str:
    places = list(_places(value))
    if not places:
        return random.choice(HOSTILE)
    holder, key = random.choice(places)
    inner = _inner(holder[key])
    if inner is not None and random.random() < 0.7:
        holder[key] = _exchanged(inner, random)
        return json.dumps(value, ensure_ascii=False)
    if isinstance(holder, dict) and random.random() < 0.1:
        del holder[key]
        return json.dumps(value, ensure_ascii=False)
    if isinstance(holder[key], str) and random.random() < 0.2:
        holder[key] = _DIGITS.sub(lambda _: random.choice(_ODD), holder[key])
        return json.dumps(value, ensure_ascii=False)
    hostile = _other_place(places, random) if random.random() < 0.2 else random.choice(HOSTILE)
    holder[key] = _MARK
    return json.dumps(value, ensure_ascii=False).replace(json.dumps(_MARK), hostile)


def _other_place(places: list[_Place], random: Random) -> str:
    holder, key = random.choice(places)
    return json.dumps(holder[key], ensure_ascii=False)


def _places(value: Any) -> Iterator[_Place]:
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, dict | list):
            continue
        pairs = cast("Any", holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, member in pairs:
            yield holder, key
            waiting.append(member)


def _inner(value: Any) -> Any:
    """Return the JSON that a text holds, which is where instrumentations keep what was said."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _scrambled(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    piece = random.choice(
        (b"", b"\0", b"\xff", b"\n", b"\r", b"\x1b[2J", b"\xef\xbb\xbf", random.choice(HOSTILE).encode())
    )
    return content[:place] + piece + content[place + random.randrange(4) :]
