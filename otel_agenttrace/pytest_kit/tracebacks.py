"""Let what pytest shows of an error say what is most wanted. Report, or error with its traceback, in; the same, shortened, out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pytest

from otel_agenttrace.errors import AgentTraceError, ReplayError, ReplayMiss

__all__ = ["shorten", "tell_shortly"]

_OURS: Final = Path(__file__).parents[1]


def tell_shortly(report: pytest.TestReport, error: AgentTraceError) -> None:
    """Let the one line that pytest tells of a failure say what is most wanted: it is cut where the terminal ends."""
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return
    if isinstance(error, ReplayMiss) and error.first_difference:
        crash.message = f"{type(error).__name__}: differs at {error.first_difference}"
    else:
        crash.message = crash.message.removeprefix(f"{type(error).__module__}.")


def shorten(root: Path, error: BaseException) -> None:
    """Leave our frames out of a traceback, but for a fault of our own; let that of a miss end in the program, above the SDK."""
    places = list(_places(error))
    kept = [place for place in places if not _path(place).is_relative_to(_OURS)]
    if not kept or (places[-1] is not kept[-1] and not isinstance(error, AgentTraceError)):
        return
    if isinstance(error, ReplayError):
        own = [at for at, place in enumerate(kept) if _is_below(_path(place), root)]
        kept = kept[: own[-1] + 1] if own else kept
    for place, following in zip(kept, [*kept[1:], None], strict=True):
        place.tb_next = following
    error.__traceback__ = kept[0]


def _places(error: BaseException) -> Iterator[TracebackType]:
    place = error.__traceback__
    while place is not None:
        yield place
        place = place.tb_next


def _path(place: TracebackType) -> Path:
    return Path(place.tb_frame.f_code.co_filename)


def _is_below(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and "site-packages" not in path.parts
