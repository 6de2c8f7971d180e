"""A sampler that keeps agent spans recorded without exporting more than the user's sampler said.

It cannot return a completion to a caller: given a cassette, it opens the session that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

from otel_agenttrace.errors import ConfigError
from otel_agenttrace_instrumentation.opening import process_session

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

__all__ = ["AgentTraceSampler", "sampler_from_env"]

_UPGRADED: Final = ("gen_ai.", "mcp.", "agenttrace.", "openinference.")


class AgentTraceSampler(Sampler):
    """Asks another sampler, and has agent spans that it drops recorded all the same, unsampled.

    Args:
        root: The sampler that decides what is exported; the SDK's default if None.
        replay: A cassette to answer calls from, or None.

    Raises:
        CassetteError: If the cassette cannot be read.
    """

    def __init__(self, root: Sampler | None = None, *, replay: str | Path | None = None) -> None:
        self._root = root or ParentBased(ALWAYS_ON)
        self.session = process_session(Path(replay), "none").session if replay is not None else None

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the root sampler's verdict; start attributes are always forwarded."""
        result = self._root.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP or not _tells_of_an_agent(attributes or {}):
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """Return what the sampler is, for logs."""
        return f"AgentTraceSampler({self._root.get_description()})"


def _tells_of_an_agent(attributes: Mapping[str, object]) -> bool:
    return any(name.startswith(_UPGRADED) for name in attributes)


_ROOTS: Final[Mapping[str, Sampler]] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": ParentBased(ALWAYS_ON),
    "parentbased_always_off": ParentBased(ALWAYS_OFF),
}


def sampler_from_env(argument: str | None) -> AgentTraceSampler:
    """Return the sampler for `OTEL_TRACES_SAMPLER=agenttrace`.

    Its argument says what is exported: a root sampler's name, as in `always_off`, or a share from 0 to 1.

    Raises:
        ConfigError: If the argument is neither.
    """
    told = (argument or "").strip() or "parentbased_always_on"
    if told in _ROOTS:
        return AgentTraceSampler(_ROOTS[told])
    try:
        return AgentTraceSampler(ParentBased(TraceIdRatioBased(float(told))))
    except ValueError:
        known = ", ".join(_ROOTS)
        raise ConfigError(f"OTEL_TRACES_SAMPLER_ARG is {told!r}.\n  to fix   a share from 0 to 1, or {known}") from None
