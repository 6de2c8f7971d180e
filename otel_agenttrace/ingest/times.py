"""Read the times of recordings. Text in, nanoseconds out, None for what is no time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["go_duration_ns", "instant_ns", "milliseconds_ns", "moment_ns"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FRACTION: Final = re.compile(r"(?<=:\d\d)\.(\d+)")
_GO_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_GO_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LATEST_NS: Final = 1 << 63
_LONGEST_NS: Final = 30 * 86_400 * 1_000_000_000


def instant_ns(written: object) -> int | None:
    """Return a time of ISO 8601 or of mail and HTTP, in nanoseconds since the epoch; without a zone it is UTC."""
    if not isinstance(written, str):
        return None
    parsed = _iso(written.strip()) or _mail(written)
    if parsed is None:
        return None
    try:
        since = (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)) - _EPOCH
    except OverflowError:
        return None
    passed_ns = since // timedelta(microseconds=1) * 1_000
    return passed_ns if 0 < passed_ns < _LATEST_NS else None


_SCALES: Final = ((1 << 36, 1_000_000_000), (1 << 46, 1_000_000), (1 << 56, 1_000))
"""Up to which number since the epoch a time is one of seconds, of milliseconds, of microseconds."""


def moment_ns(told: object) -> int | None:
    """Return a time that is a text, or a number since the epoch, whose size says of what."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return instant_ns(told)
    if not 0 < told < _LATEST_NS:
        return None
    return round(told * next((scale for most, scale in _SCALES if told < most), 1))


def milliseconds_ns(told: object) -> int | None:
    """Return a number of milliseconds in nanoseconds."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return _bounded(round(told * 1_000_000)) if 0 <= told <= _LONGEST_NS else None


def _iso(written: str) -> datetime | None:
    # Python 3.10 reads three or six digits of a second, and no `Z`
    written = _FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", written)
    try:
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", written))
    except ValueError:
        return None


def _mail(written: str) -> datetime | None:
    try:
        return parsedate_to_datetime(written)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def go_duration_ns(written: object) -> int | None:
    """Return a duration as Go writes it, `1m2.5s`, or a number of nanoseconds."""
    if isinstance(written, int) and not isinstance(written, bool):
        return _bounded(written)
    if not isinstance(written, str) or not re.fullmatch(f"(?:{_GO_PART.pattern})+", written[:100]):
        return None
    return _bounded(round(sum(float(count) * _GO_UNITS[unit] for count, unit in _GO_PART.findall(written))))


def _bounded(duration_ns: int) -> int | None:
    return duration_ns if 0 <= duration_ns <= _LONGEST_NS else None
