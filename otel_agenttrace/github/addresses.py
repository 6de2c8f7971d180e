"""Tell which repository, which API and which token is meant. What a user wrote in, place and credentials out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace.errors import ConfigError

__all__ = ["Place", "Token", "place_of", "token_for"]

_PLACE: Final = re.compile(
    r"(?:(?:(?P<scheme>https?)://(?:[^/@\s]*@)?|(?:ssh://)?git@)(?P<host>[\w.-]+(?::\d+)?)[/:])?"
    r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?"
    r"(?:(?:/pull/|\#)(?P<number>\d{1,9})(?:[/?#].*)?|/pulls|/)?",
    re.ASCII,
)
_WRITABLE: Final = re.compile(r"[!-~]+")
"""What may stand in a header. An HTTP client that refuses another one quotes it."""
_GITHUB: Final = ("github.com", "www.github.com")
_OF_GITHUB: Final = ("GH_TOKEN", "GITHUB_TOKEN")
_OF_OTHERS: Final = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


@dataclass(frozen=True, slots=True)
class Place:
    """A repository, or one pull request of it, and the API that tells of it.

    Attributes:
        api: The base address of the API, without a slash at its end.
        owner: Of the repository.
        name: Of the repository.
        number: Of the pull request; None for the repository.
    """

    api: str
    owner: str
    name: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Token:
    """A credential, and where it stands or would stand. Its repr does not show it.

    Attributes:
        value: None where there is none.
        names: The variables that are looked at.
    """

    value: str | None = field(repr=False)
    names: tuple[str, ...]


def place_of(told: str, api: str | None = None) -> Place:
    """Return the repository or pull request that is meant by `owner/name`, `owner/name#12` or an address.

    Args:
        told: What the user wrote.
        api: The base address of the API, where it is not the one of the host.

    Raises:
        ConfigError: If it is neither.
    """
    found = _PLACE.fullmatch(told)
    if found is None or not {".", ".."}.isdisjoint((found["owner"], found["name"])):
        raise ConfigError(
            f"{told!r} is no repository and no pull request.\n"
            "  to fix   owner/name, https://github.com/owner/name, or https://github.com/owner/name/pull/12"
        )
    host = (found["host"] or _GITHUB[0]).lower()
    number = found["number"]
    base = api or _api_of(found["scheme"] or "https", host)
    return Place(base.rstrip("/"), found["owner"], found["name"], None if number is None else int(number))


def _api_of(scheme: str, host: str) -> str:
    if host in _GITHUB:
        return "https://api.github.com"
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"{scheme}://{host}/api/v3"


def token_for(api: str, environ: Mapping[str, str]) -> Token:
    """Return the token for an API: each host has variables of its own, so that none gets the token of another.

    Raises:
        ConfigError: If the address cannot be one, or there is a token that cannot be one, or that would go unencrypted to
            another machine.
    """
    address = urlsplit(api)
    if address.scheme not in ("http", "https") or not address.hostname or address.username is not None:
        raise ConfigError("The address of the API is none.\n  to fix   --api https://github.example.com/api/v3")
    is_github = address.hostname == "api.github.com" or address.hostname.endswith(".ghe.com")
    names = _OF_GITHUB if is_github else _OF_OTHERS
    name, value = next(((name, told) for name in names if (told := environ.get(name, "").strip())), (names[0], None))
    if value is not None and not _WRITABLE.fullmatch(value):
        raise ConfigError(
            f"{name} is no token: it holds characters that none has.\n  to fix   set it again, or unset it"
        )
    if value is not None and address.scheme == "http" and not _is_this_machine(address.hostname):
        raise ConfigError(
            f"A token is not sent unencrypted, to {address.netloc}.\n  to fix   use https, or unset {name}"
        )
    return Token(value, names)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
