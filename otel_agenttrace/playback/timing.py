"""When the chunks of a recorded answer come again. Recorded exchange and timing in, offsets out. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Exchange

__all__ = ["INSTANT", "Timing", "parse_timing"]

_SPEED: Final = re.compile(r"x(\d+(?:\.\d+)?|\.\d+)")


@dataclass(frozen=True, slots=True)
class Timing:
    """How much of each recorded wait is waited again: `first` of the wait for the first chunk, `rest` of all others."""

    first: float = 0.0
    rest: float = 0.0

    def answer_after_ns(self, recorded: Exchange) -> int:
        """Return how long an attempt without a response takes until it fails, in nanoseconds."""
        return round(self.first * (recorded.end_ns - recorded.start_ns)) if recorded.end == "noresponse" else 0

    def offsets_ns(self, recorded: Exchange) -> tuple[int, ...]:
        """Return when each piece of a body comes, and then when the body ends, in nanoseconds since the attempt started.

        A body of one piece comes when the attempt ended. The end of one that its reader did not wait for is not waited for.
        """
        whole = recorded.end_ns - recorded.start_ns
        came = [chunk.offset_ns for chunk in recorded.chunks] or ([whole] if recorded.body else [])
        ended = whole if recorded.end in ("complete", "error") else came[-1] if came else 0
        begun = came[0] if came else ended
        return tuple(round(self.first * begun + self.rest * max(at - begun, 0)) for at in (*came, ended))


INSTANT: Final = Timing()


def parse_timing(text: str) -> Timing:
    """Return the timing that a word names: `instant`, `real`, `first-token`, or `x4` for four times as fast.

    Raises:
        ConfigError: If it is another word.
    """
    if text == "instant":
        return INSTANT
    if text == "real":
        return Timing(1.0, 1.0)
    if text == "first-token":
        return Timing(1.0, 0.0)
    speed = _SPEED.fullmatch(text)
    if speed is None or float(speed[1]) == 0:
        raise ConfigError(
            f"{text!r} is no timing.\n  to fix   instant, real, first-token, or a speed: x4 is four times as fast, x0.5 half"
        )
    return Timing(1 / float(speed[1]), 1 / float(speed[1]))
