"""Which places a replay may reach, and whose refusal is nobody's loss. Texts in, verdicts out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace.errors import ConfigError

__all__ = [
    "AllowList",
    "address_of",
    "collectors",
    "is_local",
    "is_loopback",
    "is_loopback_origin",
    "is_telemetry",
    "place_of_url",
    "told_place",
]

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_COLLECTORS: Final = tuple(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in ("", "TRACES_", "METRICS_", "LOGS_"))
_TELEMETRY: Final = (
    "raw.githubusercontent.com/BerriAI/litellm/*",  # litellm, on import: its prices
    "api.openai.com/v1/traces/ingest",  # openai-agents: its traces
    "huggingface.co/api/telemetry/*",
    "telemetry.crewai.com",
    "api.smith.langchain.com",
    "api.agentops.ai",
    "api.scarf.sh",
    "*.gateway.scarf.sh",
    "*.posthog.com",
    "*.sentry.io",
    "api.segment.io",
    "api.mixpanel.com",
    "api.amplitude.com",
    "api2.amplitude.com",
)
"""Host and path of what SDKs send or fetch for their own ends: a program does the same without it."""


_PART: Final = re.compile("0[xX][0-9a-fA-F]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9}")
_LOOPBACK: Final = frozenset(
    {
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost4.localdomain4",
        "localhost6",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    }
)
"""Names of the loopback, as tables of hosts have them; RFC 6761 adds all below `localhost`."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """The places that may be reached: `host`, `host:port`, addresses, and patterns such as `*.example.com`."""

    entries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the entries.

        Raises:
            ConfigError: If one is no host.
        """
        for entry in self.entries:
            if not entry or "/" in entry:
                raise ConfigError(
                    f"allow has {entry!r}, which is no host.\n"
                    "  to fix   a host, with a port or without: api.example.com, *.example.com, 10.0.0.7:8080"
                )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts without their ports, as the variable `NO_PROXY` names them: `.example.com` for all below it."""
        return tuple(_parted(entry)[0].removeprefix("*") or "*" for entry in self.entries)

    def takes(self, host: str, port: object = None) -> bool:
        """Whether a host may be reached at a port, or looked up where no port is given."""
        return any(
            fnmatchcase(_name(host), pattern) and (wanted is None or port is None or str(port) == wanted)
            for pattern, wanted in map(_parted, self.entries)
        )


def _parted(entry: str) -> tuple[str, str | None]:
    """Return host and port of an entry; an IPv6 address with a port stands in brackets."""
    host, _, port = entry.rpartition(":")
    if port.isdecimal() and (":" not in host or host.endswith("]")):
        return _name(host.strip("[]")), port
    return _name(entry.removeprefix("[").removesuffix("]") if ":" in entry else entry), None


def _name(host: str) -> str:
    return host.lower().removesuffix(".")


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as, or None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return _short_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _short_address(host: str) -> IPv4Address | None:
    """Return the IPv4 address that a host is short for, as C has it: `127.1`, `0`, parts in hex and octal."""
    *parts, last = host.split(".")
    if len(parts) > 3 or not all(map(_PART.fullmatch, (*parts, last))):
        return None
    numbers = [_number(part) for part in parts]
    rest = 4 - len(numbers)
    if max(numbers, default=0) > 255 or _number(last) >= 256**rest:
        return None
    return IPv4Address(bytes(numbers) + _number(last).to_bytes(rest, "big"))


def _number(part: str) -> int:
    return int(part, 16 if part[:2] in ("0x", "0X") else 8 if part[0] == "0" else 10)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its loopback."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback
    return _name(host) in _LOOPBACK or _name(host).endswith(".localhost")


def is_loopback_origin(origin: str) -> bool:
    """Whether an origin is on this machine."""
    return is_loopback(urlsplit(origin).hostname or "")


def is_local(host: str) -> bool:
    """Whether what is sent to a host stays on this machine: also where none is named, which means the loopback."""
    address = address_of(host)
    return is_loopback(host) or not host or (address is not None and address.is_unspecified)


def is_telemetry(host: str, path: str = "", collecting: tuple[str, ...] = ()) -> bool:
    """Whether what goes there are an SDK's own affairs, or spans for a collector: refused, it fails no replay."""
    place = f"{_name(host)}{path}"
    return _name(host) in collecting or any(
        fnmatchcase(place if "/" in pattern else _name(host), pattern) for pattern in _TELEMETRY
    )


def collectors(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the hosts that the OpenTelemetry variables send spans, metrics and logs to."""
    found = (urlsplit(environ.get(name, "")).hostname for name in _COLLECTORS)
    return tuple(dict.fromkeys(host for host in found if host))


def place_of_url(url: str) -> tuple[str, int | None, str]:
    """Return host, port and path of a URL."""
    parts = urlsplit(url)
    return parts.hostname or url, parts.port or _PORTS.get(parts.scheme), parts.path


def told_place(host: str, port: object) -> str:
    """Return a place as a user would write it."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (None, 0, "", "0") else f"{shown}:{port}"
