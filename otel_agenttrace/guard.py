"""The egress guard: while a replay is in force no socket of this process leaves the machine. Audit events in, errors out.

An audit hook hears of each connection, look-up and child process before it is made, in all threads and whoever holds
which function. It can never be taken away: while no guard is open, it looks at one tuple and returns.
"""

from __future__ import annotations

import _socket
import os
import socket
import sys
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any, Final, cast

from otel_agenttrace import children
from otel_agenttrace.egress import AllowList, address_of, is_local, is_telemetry, told_place
from otel_agenttrace.errors import EgressBlocked
from otel_agenttrace.proxies import SetAside, drop_nowhere
from otel_agenttrace.sites import call_site

__all__ = ["Guard"]


_SAID: Final = "is kept from being reached: a replay leaves this machine for nothing that is not allowed"


class Guard:
    """Keeps this process from everything but the loopback and the places that are allowed, from `open` to `close`."""

    def __init__(
        self,
        cassette: Path,
        allowed: AllowList,
        *,
        is_meant: Callable[[], bool],
        note: Callable[[str], object],
        collecting: tuple[str, ...] = (),
        cure: str = "",
    ) -> None:
        """Make a guard.

        Args:
            cassette: What is replayed, for the text of errors.
            allowed: The places that may be reached.
            is_meant: Whether the code that runs here is that of the replay, not of a session of its own.
            note: Is told each place that was refused, but not those of telemetry.
            collecting: Hosts of collectors: refused, they count as telemetry.
            cure: What is to be done about a refusal, where that is not a flag of the command line.
        """
        self._cassette = cassette
        self._allowed = allowed
        self.is_meant = is_meant
        self._note = note
        self._collecting = collecting
        self._cure = cure
        self._names: dict[str, set[str]] = {}

    def open(self) -> None:
        """Begin to keep watch."""
        global _guards  # noqa: PLW0603 - one name to look at is what makes the hook cheap
        _install_hook()
        if not _guards:
            _patches.put_in()
            children.join(_direct_hosts)
            drop_nowhere(os.environ)
        _proxies.take(os.environ, self._allowed)
        _guards = (*_guards, self)

    def close(self) -> None:
        """End the watch; with the last guard, what was patched is put back."""
        global _guards  # noqa: PLW0603
        _guards = tuple(guard for guard in _guards if guard is not self)
        if not _guards:
            _patches.take_out()
            children.leave()
            _proxies.give_back(os.environ)

    @property
    def direct_hosts(self) -> tuple[str, ...]:
        """The allowed hosts, as children are told them."""
        return self._allowed.hosts

    def allows(self, host: str, port: object = None) -> bool:
        """Whether a host may be reached: by its name, or by an address that an allowed name was looked up as."""
        return (
            is_local(host)
            or self._allowed.takes(host, port)
            or any(self._allowed.takes(name, port) for name in self._names.get(host, ()))
        )

    def learn(self, name: str, addresses: set[str]) -> None:
        """Take note of the addresses that an allowed name was looked up as."""
        if self._allowed.takes(name):
            for address in addresses:
                self._names.setdefault(address, set()).add(name)

    def check(self, host: str, port: object = None) -> None:
        """Let pass what may be reached.

        Raises:
            EgressBlocked: If it may not.
        """
        if not self.allows(host, port):
            raise self.refusal(host, port, call_site())

    def refusal(self, host: str, port: object, site: str, path: str = "", *, said: str = _SAID) -> EgressBlocked:
        """Return the error that says why something may not leave, and take note of it."""
        place = told_place(host, port)
        is_quiet = is_telemetry(host, path, self._collecting)
        if not is_quiet:
            self._note(place)
        return EgressBlocked(
            host,
            f"{place} {said}.\n"
            f"  at       {site}\n  cassette {self._cassette}\n"
            f"  to fix   {self._cure or f'let no tool run: --freeze llm,tools, or let it out: --allow {host!r}'}",
            is_telemetry=is_quiet,
        )


# --- what the interpreter tells ---------------------------------------------------------------------------------------

_guards: tuple[Guard, ...] = ()
_proxies: Final = SetAside()
_INSIDE: Final = tuple(
    getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG", "AF_KEY") if hasattr(socket, name)
)
"""Families whose sockets end in this machine."""


@cache
def _install_hook() -> None:
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _guards and event in _JUDGES:
        guard = _meant()
        if guard is not None:
            _JUDGES[event](guard, arguments)


def _meant() -> Guard | None:
    """Return the guard of the code that runs here: the newest, of several."""
    return next((guard for guard in reversed(_guards) if guard.is_meant()), None)


def _direct_hosts() -> tuple[str, ...] | None:
    guard = _meant()
    return guard.direct_hosts if guard is not None else None


def _sent(guard: Guard, arguments: tuple[Any, ...]) -> None:
    """Judge a connection or a datagram; one without an address goes where its socket is connected to."""
    origin, address = arguments[:2]
    if address is None or origin.family in _INSIDE:
        return
    if origin.family not in (socket.AF_INET, socket.AF_INET6):
        guard.check(f"{origin.family!s} {address!r}")
    else:
        match address:
            case (host, port, *_):
                guard.check(_text(host), port)
            case _:
                """Python refuses it."""


