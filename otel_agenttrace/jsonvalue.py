"""Parsed JSON with a type, and access to it that never raises. Bytes from a wire in, plain values out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, cast

__all__ = [
    "Json",
    "JsonArray",
    "JsonObject",
    "array",
    "canonical",
    "canonical_each",
    "compact",
    "digits",
    "first_of",
    "inner_json",
    "int64",
    "integer",
    "number",
    "obj",
    "parse",
    "quoted",
    "text",
    "told_wrong",
    "value_of",
    "without",
]

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
JsonObject: TypeAlias = "Mapping[str, Json]"
JsonArray: TypeAlias = "Sequence[Json]"

_EMPTY: JsonObject = {}


_DEEPEST: Final = 200
_TOO_DEEP: Final = f"nested deeper than {_DEEPEST} levels"


def parse(source: bytes | str, number: Callable[[str], object] | None = None) -> Json:
    """Return the value a JSON text stands for.

    How deep it may be nested does not depend on the Python, nor on who asks: so whoever walks the value gets to its end.

    Args:
        source: The text.
        number: Makes the value of a number from its text; else it is an `int` or a `float`.

    Raises:
        ValueError: If the text is not JSON (`UnicodeDecodeError` and `json.JSONDecodeError` are both), or nested deeper.
    """
    try:
        value = _loaded(source) if number is None else json.loads(source, parse_int=number, parse_float=number)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if len(source) > 2 * _DEEPEST and _opened(source) > _DEEPEST and not _is_shallow(value):
        raise ValueError(_TOO_DEEP)
    return cast("Json", value)


_RAW: Final = json.JSONDecoder().raw_decode
_SPACE: Final = " \t\n\r"


def _loaded(source: bytes | str) -> object:
    """Return what `json.loads` does, in half its time for a short text that begins with its value."""
    try:
        written = source if isinstance(source, str) else source.decode("utf-8", "surrogatepass")
        value, end = _RAW(written)
        is_whole = not written[end:].strip(_SPACE)
    except ValueError:
        value, is_whole = None, False
    return value if is_whole else json.loads(source)  # it knows other encodings, and tells what is wrong


_BEGINS: Final = re.compile(r'[ \t\n\r]*(?:[\[{"\d-]|true|false|null|NaN|Infinity)')


def value_of(written: str) -> Json:
    """Return the value a JSON text stands for; a text that is no JSON stands for itself."""
    if _BEGINS.match(written) is None:  # an error costs more than all the rest
        return written
    try:
        return parse(written)
    except ValueError:
        return written


def told_wrong(error: ValueError) -> str:
    """Return what is wrong with a text, for people: that it is no JSON, else what whoever looked for more says."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg}, line {error.lineno}, column {error.colno}"
    return "it is not JSON, but binary" if isinstance(error, UnicodeDecodeError) else str(error)


def _opened(source: bytes | str) -> int:
    if isinstance(source, str):
        return source.count("[") + source.count("{")
    return source.count(b"[") + source.count(b"{")


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            member
            for holder in level
            for member in (cast("list[object]", holder) if isinstance(holder, list) else obj(holder).values())
            if isinstance(member, dict | list)
        ]
        if not level:
            return True
    return False


_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def canonical(value: object) -> str:
    """Return the one text of a JSON value: keys sorted, no spaces, no escapes beyond the needed ones."""
    return _CANONICAL(value)


_BETWEEN: Final = "\0"
_BETWEEN_TEXT: Final = f",{_CANONICAL(_BETWEEN)},"


def canonical_each(values: Sequence[object]) -> list[str]:
    """Return the canonical text of each value, in little more than the time of one text: each call costs as a small value does.

    All are written as one list with a mark between them. A value that holds the mark itself makes more pieces than there
    are values: then each is written alone.
    """
    marked: list[object] = [_BETWEEN] * (2 * len(values) - 1)
    marked[::2] = values
    pieces = _CANONICAL(marked).split(_BETWEEN_TEXT)
    if len(pieces) != len(values):
        return list(map(_CANONICAL, values))
    pieces[0] = pieces[0][1:]
    pieces[-1] = pieces[-1][:-1]
    return pieces


quoted: Final = json.encoder.encode_basestring
"""The JSON text of a string, without the detour by way of an encoder of values."""


def compact(value: object) -> str:
    """Return a JSON text without spaces, keys in the order they have."""
    return _COMPACT(value)


def obj(value: Json | object) -> JsonObject:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY  # pyright: ignore[reportUnknownVariableType] - `cast` is a call, and this the most frequent one


_ARRAYS: Final = (list, tuple)


def array(value: Json | object) -> JsonArray:
    """Return the value if it is a JSON array, else an empty one."""
    return value if isinstance(value, _ARRAYS) else ()  # pyright: ignore[reportUnknownVariableType] - as above


def first_of(members: JsonObject, *names: str) -> Json:
    """Return the first member by these names that is there and not null, else None."""
    return next((members[name] for name in names if members.get(name) is not None), None)


def without(members: JsonObject, *names: str) -> dict[str, Json]:
    """Return an object without some of its members."""
    return {name: value for name, value in members.items() if name not in names}


def text(value: Json | object) -> str | None:
    """Return the value if it is a string, else None."""
    return value if isinstance(value, str) else None


def inner_json(value: Json | object) -> JsonObject | JsonArray | None:
    """Return the object or array that a string holds as JSON, else None."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        return cast("JsonObject | JsonArray", parse(value))
    except ValueError:
        return None


def integer(value: Json | object) -> int | None:
    """Return the value if it is a whole number and no boolean, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_DIGITS: Final = re.compile(r"[0-9]{1,18}")


def digits(written: str) -> int | None:
    """Return the number that some digits stand for, as an index or a length; None for anything else, or far too many."""
    return int(written) if _DIGITS.fullmatch(written) else None


def int64(value: Json | object) -> int | None:
    """Return the value if it is a whole number that fits into 64 bits, as OTLP's do, else None."""
    told = integer(value)
    return told if told is not None and -(1 << 63) <= told < 1 << 63 else None


def number(value: Json | object) -> float | int | None:
    """Return the value if it is a number that a float can be, and no boolean, else None: JSON has neither NaN nor Infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None
