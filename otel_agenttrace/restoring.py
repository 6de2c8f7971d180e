"""Write down what a tool gave so that it can be given again, with its types. Python values in, JSON out, and back.

No pickle: of the classes that a cassette names only data classes, pydantic models, named tuples, enums and exceptions
are made, and only those that stand beside the tool (`scopes.py`), without running their `__init__`.
"""

from __future__ import annotations

import base64
import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from otel_agenttrace.jsonvalue import Json, compact, parse
from otel_agenttrace.scopes import NotRestorable, Scope

__all__ = ["Written", "read", "write"]

_TAG: Final = "$"
_DAMAGE: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)
"""What a recorded value that is not what it says leads to."""


class Written(NamedTuple):
    """A value as JSON text; it is plain if the text alone, without types, is the value."""

    text: str
    is_plain: bool


def write(value: object, scope: Scope) -> Written:
    """Return a value as JSON from which `read` makes an equal value of the same types.

    Raises:
        NotRestorable: If that cannot be promised.
    """
    scope.refresh()
    writer = _Writer(scope)
    try:
        written = compact(writer.write(value, ""))
    except (RecursionError, ValueError) as error:
        if isinstance(error, NotRestorable):
            raise
        raise NotRestorable(f"it holds itself, is nested too deep or too long a number ({error})") from error
    return Written(written, writer.is_plain)


def read(text: str, scope: Scope) -> Any:
    """Return the value that was written.

    Raises:
        NotRestorable: If a class is not where it is looked for or has changed since, or the text is damaged.
    """
    scope.refresh()
    try:
        return _read(parse(text), scope)
    except NotRestorable:
        raise
    except _DAMAGE as error:
        raise NotRestorable(f"what was recorded does not fit: {type(error).__name__}: {error}") from error


# --- values of one piece --------------------------------------------------------------------------------------------


class _Atom(NamedTuple):
    """How a value of one piece is written, and how it is made again."""

    tag: str
    write: Callable[[Any], Json]
    read: Callable[[Any], Any]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytearray(told: Any) -> bytearray:
    return bytearray(base64.b64decode(told))


def _days(value: timedelta) -> Json:
    return [value.days, value.seconds, value.microseconds]


def _read_days(told: Any) -> timedelta:
    return timedelta(*told)


def _timed(value: datetime | time) -> Json:
    """Write a time with what its ISO form leaves out."""
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo):
        if zone.key is None:  # pyright: ignore[reportUnnecessaryComparison] - made of a file, it has none
            raise NotRestorable("a time zone made of a file is not restored")
        return [value.replace(tzinfo=None).isoformat(), value.fold, zone.key]
    if zone is not None and type(zone) is not timezone:
        raise NotRestorable(f"a time zone of {_named(type(zone))} is not restored")
    return [value.isoformat(), value.fold]


def _read_time(kind: type[Any]) -> Callable[[Any], Any]:
    def read_time(told: Any) -> Any:
        made = kind.fromisoformat(told[0])
        return made.replace(fold=told[1], tzinfo=ZoneInfo(told[2]) if len(told) > 2 else made.tzinfo)

    return read_time


_ATOMS: Final[Mapping[type, _Atom]] = {
    bytes: _Atom("bytes", _base64, base64.b64decode),
    bytearray: _Atom("bytearray", _base64, _read_bytearray),
    complex: _Atom("complex", repr, complex),
    date: _Atom("date", date.isoformat, date.fromisoformat),
    datetime: _Atom("datetime", _timed, _read_time(datetime)),
    time: _Atom("time", _timed, _read_time(time)),
    timedelta: _Atom("timedelta", _days, _read_days),
    UUID: _Atom("uuid", str, UUID),
    Decimal: _Atom("decimal", str, Decimal),
    type(Path()): _Atom("path", str, Path),
    PurePosixPath: _Atom("posix_path", str, PurePosixPath),
    PureWindowsPath: _Atom("windows_path", str, PureWindowsPath),
}
_READ_ATOMS: Final = {atom.tag: atom.read for atom in _ATOMS.values()}
_COLLECTIONS: Final[Mapping[type, str]] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_READ_COLLECTIONS: Final[Mapping[str, Callable[[Iterable[Any]], Any]]] = {
    name: kind for kind, name in _COLLECTIONS.items()
}


