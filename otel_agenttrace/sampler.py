"""A sampler that keeps agent spans recorded without exporting more than the user's sampler said.

It cannot return a completion to a caller: given a cassette, it opens the session that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult

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
        self.session = process_session(Path(replay), "none") if replay is not None else None

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


def sampler_from_env(argument: str | None) -> AgentTraceSampler:
    """Return the sampler for `OTEL_TRACES_SAMPLER=agenttrace`; its argument names the root sampler, as in `always_off`."""
    from opentelemetry.sdk.trace.sampling import _KNOWN_SAMPLERS, TraceIdRatioBased  # pyright: ignore[reportPrivateUsage] - the SDK's own names

    name = (argument or "").strip()
    if not name:
        return AgentTraceSampler()
    if name in _KNOWN_SAMPLERS and isinstance(_KNOWN_SAMPLERS[name], Sampler):
        return AgentTraceSampler(_KNOWN_SAMPLERS[name])
    return AgentTraceSampler(ParentBased(TraceIdRatioBased(float(name))))
