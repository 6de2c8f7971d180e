"""Run an agent against the trace of an earlier run, and compare what both did. Function and trace in, verdict out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from otel_agenttrace.analyze.trajectories import Divergence, compare, steps
from otel_agenttrace.api import load, replay
from otel_agenttrace.errors import ConfigError, error_type
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.model import Trace
from otel_agenttrace.playback.plan import Frozen
from otel_agenttrace.redact.spans import redacted_trace
from otel_agenttrace.sessions import Session

__all__ = ["Rerun", "rerun"]


@dataclass(frozen=True, slots=True)
class Rerun:
    """What came of running an agent against a trace.

    Attributes:
        trace: What the agent did this time.
        similarity: How much of both runs is the same, 0 to 1.
        verdict: `ALIGNED` if every step is the same, else `DIVERGED`.
        first_divergence: The first step that is not the same.
        result: What the agent returned.
        error: What the agent raised, or the first miss that it swallowed.
    """

    trace: Trace
    similarity: float
    verdict: Literal["ALIGNED", "DIVERGED"]
    first_divergence: Divergence | None
    result: Any = None
    error: Exception | None = None

    def to_json(self) -> JsonObject:
        """Return the verdict as JSON: `verdict`, `similarity`, `first_divergence`, `error` (`type` and `message`)."""
        error = None if self.error is None else {"type": error_type(self.error), "message": str(self.error)}
        divergence = None if self.first_divergence is None else asdict(self.first_divergence)
        return {
            "verdict": self.verdict,
            "similarity": self.similarity,
            "first_divergence": divergence,
            "error": error,
        }


def rerun(
    trace: Trace | Path | str,
    fn: Callable[..., Any],
    *args: Any,
    freeze: Sequence[Frozen] = ("llm", "tools"),
    **kwargs: Any,
) -> Any:
    """Run an agent's function against a trace, and return a `Rerun`: how far it did the same.

    A call that the trace does not answer is no exception here, but the divergence.

    Args:
        trace: A cassette, or a trace that was read from one.
        fn: The agent; of a coroutine function, what is returned is to be awaited. A generator is run to its end: its
            items are the result.
        args: Its arguments.
        freeze: What is answered from the trace: calls to models (`llm`), tools (`tools`). The rest is live; of live calls
            only which model was asked is compared.
        kwargs: Its arguments by name.

    Raises:
        CassetteError: If the trace cannot be read.
        ConfigError: If a trace is given that was read from no file, if `freeze` has no meaning, or if the agent
            returned a coroutine that has not run.
    """
    baseline = trace if isinstance(trace, Trace) else load(trace)
    if baseline.path is None:
        raise ConfigError("This trace was read from no file, so nothing answers from it.\n  to fix   give the cassette")
    context = replay(baseline.path, quiet=True, freeze=freeze)

    def told(session: Session, result: Any, error: Exception | None) -> Rerun:
        return _compared(baseline, session, result, error, freeze)

    async def run_async() -> Rerun:
        async with context as session:
            result, error = None, None
            try:
                called = fn(*args, **kwargs)
                result = [item async for item in called] if inspect.isasyncgen(called) else await called
            except Exception as raised:  # noqa: BLE001 - whatever the agent raises is told in the verdict
                error = raised
        return told(session, result, error)

    if _is_async(fn):
        return run_async()
    with context as session:
        result, error = None, None
        try:
            result = fn(*args, **kwargs)
            result = list(result) if inspect.isgenerator(result) else result
        except Exception as raised:  # noqa: BLE001 - whatever the agent raises is told in the verdict
            error = raised
    if inspect.iscoroutine(result) or inspect.isasyncgen(result):
        raise ConfigError(
            "What the function returned would run later, and live.\n  to fix   give at.rerun the coroutine function itself"
        )
    return told(session, result, error)


def _is_async(fn: Callable[..., Any]) -> bool:
    """Whether a function, or an object that can be called, gives what is to be awaited."""
    call = getattr(fn, "__call__", None)  # noqa: B004 - that of an object
    tests = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(test(each) for test in tests for each in (fn, call))


def _compared(
    baseline: Trace, session: Session, result: Any, error: Exception | None, freeze: Sequence[Frozen]
) -> Rerun:
    candidate = redacted_trace(session.trace, session.redactor)
    recorded = {(span.trace_id, span.span_id): span for span in baseline.spans}
    read = partial(
        steps,
        recorded=recorded,
        with_inference_content="llm" in freeze,
        into_tools="tools" not in freeze,
    )
    comparison = compare(read(baseline), read(candidate))
    divergence, missed = comparison.first_divergence, next(iter(session.misses), None)
    if divergence is not None and not divergence.difference and missed is not None and missed.first_difference:
        divergence = replace(divergence, difference=missed.first_difference)
    return Rerun(
        trace=candidate,
        similarity=comparison.similarity,
        verdict="ALIGNED" if divergence is None and missed is None else "DIVERGED",
        first_divergence=divergence,
        result=result,
        error=error or missed,
    )
