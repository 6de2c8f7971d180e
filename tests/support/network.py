"""Watch what this process asks of the network. Audit events in, a list out."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple, cast

__all__ = ["NetworkEvent", "watched_network"]

_EVENTS: Final = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
_watchers: Final[list[list[NetworkEvent]]] = []


class NetworkEvent(NamedTuple):
    """The name of an audit event and where to: `("socket.connect", "127.0.0.1:80")`."""

    name: str
    address: str


@contextmanager
def watched_network() -> Generator[list[NetworkEvent], None, None]:
    """Collect the events of all threads for the length of a block: connections, and names that are looked up."""
    _install_hook()
    events: list[NetworkEvent] = []
    _watchers.append(events)
    try:
        yield events
    finally:
        _watchers[:] = [watcher for watcher in _watchers if watcher is not events]


@cache
def _install_hook() -> None:
    """Add the hook; Python has no way to take it away, so it is added once."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watchers and event in _EVENTS:
        told = NetworkEvent(event, _address(event, arguments))
        for watcher in _watchers:
            watcher.append(told)


def _address(event: str, arguments: tuple[Any, ...]) -> str:
    """Return host and port: events of sockets have the socket first, look-ups have none."""
    where = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[:2]
    if not isinstance(where, tuple):  # a socket in the file system
        return str(where)
    return ":".join(str(part) for part in cast("tuple[object, ...]", where)[:2])
