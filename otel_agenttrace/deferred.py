"""Attributes of which one is made when it is asked for: large ones need not be held. Pure, of plain mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["Deferred"]

_Value = TypeVar("_Value")


class Deferred(Mapping[str, _Value], Generic[_Value]):
    """A mapping like the one given, but for one name, whose value `make` makes each time it is asked for."""

    __slots__ = ("_known", "_make", "_name")

    def __init__(self, known: Mapping[str, _Value], name: str, make: Callable[[], _Value]) -> None:
        self._known = known
        self._name = name
        self._make = make

    def __getitem__(self, name: str) -> _Value:
        return self._make() if name == self._name else self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