# --- writing --------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes one value; afterwards it is known whether types had to be told."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.is_plain = True

    def write(self, value: Any, at: str) -> Json:
        kind = cast("Any", type(value))
        if value is None or kind in (bool, int, float) or (kind is str and _has_utf8(value)):
            return value
        if kind is list:
            return self._items(value, at)
        if kind is dict and _is_object(value):
            return {key: self.write(member, f"{at}/{key}") for key, member in value.items()}
        self.is_plain = False
        return self._tagged(value, kind, at)

    def _items(self, values: Iterable[Any], at: str) -> list[Json]:
        return [self.write(item, f"{at}/{index}") for index, item in enumerate(values)]

    def _tagged(self, value: Any, kind: type[Any], at: str) -> Json:
        if kind is str:
            return {_TAG: "escaped", "value": value.encode("unicode_escape").decode("ascii")}
        if kind in _ATOMS:
            atom = _ATOMS[kind]
            return {_TAG: atom.tag, "value": atom.write(value)}
        if kind in _COLLECTIONS:
            return {_TAG: _COLLECTIONS[kind], "items": self._items(value, at)}
        if kind is dict:
            return {_TAG: "dict", "items": [self._items(pair, at) for pair in value.items()]}
        for tag, made in _MADE.items():
            if made.is_one(kind):
                self._check(kind, at)
                told = made.write(value)
                return {_TAG: tag, "class": _class_name(kind), **{key: self.write(it, at) for key, it in told.items()}}
        raise NotRestorable(f"{_place(at)}a {_named(kind)} is not restored")

    def _check(self, kind: type[Any], at: str) -> None:
        """Check that the class will be found again."""
        try:
            found = self._scope.find(*_class_name(kind))
        except NotRestorable as error:
            raise NotRestorable(f"{_place(at)}{error}") from None
        if found is not kind:
            raise NotRestorable(f"{_place(at)}another class {_named(kind)} stands beside the tool")


def _has_utf8(text: str) -> bool:
    """Whether a text survives UTF-8: half a surrogate pair does not."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_object(value: dict[Any, Any]) -> bool:
    """Whether a dictionary is a JSON object that cannot be taken for one of our tags."""
    return _TAG not in value and all(type(key) is str and _has_utf8(key) for key in value)


def _place(at: str) -> str:
    return f"at {at}, " if at else ""


def _named(kind: type[Any]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _class_name(kind: type[Any]) -> list[str]:
    return [kind.__module__, kind.__qualname__]


# --- reading --------------------------------------------------------------------------------------------------------


def _read(told: Json, scope: Scope) -> Any:
    if isinstance(told, list):
        return [_read(item, scope) for item in told]
    if not isinstance(told, dict):
        return told
    if _TAG not in told:
        return {key: _read(member, scope) for key, member in told.items()}
    members = cast("dict[str, Any]", told)
    tag = members[_TAG]
    if tag == "escaped":
        return members["value"].encode("ascii").decode("unicode_escape")
    if tag in _READ_ATOMS:
        return _READ_ATOMS[tag](members["value"])
    if tag in _READ_COLLECTIONS:
        return _READ_COLLECTIONS[tag](_read(item, scope) for item in members["items"])
    if tag == "dict":
        return dict(_read(pair, scope) for pair in members["items"])
    made = _MADE[tag]
    module, name = members["class"]
    kind = scope.find(module, name)
    if not made.is_one(kind):
        raise NotRestorable(f"the class {name} beside the tool is no {tag}")
    return made.read(kind, {key: _read(it, scope) for key, it in members.items() if key not in (_TAG, "class")})


# --- values that are made of a class ----------------------------------------------------------------------------------


class _Made(NamedTuple):
    """A family of classes: which are of it, what is written of a value, and how the value is made of that."""

    is_one: Callable[[type[Any]], bool]
    write: Callable[[Any], Mapping[str, Any]]
    read: Callable[[type[Any], Mapping[str, Any]], Any]


def _check_members(kind: type[Any], recorded: Iterable[str], current: Iterable[str]) -> None:
    moved = set(recorded) ^ set(current)
    if moved:
        raise NotRestorable(f"the class {kind.__qualname__} has changed since: {', '.join(sorted(moved))}")


def _dataclass_state(value: Any) -> Mapping[str, Any]:
    """Return fields, and what else an instance holds: cached properties, attributes set after its making."""
    kind = cast("Any", type(value))
    if kind.__new__ is not object.__new__:
        raise NotRestorable(f"a {_named(kind)} has a way of its own to be made")
    names = [each.name for each in dataclasses.fields(value)]
    unset = [name for name in names if not hasattr(value, name)]
    if unset:
        raise NotRestorable(f"a {_named(kind)} has no value in {unset[0]}")
    fields = {name: getattr(value, name) for name in names}
    return {"fields": fields, "more": {k: it for k, it in getattr(value, "__dict__", {}).items() if k not in fields}}


def _made_dataclass(kind: Any, told: Mapping[str, Any]) -> Any:
    _check_members(kind, told["fields"], (each.name for each in dataclasses.fields(kind)))
    made = object.__new__(kind)
    for name, value in told["fields"].items():
        object.__setattr__(made, name, value)
    if told["more"]:
        made.__dict__.update(told["more"])
    return made


def _pydantic() -> Any:
    """Return pydantic's base class, if the program has loaded it."""
    return getattr(sys.modules.get("pydantic.main"), "BaseModel", None)


