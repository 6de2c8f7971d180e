"""The shape between the log of an agent and a cassette: the steps of a run. Steps in, spans out, with ids and times.

Ids come from the digest of the file and the number of the step: the same file gives the same cassette. A step whose time
the log does not tell gets one that keeps the order, and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.calls import SYNTHETIC_START_NS
from otel_agenttrace.model import SCOPE, VERSION, AttributeValue, Event, Span, SpanKind

__all__ = ["STEP_NS", "Run", "Step", "spans_of"]

STEP_NS: Final = 1_000
"""How far apart steps stand whose times are not told."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that an agent did, by its number in the run; `after` is the call whose messages come before its own.

    Times are in nanoseconds since the epoch, None where the log does not tell them. A step without times that has others
    below it lasts as long as they do.
    """

    number: int
    name: str
    parent: int | None
    attributes: Mapping[str, AttributeValue]
    kind: SpanKind = "INTERNAL"
    start_ns: int | None = None
    end_ns: int | None = None
    has_ended: bool = True
    error: str | None = None
    message: str = ""
    events: tuple[Event, ...] = ()
    after: int | None = None


@dataclass(slots=True)
class Run:
    """The steps of one run, as a reader finds them. `name` is that of its cassette, where a file tells several."""

    name: str = ""
    steps: list[Step] = field(default_factory=list[Step])

    def add(
        self,
        name: str,
        parent: int | None,
        attributes: Mapping[str, AttributeValue],
        kind: SpanKind = "INTERNAL",
        times: tuple[int | None, int | None] = (None, None),
        after: int | None = None,
    ) -> int:
        """Add a step, attributes that are None left out, and return its number."""
        known = {key: value for key, value in attributes.items() if value is not None}
        start_ns, end_ns = times
        self.steps.append(Step(len(self.steps), name, parent, known, kind, start_ns, end_ns, after=after))
        return len(self.steps) - 1

    def tell(self, number: int, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes to a step; those that are None say nothing."""
        known = {key: value for key, value in attributes.items() if value is not None}
        self._change(number, attributes={**self.steps[number].attributes, **known})

    def end(self, number: int, end_ns: int | None) -> None:
        """Say when a step ended."""
        self._change(number, end_ns=end_ns, has_ended=True)

    def leave_open(self, number: int) -> None:
        """Say that the log does not tell of the end of a step."""
        self._change(number, has_ended=False)

    def fail(self, number: int, error: str, message: str) -> None:
        """Say that a step failed."""
        self._change(number, error=error, message=message)

    def happened(self, number: int, event: Event) -> None:
        """Add an event to a step."""
        self._change(number, events=(*self.steps[number].events, event))

    def move(self, number: int, parent: int) -> None:
        """Put a step below another."""
        self._change(number, parent=parent)

    def _change(self, number: int, **changes: Any) -> None:
        self.steps[number] = replace(self.steps[number], **changes)


def spans_of(run: Run, trace_id: str, start_ns: int = SYNTHETIC_START_NS) -> Iterator[Span]:
    """Yield a span for each step of a run, which begins at the time given if the log tells none."""
    for step, moment in zip(run.steps, _moments(run.steps, start_ns), strict=True):
        yield _span(step, trace_id, moment)


def _span(step: Step, trace_id: str, moment: _Moment) -> Span:
    told: dict[str, AttributeValue] = {
        semconv.AGENTTRACE_INPUT_AFTER: None if step.after is None else _span_id(trace_id, step.after),
        semconv.AGENTTRACE_TIME_UNKNOWN: moment.unknown,
        semconv.ERROR_TYPE: step.error,
    }
    return Span(
        trace_id=trace_id,
        span_id=_span_id(trace_id, step.number),
        parent_span_id=None if step.parent is None else _span_id(trace_id, step.parent),
        name=step.name,
        start_ns=moment.start_ns,
        end_ns=moment.end_ns,
        kind=step.kind,
        attributes={**step.attributes, **{key: value for key, value in told.items() if value is not None}},
        events=tuple(replace(event, time_ns=event.time_ns or moment.start_ns) for event in step.events),
        status="ERROR" if step.error else "UNSET",
        status_message=step.message,
        scope=SCOPE,
        scope_version=VERSION,
        schema_url=semconv.SCHEMA_URL,
    )


def _span_id(trace_id: str, number: int) -> str:
    return hashlib.sha256(f"{trace_id} {number}".encode()).hexdigest()[:16]


# --- times ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a span is said to have been, and what of that the log does not tell."""

    start_ns: int
    end_ns: int | None
    unknown: str | None


def _moments(steps: Sequence[Step], now_ns: int) -> list[_Moment]:
    found: list[_Moment] = []
    for step in steps:
        now_ns = now_ns + STEP_NS if step.start_ns is None else step.start_ns
        found.append(_moment(step, now_ns))
    below: dict[int, list[int]] = {}
    for step in reversed(steps):
        if step.start_ns is None and step.number in below:
            found[step.number] = _around([found[number] for number in below[step.number]])
        if step.parent is not None:
            below.setdefault(step.parent, []).append(step.number)
    return found


def _moment(step: Step, start_ns: int) -> _Moment:
    if step.start_ns is None:
        return _Moment(start_ns, start_ns if step.has_ended else None, "all")
    if not step.has_ended:
        return _Moment(start_ns, None, None)
    if step.end_ns is None or step.end_ns < start_ns:
        return _Moment(start_ns, start_ns, "end")
    return _Moment(start_ns, step.end_ns, None)


def _around(below: Sequence[_Moment]) -> _Moment:
    """Return the time from the first moment below to the last one; as far as any is told, by those."""
    told = [moment for moment in below if moment.unknown != "all"]
    start_ns = min(moment.start_ns for moment in told or below)
    end_ns = max(moment.end_ns or moment.start_ns for moment in told or below)
    return _Moment(start_ns, end_ns, None) if told else _Moment(start_ns - STEP_NS, end_ns, "all")
