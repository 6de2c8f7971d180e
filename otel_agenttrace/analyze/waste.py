"""Find what was spent in vain: on calls that failed, and on asking the same twice. Calls of a file in, sums out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.questions import told_question
from otel_agenttrace.analyze.spending import PricedSpan, Spending, Tally
from otel_agenttrace.analyze.streams import run_of
from otel_agenttrace.model import Span

__all__ = ["Evidence", "Waste", "WasteTally", "Wasted"]

_SHOWN: Final = 10
_REQUEST: Final = (
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_SYSTEM_INSTRUCTIONS,
    semconv.GEN_AI_INPUT_MESSAGES,
    semconv.GEN_AI_CONVERSATION_ID,
    semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
    semconv.GEN_AI_TOOL_DEFINITIONS,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span that shows something, and the file it is in."""

    file: str
    trace_id: str
    span_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Waste:
    """Calls that were made in vain.

    Attributes:
        spent: What they took.
        evidence: The first ten of them.
    """

    spent: Spending
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Wasted:
    """What was spent in vain, each call once.

    Attributes:
        failed: Calls that failed, and were not made again.
        retried: Calls that failed, after which the same was asked again in the same run.
        repeated: Calls that asked what an earlier call of the run had got an answer to.
        together: All of them.
        share: Of the cost of all calls that have a price; None where none has, or all cost nothing.
        further_attempts: Attempts that an SDK made beyond the first one, within calls; none tells tokens of its own.
        unjudged_calls: Calls that do not tell what they asked, so that nobody knows whether it was asked before.
    """

    failed: Waste
    retried: Waste
    repeated: Waste
    together: Spending
    share: float | None
    further_attempts: int
    unjudged_calls: int


@dataclass(slots=True)
class _Kind:
    tally: Tally = field(default_factory=Tally)
    evidence: list[Evidence] = field(default_factory=list[Evidence])

    def add(self, file: str, call: PricedSpan) -> None:
        self.tally.add(call)
        if len(self.evidence) < _SHOWN:
            self.evidence.append(Evidence(file, call.span.trace_id, call.span.span_id, call.span.name))

    @property
    def waste(self) -> Waste:
        return Waste(self.tally.spending, tuple(self.evidence))


class WasteTally:
    """Sums up waste, file after file."""

    def __init__(self) -> None:
        self._failed, self._retried, self._repeated = _Kind(), _Kind(), _Kind()
        self._further = self._unjudged = 0
        self._begin("")

    def _begin(self, file: str) -> None:
        self._file = file
        self._open: dict[int, PricedSpan] = {}
        self._answered: set[int] = set()

    def begin(self, file: str) -> None:
        """Go on with another file: what is asked there is another run's."""
        self.end()
        self._begin(file)

    def end(self) -> None:
        """Count the failed calls of the file that nobody made again."""
        for call in self._open.values():
            self._failed.add(self._file, call)
        self._open = {}

    def add(self, call: PricedSpan) -> None:
        """Take note of a call, in the order of the file."""
        self._further += max(_attempts(call.span) - 1, 0)
        asked = _request(call.span)
        if asked is None:
            self._unjudged += 1
            if call.span.is_error:
                self._failed.add(self._file, call)
            return
        before = self._open.get(asked)
        if before is not None and (call.span.is_error or _follows(call.span, before.span)):
            (self._retried if _follows(call.span, before.span) else self._failed).add(self._file, before)
            del self._open[asked]
        if call.span.is_error:
            self._open[asked] = call
        elif asked in self._answered:
            self._repeated.add(self._file, call)
        else:
            self._answered.add(asked)

    def wasted(self, whole: Tally) -> Wasted:
        """Return the sums, beside those of all calls."""
        together = Tally()
        for kind in (self._failed, self._retried, self._repeated):
            together.join(kind.tally)
        share = together.cost / whole.cost if whole.cost else None
        kinds = (self._failed.waste, self._retried.waste, self._repeated.waste)
        return Wasted(*kinds, together.spending, share, self._further, self._unjudged)


def _follows(span: Span, failed: Span) -> bool:
    """Whether a call began after a failed one had ended: one beside it tries nothing again."""
    return (failed.end_ns or failed.start_ns) <= span.start_ns


def _attempts(span: Span) -> int:
    return sum(event.name == semconv.EVENT_AGENTTRACE_EXCHANGE for event in span.events)


def _request(span: Span) -> int | None:
    """Return what stands for what a call of a run asked: its key where it is recorded, else its messages; None if neither is told."""
    key = span.attributes.get(semconv.AGENTTRACE_CALL_KEY)
    if isinstance(key, str):
        return hash((run_of(span), key))
    if told_question(span) is None:
        return None
    return hash((run_of(span), *(repr(span.attributes.get(name)) for name in _REQUEST)))
