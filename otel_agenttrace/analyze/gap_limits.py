"""How large a gap is info, a warning, critical. Settings and options in, limits by rule out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, TypeVar, cast

from otel_agenttrace.analyze.findings import Severity
from otel_agenttrace.errors import ConfigError

__all__ = ["LIMITS", "Limits", "limits_from"]


@dataclass(frozen=True, slots=True)
class Limits:
    """From which size on a gap has a severity; None: it never has it. A gap of less than all of them is none.

    Attributes:
        info: The least size of an info.
        warning: That of a warning.
        critical: That of a critical one.
        is_own: Whether somebody has set the critical one: it holds for gaps that cannot be tested, too.
    """

    info: float | None = None
    warning: float | None = None
    critical: float | None = None
    is_own: bool = False

    def severity(self, size: float) -> Severity | None:
        """Return how bad a gap of a size is, or None if it is none."""
        reached: Severity | None = None
        for severity in _SEVERITIES:
            limit = getattr(self, severity)
            if limit is not None and size >= limit:
                reached = severity
        return reached


_Name = TypeVar("_Name", bound=str)
_SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
_ANY: Final = 1e-9
"""However small."""

LIMITS: Final[Mapping[str, Limits]] = {
    "token_inflation": Limits(1.1, 1.25, 1.5),
    "cost_inflation": Limits(1.1, 1.25, 1.5),
    "llm_call_inflation": Limits(1.1, 1.25, 2.0),
    "latency_inflation": Limits(1.25, 1.5, 3.0),
    "success_rate": Limits(_ANY, 0.1, 0.25),
    "error_rate": Limits(0.01, 0.05, 0.15),
    "missing_tool": Limits(0.2, 0.5),
    "extra_tool": Limits(_ANY, 0.5),
    "model_mismatch": Limits(_ANY),
    "prompt_drift": Limits(_ANY, 0.5),
    "loop_tendency": Limits(_ANY, 0.1, 0.3),
    "duplicate_calls": Limits(0.05, 0.1, 0.3),
}
"""Ratios of means for what inflates, differences of shares for the rest."""


def limits_from(settings: Mapping[str, object], options: Iterable[str] = ()) -> Mapping[str, Limits]:
    """Return the limits in force: `rule=1.5` is the critical one, `rule.warning=1.2` another; options before settings.

    A limit that is set draws milder ones that are above it down to it.

    Args:
        settings: The table `[tool.otel-agenttrace.gaps]`: a number, or a table of numbers by severity, by rule.
        options: As the command line has them.

    Raises:
        ConfigError: If a rule, a severity or a number is none.
    """
    limits = dict(LIMITS)
    for name, value in _told(settings):
        _set(limits, name, value, f"[tool.otel-agenttrace.gaps] {name}")
    for option in options:
        name, _, value = option.partition("=")
        _set(limits, name.strip(), value.strip(), f"--threshold {option}")
    return limits


def _told(settings: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for rule, value in settings.items():
        if isinstance(value, Mapping):
            for severity, limit in cast("Mapping[str, object]", value).items():
                yield f"{rule}.{severity}", limit
        else:
            yield rule, value


def _set(limits: dict[str, Limits], name: str, value: object, place: str) -> None:
    told, _, severity = name.partition(".")
    rule = _named(told, tuple(limits), place)
    level = _named(severity or "critical", _SEVERITIES, place)
    limit = _number(value, place)
    stronger = _SEVERITIES.index(level)
    drawn = {
        each: min(known, limit) for each in _SEVERITIES[:stronger] if (known := getattr(limits[rule], each)) is not None
    }
    is_own = limits[rule].is_own or level == "critical"
    limits[rule] = replace(limits[rule], is_own=is_own, **{level: limit}, **drawn)


def _named(name: str, known: tuple[_Name, ...], place: str) -> _Name:
    for each in known:
        if each == name:
            return each
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{place}: there is no {name!r}.\n  to fix   one of {', '.join(known)}.{hint}")


def _number(value: object, place: str) -> float:
    try:
        limit = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else float("nan")
    except ValueError:
        limit = float("nan")
    if not (isfinite(limit) and limit > 0):
        raise ConfigError(
            f"{place}: {value!r} is no limit.\n  to fix   a number above 0: --threshold token_inflation=1.5"
        )
    return limit
