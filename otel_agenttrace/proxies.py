"""Proxy variables while a guard is open: none may lead out of this machine by a program beside us, which no guard sees."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace.egress import AllowList, is_local

__all__ = ["SetAside", "drop_nowhere", "leading_nowhere"]

_NOWHERE: Final = "http://127.0.0.1:9"
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_DIRECT: Final = ("NO_PROXY", "no_proxy")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def leading_nowhere(direct: tuple[str, ...]) -> dict[str, str]:
    """Return the variables that keep a program in that heeds them; `direct` are the hosts it may reach."""
    return {**dict.fromkeys(_PROXIES, _NOWHERE), **dict.fromkeys(_DIRECT, ",".join((*_LOOPBACK, *direct)))}


def drop_nowhere(environ: MutableMapping[str, str]) -> None:
    """Take back the proxies of a program that started this one, and is no Python: here a guard names the hosts."""
    if environ.get(_PROXIES[0]) == _NOWHERE:
        for name in (*_PROXIES, *_DIRECT):
            environ.pop(name, None)


class SetAside:
    """The proxies on this machine that an environment lacks while a guard is open."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    def take(self, environ: MutableMapping[str, str], allowed: AllowList) -> None:
        """Take out of the environment what leads to a proxy on this machine that is not allowed by its name."""
        for name, url in tuple(environ.items()):
            if name.upper().endswith("_PROXY") and name not in _DIRECT and _is_way_out(url, allowed):
                self._held[name] = environ.pop(name)

    def give_back(self, environ: MutableMapping[str, str]) -> None:
        """Put back what was taken, but where the program has set another since."""
        for name, url in self._held.items():
            environ.setdefault(name, url)
        self._held.clear()


def _is_way_out(url: str, allowed: AllowList) -> bool:
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:  # no address, and no client takes it for one
        return False
    return bool(host) and is_local(host) and not allowed.takes(host, port)
