"""Add up what some spans of a run took: calls, tools, tokens, cost, errors. Trace in, sums out; what is not known is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.measures import known_part
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.model import Span, Trace

__all__ = ["NOTHING", "Tally", "Totals"]


@dataclass(frozen=True, slots=True)
class Totals:
    """What some spans took; the sums are of what is known, and None where nothing is.

    Attributes:
        model_calls: Calls to models, each once.
        tool_calls: Calls of tools.
        input_tokens: Of the calls that tell them, cached ones included.
        output_tokens: The same.
        cost: In US dollars, of the calls that have a price.
        untold_calls: Calls to models that do not tell their tokens.
        unpriced_calls: Calls to models without a price.
        errors: Spans that failed.
    """

    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    untold_calls: int = 0
    unpriced_calls: int = 0
    errors: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.model_calls + other.model_calls,
            self.tool_calls + other.tool_calls,
            known_part((self.input_tokens, other.input_tokens)),
            known_part((self.output_tokens, other.output_tokens)),
            known_part((self.cost, other.cost)),
            self.untold_calls + other.untold_calls,
            self.unpriced_calls + other.unpriced_calls,
            self.errors + other.errors,
        )


NOTHING = Totals()


class Tally:
    """Tells what each span of a run took by itself: a call that two instrumentations tell counts once."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._counted = {id(span) for span in trace.inferences}
        self._tools = Counter(id(call.span) for call in tool_calls(trace))

    def of(self, span: Span) -> Totals:
        """Return what one span took, without those below it."""
        tools, errors = self._tools[id(span)], int(span.is_error)
        if id(span) not in self._counted:
            return Totals(tool_calls=tools, errors=errors)
        given, got = tokens_of(span)
        cost = cost_of_call(self._trace, span)
        return Totals(
            model_calls=1,
            tool_calls=tools,
            input_tokens=given,
            output_tokens=got,
            cost=cost,
            untold_calls=int(given is None or got is None),
            unpriced_calls=int(cost is None),
            errors=errors,
        )

    def of_all(self, spans: Iterable[Span]) -> Totals:
        """Return what some spans took."""
        return sum(map(self.of, spans), NOTHING)
