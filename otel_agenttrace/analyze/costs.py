"""Tell what calls to models cost, by model, agent, phase and more. Streams in, a report out.

Sums are kept, not calls: a report on a large library is as small as its groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import is_unbilled, tokens_of
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.spending import PricedSpan, Spending, Tally
from otel_agenttrace.analyze.streams import SpanStream, inferences_once
from otel_agenttrace.analyze.surroundings import Surroundings
from otel_agenttrace.analyze.waste import Wasted, WasteTally
from otel_agenttrace.model import Span
from otel_agenttrace.pricing import Price, Pricing, price_of_span, tier_of

__all__ = ["GROUPINGS", "CallCost", "Costs", "Group", "Grouping", "Unpriced", "costs_of"]

Grouping: TypeAlias = Literal["model", "provider", "agent", "phase", "turn", "file", "day", "tier"]
GROUPINGS: Final[tuple[Grouping, ...]] = ("model", "provider", "agent", "phase", "turn", "file", "day", "tier")
_Why: TypeAlias = Literal["no price", "no tokens", "odd tokens"]
_AROUND: Final = frozenset({"agent", "phase"})
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """The calls that have something in common.

    Attributes:
        name: Of what they have in common; None for those that tell nothing of it.
        spent: What they took.
        share: Of the cost of all calls that have a price; None where it is not known.
    """

    name: str | None
    spent: Spending
    share: float | None


@dataclass(frozen=True, slots=True)
class CallCost:
    """One call: where it is, whose it is, and what it took. `priced_by` is as in `Costs`."""

    file: str
    trace_id: str
    span_id: str
    name: str
    time: str | None
    model: str | None
    agent: str | None
    phase: str | None
    tier: str | None
    failed: bool
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    priced_by: str | None


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls that have no price.

    Attributes:
        model: As it called itself, else as it was asked for, or the one that was assumed; None where none is told.
        provider: As the spans name it.
        tier: The service tier, where it is not the standard one.
        why: `no price` is known for the model in this tier, `no tokens` are told, or `odd tokens`: more are cached than sent.
        calls: How many.
        input_tokens: Of those that tell them.
        output_tokens: Of those that tell them.
    """

    model: str | None
    provider: str | None
    tier: str | None
    why: _Why
    calls: int
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What calls to models cost.

    Attributes:
        files: How many were read.
        first_day: The day of the first call, in UTC; None without calls.
        last_day: That of the last one.
        prices_of: The day whose prices hold for all calls; None where each has those of its day.
        as_model: The model that all calls are taken to have gone to.
        total: What they took together.
        as_called: What they took by the models and prices they had, where the report takes others.
        priced_by: How many calls have their cost from where: `recorded`, `table`, `genai-prices`, `nothing` that is billed.
        by: The groups, by what they have in common, dearest first.
        calls: Each call in the order of the files, where that was asked for.
        unpriced: What has no price, most calls first.
        wasted: What was spent in vain.
    """

    files: int
    first_day: str | None
    last_day: str | None
    prices_of: str | None
    as_model: str | None
    total: Spending
    as_called: Spending | None
    priced_by: Mapping[str, int]
    by: Mapping[str, tuple[Group, ...]]
    calls: tuple[CallCost, ...] | None
    unpriced: tuple[Unpriced, ...]
    wasted: Wasted


def costs_of(
    streams: Iterable[SpanStream],
    pricing: Pricing,
    by: Sequence[Grouping] = ("model",),
    *,
    with_calls: bool = False,
) -> Costs:
    """Return what the calls of some files cost.

    Args:
        streams: Their spans.
        pricing: The prices: those of each call's day, or others for a what-if.
        by: What to group by.
        with_calls: Whether to list each call.
    """
    counting = _Counting(pricing, tuple(dict.fromkeys(by)), with_calls=with_calls)
    for stream in streams:
        counting.read(stream)
    return counting.report()


@dataclass(frozen=True, slots=True)
class _Seen:
    """One call, as far as groups are made of it."""

    file: str
    turn: int
    call: PricedSpan
    agent: str | None
    phase: str | None


_NAME: Final[Mapping[Grouping, Callable[[_Seen], str | None]]] = {
    "model": lambda seen: model_of(seen.call.span),
    "provider": lambda seen: _text(seen.call.span, semconv.GEN_AI_PROVIDER_NAME),
    "agent": lambda seen: seen.agent,
    "phase": lambda seen: seen.phase,
    "turn": lambda seen: str(seen.turn),
    "file": lambda seen: seen.file,
    "day": lambda seen: _day(seen.call.span),
    "tier": lambda seen: tier_of(seen.call.span),
}


class _Counting:
    def __init__(self, pricing: Pricing, by: tuple[Grouping, ...], *, with_calls: bool) -> None:
        self._pricing = pricing
        self._before = None if pricing.is_recorded_kept else Pricing(pricing.table)
        self._by = by
        self._calls: list[CallCost] | None = [] if with_calls else None
        self._files = 0
        self._days: tuple[str, str] | None = None
        self._total, self._as_called = Tally(), Tally()
        self._groups: dict[Grouping, dict[str | None, Tally]] = {name: {} for name in by}
        self._unpriced: dict[tuple[str | None, str | None, str | None, _Why], Tally] = {}
        self._priced_by: Counter[str] = Counter()
        self._waste = WasteTally()

    def read(self, stream: SpanStream) -> None:
        self._files += 1
        self._waste.begin(stream.name)
        is_within = self._calls is not None or not _AROUND.isdisjoint(self._by)
        around = Surroundings(stream.spans) if is_within else None
        turns: Counter[str] = Counter()
        for span in inferences_once(stream.spans):
            turns[span.trace_id] += 1
            agent, phase = around.of(span) if around is not None else (None, None)
            self._count(stream.name, turns[span.trace_id], span, agent, phase)

    def _count(self, file: str, turn: int, span: Span, agent: str | None, phase: str | None) -> None:
        price = price_of_span(span, self._pricing)
        source, cost = _bill(span, price)
        given, got = tokens_of(span)
        usage = replace(span.usage, input_tokens=given, output_tokens=got)
        call = PricedSpan(span, usage, cost)
        seen = _Seen(file, turn, call, agent, phase)
        self._total.add(call)
        self._waste.add(call)
        for by in self._by:
            self._groups[by].setdefault(_NAME[by](seen), Tally()).add(call)
        if source is None:
            self._unpriced.setdefault(_unpriced_by(call, self._pricing.model), Tally()).add(call)
        else:
            self._priced_by[source] += 1
        if self._before is not None:
            self._as_called.add(PricedSpan(span, usage, _bill(span, price_of_span(span, self._before))[1]))
        if self._calls is not None:
            self._calls.append(_call_cost(seen, source))
        day = _day(span)
        if day is not None:
            first, last = self._days or (day, day)
            self._days = min(first, day), max(last, day)

    def report(self) -> Costs:
        self._waste.end()
        first, last = self._days or (None, None)
        pricing = self._pricing
        return Costs(
            files=self._files,
            first_day=first,
            last_day=last,
            prices_of=pricing.at.date().isoformat() if pricing.at else None,
            as_model=pricing.model,
            total=self._total.spending,
            as_called=self._as_called.spending if self._before is not None else None,
            priced_by=dict(sorted(self._priced_by.items())),
            by={by: tuple(self._grouped(by, tallies)) for by, tallies in self._groups.items()},
            calls=None if self._calls is None else tuple(self._calls),
            unpriced=tuple(sorted(self._unpriced_models(), key=lambda each: (-each.calls, each.model or "", each.why))),
            wasted=self._waste.wasted(self._total),
        )

    def _grouped(self, by: Grouping, tallies: Mapping[str | None, Tally]) -> Iterator[Group]:
        order = _IN_ORDER.get(by, _dearest)
        for name, tally in sorted(tallies.items(), key=order):
            share = tally.cost / self._total.cost if self._total.cost and tally.unpriced < tally.calls else None
            yield Group(name, tally.spending, share)

    def _unpriced_models(self) -> Iterator[Unpriced]:
        for (model, provider, tier, why), tally in self._unpriced.items():
            usage = tally.usage
            yield Unpriced(model, provider, tier, why, tally.calls, usage.input_tokens, usage.output_tokens)


def _dearest(group: tuple[str | None, Tally]) -> tuple[object, ...]:
    name, tally = group
    return -tally.cost, -(tally.usage.total_tokens or 0), name or ""


_IN_ORDER: Final[Mapping[Grouping, Callable[[tuple[str | None, Tally]], tuple[object, ...]]]] = {
    "day": lambda group: (group[0] or "",),
    "turn": lambda group: (int(group[0] or 0),),
}
"""Groups that follow one another, whatever they cost."""


def _bill(span: Span, price: Price | None) -> tuple[str | None, float | None]:
    """Return where the cost of a call is from, and the cost; neither where no price is known."""
    if is_unbilled(span):
        return "nothing", 0.0
    return (None, None) if price is None else (price.source, price.total_cost)


def _unpriced_by(call: PricedSpan, assumed: str | None) -> tuple[str | None, str | None, str | None, _Why]:
    usage = call.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_write_input_tokens or 0)
    why: _Why = "no price"
    if usage.input_tokens is None or usage.output_tokens is None:
        why = "no tokens"
    elif cached > usage.input_tokens:
        why = "odd tokens"
    if assumed is not None:
        return assumed, None, None, why
    return model_of(call.span), _text(call.span, semconv.GEN_AI_PROVIDER_NAME), tier_of(call.span), why


def _call_cost(seen: _Seen, source: str | None) -> CallCost:
    call = seen.call
    span, usage = call.span, call.usage
    return CallCost(
        file=seen.file,
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=span.name,
        time=_time(span).isoformat() if span.start_ns and span.has_time else None,
        model=model_of(span),
        agent=seen.agent,
        phase=seen.phase,
        tier=tier_of(span),
        failed=span.is_error,
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_write_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_output_tokens,
        cost_usd=call.cost_usd,
        priced_by=source,
    )


def _text(span: Span, name: str) -> str | None:
    told = span.attributes.get(name)
    return told if isinstance(told, str) and told else None


def _time(span: Span) -> datetime:
    return datetime.fromtimestamp(span.start_ns // _NS, tz=timezone.utc)


def _day(span: Span) -> str | None:
    return _time(span).date().isoformat() if span.start_ns and span.has_time else None