def _looked_up(guard: Guard, arguments: tuple[Any, ...]) -> None:
    """Judge a look-up of a name; of what is an address already, nothing is asked."""
    host = _text(arguments[0])
    if address_of(host) is None and host != socket.gethostname():
        guard.check(host)


def _looked_up_alone(guard: Guard, arguments: tuple[Any, ...]) -> None:
    """Judge a look-up whose answer nobody sees but the caller: if it is allowed, it is asked here too."""
    _looked_up(guard, arguments)
    host = _text(arguments[0])
    if address_of(host) is None and not is_local(host):
        _socket.getaddrinfo(host, None)


def _looked_back(guard: Guard, arguments: tuple[Any, ...]) -> None:
    """Judge a look-up of the name of an address."""
    match arguments[0]:
        case (where, *_):
            host = _text(where)
        case where:
            host = _text(where)
    if host != socket.gethostname():
        guard.check(host)


def _begun(guard: Guard, arguments: tuple[Any, ...]) -> None:
    """Judge a program that is started, or that takes the place of this one."""
    program, argv, environment = arguments[0], arguments[1], arguments[-1]
    escape = children.escape(program, argv, environment)
    if escape is not None and not guard.allows(escape):
        raise guard.refusal(escape, None, call_site(), said="is kept from starting: no guard of a replay goes with it")


_JUDGES: Final[Mapping[str, Callable[[Guard, tuple[Any, ...]], None]]] = {
    "socket.connect": _sent,
    "socket.sendto": _sent,
    "socket.sendmsg": _sent,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up_alone,
    "socket.gethostbyaddr": _looked_back,
    "socket.getnameinfo": _looked_back,
    "subprocess.Popen": _begun,
    "os.posix_spawn": _begun,
    "os.exec": _begun,
}


def _text(host: object) -> str:
    if isinstance(host, bytes | bytearray):
        return host.decode("utf-8", "replace")
    return "" if host is None else str(host)


# --- what the interpreter tells too late, or not at all ----------------------------------------------------------------

_METHODS: Final = ("connect", "connect_ex", "sendto", "sendmsg")
_LOOK_UPS: Final = frozenset(
    {
        "_getaddrinfo_debug",
        "getaddrinfo",
        "gethostbyaddr",
        "gethostbyname",
        "gethostbyname_ex",
        "getnameinfo",
    }
)
"""What an event loop has looked up in a thread, by the names of the functions."""


class _Patches:
    """Functions of the standard library that stand in the place of its own while a guard is open.

    Names are looked up by the methods of a socket before the hook hears of them. And what a name is looked up as is heard
    below `socket`, so that it does not matter who holds its functions.
    """

    def __init__(self) -> None:
        self._original: Any = None
        self._ours: Any = None
        self._submit: Any = None
        self._our_submit: Any = None

    def put_in(self) -> None:
        self._original = _socket.getaddrinfo
        self._ours = partial(_listened, self._original)
        cast("Any", _socket).getaddrinfo = self._ours
        self._submit = BaseEventLoop.run_in_executor
        self._our_submit = _in_context(self._submit)
        cast("Any", BaseEventLoop).run_in_executor = self._our_submit
        for name in _METHODS:
            if name not in vars(socket.socket):
                setattr(socket.socket, name, _foretold(name, getattr(_socket.socket, name)))

    def take_out(self) -> None:
        if _socket.getaddrinfo is self._ours:
            cast("Any", _socket).getaddrinfo = self._original
        if BaseEventLoop.run_in_executor is self._our_submit:
            cast("Any", BaseEventLoop).run_in_executor = self._submit
        for name in _METHODS:
            if getattr(vars(socket.socket).get(name), "__module__", None) == __name__:
                delattr(socket.socket, name)


def _listened(original: Callable[..., Any], host: object, *args: Any, **kwargs: Any) -> Any:
    found = original(host, *args, **kwargs)
    for guard in _guards:
        guard.learn(_text(host), {str(entry[4][0]) for entry in found})
    return found


def _in_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `run_in_executor` whose look-ups are judged as what asked for them: a thread has no context."""

    @wraps(original)
    def run_in_executor(loop: object, executor: object, func: Callable[..., Any], *args: Any) -> Any:
        if executor is None and getattr(func, "__name__", "") in _LOOK_UPS:
            func = partial(copy_context().run, func)
        return original(loop, executor, func, *args)

    return run_in_executor


def _foretold(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of sockets that asks before it is too late."""
    place = 3 if name == "sendmsg" else -1

    @wraps(original)
    def method(origin: socket.socket, *args: Any) -> Any:
        address = args[place] if args[place:] else None
        _hear("socket.connect", (origin, address))
        return original(origin, *args)

    method.__module__ = __name__
    return method


_patches: Final = _Patches()