def _is_model(kind: type[Any]) -> bool:
    base = _pydantic()
    return base is not None and issubclass(kind, base)


def _model_state(value: Any) -> Mapping[str, Any]:
    kind = cast("Any", type(value))
    state = dict(_pydantic().__getstate__(value))
    return {"names": sorted(kind.model_fields), "fields": state.pop("__dict__"), "more": state}


def _made_model(kind: Any, told: Mapping[str, Any]) -> Any:
    _check_members(kind, told["names"], kind.model_fields)
    made = kind.__new__(kind)
    _pydantic().__setstate__(made, {"__dict__": told["fields"], **told["more"]})
    return made


def _is_namedtuple(kind: Any) -> bool:
    return isinstance(getattr(kind, "_fields", None), tuple) and issubclass(kind, tuple)


def _namedtuple_state(value: Any) -> Mapping[str, Any]:
    return {"fields": dict(zip(value._fields, value, strict=True))}


def _made_namedtuple(kind: Any, told: Mapping[str, Any]) -> Any:
    _check_members(kind, told["fields"], kind._fields)
    return kind._make(told["fields"][name] for name in kind._fields)


def _enum_state(value: Any) -> Mapping[str, Any]:
    return {"value": value.value} if isinstance(value, Flag) else {"name": value.name}


def _made_enum(kind: type[Any], told: Mapping[str, Any]) -> Any:
    return kind(told["value"]) if issubclass(kind, Flag) else kind.__members__[told["name"]]


def _native(kind: Any) -> Any:
    """Return the exception of the language that a class is built on."""
    return next(base for base in kind.__mro__ if base.__module__ == "builtins")


def _error_state(value: Any) -> Mapping[str, Any]:
    kind = cast("Any", type(value))
    native = _native(kind)
    if kind.__new__ is not native.__new__:
        raise NotRestorable(f"a {_named(kind)} has a way of its own to be made")
    _, args, *state = native.__reduce__(value)
    return {"args": args, "state": dict(state[0] if state else {})}


def _made_error(kind: Any, told: Mapping[str, Any]) -> Any:
    """Return an exception as it was, without the `__init__` of the program."""
    native = _native(kind)
    made = native.__new__(kind, *told["args"])
    native.__init__(made, *told["args"])
    native.__setstate__(made, told["state"])
    return made


def _is_enum(kind: Any) -> bool:
    return issubclass(kind, Enum)


def _is_error(kind: Any) -> bool:
    return issubclass(kind, BaseException)


_MADE: Final[Mapping[str, _Made]] = {
    "enum": _Made(_is_enum, _enum_state, _made_enum),
    "model": _Made(_is_model, _model_state, _made_model),
    "error": _Made(_is_error, _error_state, _made_error),
    "dataclass": _Made(dataclasses.is_dataclass, _dataclass_state, _made_dataclass),
    "namedtuple": _Made(_is_namedtuple, _namedtuple_state, _made_namedtuple),
}
