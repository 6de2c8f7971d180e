"""Find the classes that a tool may give. The tool's function and the name of a class in, the class out.

They are looked up in the tool's return annotation, in the globals of its function, and in what it closes over. Nothing is
imported or evaluated because a cassette names it.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType, UnionType
from typing import Any, Final, cast

from otel_agenttrace.errors import AgentTraceError

__all__ = ["NotRestorable", "Scope"]


class NotRestorable(AgentTraceError, ValueError):
    """A value cannot be written so that it can be given again, or what was written cannot be read."""


class Scope:
    """The classes a tool may give: those in its return annotation, its globals and what it closes over."""

    def __init__(self, function: object) -> None:
        self._function = _bare(function)
        self._found: dict[tuple[str, str], type[Any]] = {}

    def refresh(self) -> None:
        """Forget what was found: in a notebook a class is defined anew."""
        self._found.clear()

    def find(self, module: str, name: str) -> type[Any]:
        """Return the class of this name.

        A class of `__main__` may have been imported since, and the other way round: then its name alone must be its own.

        Raises:
            NotRestorable: If there is none, or if several could be meant.
        """
        found = self._found.get((module, name))
        if found is None:  # another thread may refresh meanwhile
            found = self._found[module, name] = self._look_up(module, name)
        return found

    def _look_up(self, module: str, name: str) -> type[Any]:
        if module == "builtins":
            native = vars(builtins).get(name)
            if isinstance(native, type) and issubclass(native, BaseException):
                return native
        named = {id(kind): kind for kind in _of_name(name, self._values())}.values()
        exact = [kind for kind in named if kind.__module__ == module]
        moved = [kind for kind in named if "__main__" in (module, kind.__module__)]
        found = exact or moved
        if not found:
            raise NotRestorable(
                f"the class {name} of {module} stands neither in the tool's return annotation nor beside the tool"
            )
        if len(found) > 1:
            raise NotRestorable(f"several classes beside the tool are called {name}")
        return found[0]

    def _values(self) -> Iterator[Any]:
        function = cast("Any", self._function)
        yield from dict(getattr(function, "__globals__", {})).values()
        for cell in getattr(function, "__closure__", None) or ():
            with suppress(ValueError):  # not filled yet
                yield cell.cell_contents
        yield from _hinted_classes(_return_hint(function))

    def allows(self, value: object) -> bool:
        """Whether the return annotation allows a JSON value, and is one that JSON can tell wholly."""
        hint = _hints(self._function)
        return "return" in hint and _fits(value, hint["return"])


def _fits(value: Any, hint: Any) -> bool:
    if hint in (None, type(None), bool, int, float, str):
        return value is None if hint in (None, type(None)) else type(value) is hint
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if origin is list:
        return type(value) is list and all(_fits(item, parts[0]) for item in cast("list[Any]", value))
    if type(value) is not dict:
        return False
    members = cast("dict[str, Any]", value)
    if origin is dict:
        return parts[0] is str and all(_fits(member, parts[1]) for member in members.values())
    named: Mapping[str, Any] = _hints(hint) if typing.is_typeddict(hint) else {}
    return bool(named) and all(key in named and _fits(member, named[key]) for key, member in members.items())


def _bare(function: object) -> object:
    """Return the function that holds the code of a callable, as far as that can be told."""
    while isinstance(function, functools.partial):
        function = cast("object", function.func)
    if callable(function):
        function = inspect.unwrap(function)
    if not hasattr(function, "__globals__"):
        function = getattr(function, "__func__", None) or getattr(type(function), "__call__", function)  # noqa: B004 - its function is wanted
    return function


def _of_name(name: str, values: Iterable[Any]) -> Iterator[type[Any]]:
    first, *rest = name.split(".")
    for value in values:
        if isinstance(value, ModuleType):
            kind = vars(value).get(first)
        elif isinstance(value, type) and value.__qualname__ == name:
            yield value
            continue
        else:
            kind = value if isinstance(value, type) and value.__qualname__ == first else None
        for part in rest:
            kind = vars(kind).get(part) if isinstance(kind, type) else None
        if isinstance(kind, type) and kind.__qualname__ == name:
            yield kind


_NO_HINT: Final = (NameError, TypeError, AttributeError, SyntaxError, ValueError)
"""What the program's own annotations lead to where they name what is there for type checkers only."""


def _hints(owner: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(owner)
    except _NO_HINT:
        plain: Mapping[str, Any] = getattr(owner, "__annotations__", {})
        return {name: hint for name, hint in plain.items() if not isinstance(hint, str)}


def _return_hint(function: Any) -> Any:
    return _hints(function).get("return")


def _hinted_classes(hint: Any) -> Iterator[type[Any]]:
    """Yield the classes that an annotation names, and those that their members are annotated with."""
    waiting, seen = [hint], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        parts = typing.get_args(each)
        waiting += parts
        if isinstance(each, type) and not parts and each.__module__ != "builtins":
            yield each
            waiting += _hints(each).values()
