"""Tell what tokens cost. Usage, model and time in, US dollars out; what is not known is None, never 0.

The user's own table comes first, then the prices of genai-prices at the time of the call. Its data are part of the
package: nothing here reaches for the network.
"""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import number, text
from otel_agenttrace.model import Span, Usage

if TYPE_CHECKING:
    from genai_prices import Usage as Tokens
    from genai_prices.types import PriceCalculation

__all__ = [
    "ModelPrice",
    "Price",
    "PriceTable",
    "Pricing",
    "context_window_of",
    "cost_of_span",
    "is_deprecated",
    "price_of",
    "price_of_span",
    "price_table",
    "tier_of",
    "time_of",
]

_log: Final = logging.getLogger("otel_agenttrace")

_PER: Final = 1_000_000
_LATEST: Final = datetime(9999, 1, 1, tzinfo=timezone.utc)
"""Stands for a time that is not known: the newest price applies, whenever we are asked."""

# Names of the GenAI conventions, now and before, as genai-prices calls them. It would take azure.ai.openai for openai.
_PROVIDERS: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
_GATEWAYS: Final = (None, "openai", "openrouter")
"""Providers that may be a gateway: their models carry the vendor's name, `openai/gpt-4o`."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a usage costs in US dollars, and the entry that says so. The total may include a price per request.

    `source` is `recorded` where the span tells the amount itself: how it is made up is not known then.
    """

    input_cost: float | None
    output_cost: float | None
    total_cost: float
    model: str
    source: Literal["recorded", "table", "genai-prices"]


@dataclass(frozen=True, slots=True)
class Pricing:
    """By which prices calls are counted. Unless one of the last three is set, an amount that a span tells comes first.

    Attributes:
        table: The user's own prices.
        at: A time whose prices hold for all calls; None for that of each call.
        model: A model that all calls are taken to have gone to.
        flat: A price that holds for all calls.
    """

    table: PriceTable | None = None
    at: datetime | None = None
    model: str | None = None
    flat: ModelPrice | None = None

    @property
    def is_recorded_kept(self) -> bool:
        """Whether an amount that a span tells comes first."""
        return self.at is None and self.model is None and self.flat is None


def price_of(
    usage: Usage,
    *,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    table: PriceTable | None = None,
    tier: str | None = None,
) -> Price | None:
    """Return what a usage costs, or None if the usage, the model or its price is not known.

    A model without a price is logged once.

    Args:
        usage: `input_tokens` includes cache reads and writes; each of them counts by its own price.
        provider: Its name in the GenAI conventions or in genai-prices.
        model: As the provider names it; dated names and those of gateways (`openai/gpt-4o`) too.
        at: The time of the call, since prices change; None for the newest price.
        table: The user's own prices.
        tier: The service tier, or `batch`, where it is not the standard one.
    """
    return _price(_Sold(provider, (model,) if model else (), tier), usage, at or _LATEST, table)


def cost_of_span(span: Span, table: PriceTable | None = None) -> float | None:
    """Return what the call of an inference span costs in US dollars, or None if that is not known.

    A recorded amount comes first, then the price of the answering model, then that of the model that was asked for.
    """
    recorded = _recorded(span)
    if recorded is not None:
        return recorded
    price = price_of_span(span, Pricing(table))
    return None if price is None else price.total_cost


def price_of_span(span: Span, pricing: Pricing) -> Price | None:
    """Return what the call of an inference span costs by these prices, or None if that is not known."""
    recorded = _recorded(span) if pricing.is_recorded_kept else None
    if recorded is not None:
        return Price(None, None, recorded, "", "recorded")
    if not span.is_inference:
        return None
    usage = replace(span.usage, output_tokens=0) if span.operation == semconv.OPERATION_EMBEDDINGS else span.usage
    if pricing.flat is not None:
        return _own_price(usage, "", pricing.flat) if _adds_up(usage) else None
    at = pricing.at or time_of(span) or _LATEST
    sold = _Sold(None, (pricing.model,)) if pricing.model else _sold(span)
    return _price(sold, usage, at, pricing.table)


def _recorded(span: Span) -> float | None:
    """Return the amount in US dollars that a span tells itself."""
    told = number(span.attributes.get(semconv.AGENTTRACE_COST_AMOUNT))
    if told is None or told < 0 or span.attributes.get(semconv.AGENTTRACE_COST_CURRENCY, "USD") != "USD":
        return None
    return float(told)


def time_of(span: Span) -> datetime | None:
    """Return when a call was made, to the second; None where its source does not tell it."""
    if not span.start_ns or not span.has_time:
        return None
    return datetime.fromtimestamp(span.start_ns // 1_000_000_000, tz=timezone.utc)


@dataclass(frozen=True, slots=True)
class _Sold:
    """What was asked for: the names of a model, the best one first, and how it is served."""

    provider: str | None
    models: tuple[str, ...]
    tier: str | None = None


def _sold(span: Span) -> _Sold:
    names = (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL)
    told = map(text, map(span.attributes.get, names))
    return _Sold(
        text(span.attributes.get(semconv.GEN_AI_PROVIDER_NAME)), tuple(dict.fromkeys(filter(None, told))), tier_of(span)
    )


_TIERS: Final = (
    semconv.OPENAI_RESPONSE_SERVICE_TIER,
    semconv.AGENTTRACE_RESPONSE_SERVICE_TIER,
    semconv.OPENAI_REQUEST_SERVICE_TIER,
)
_STANDARD: Final = frozenset({"auto", "default", "on_demand", "standard", "standard_only"})


def tier_of(span: Span) -> str | None:
    """Return the service tier of a call, or `batch`, as the answer tells it, else the request; None for the standard one."""
    told = next((tier for name in _TIERS if isinstance(tier := span.attributes.get(name), str) and tier), None)
    return None if told in _STANDARD else told


def _price(sold: _Sold, usage: Usage, at: datetime, table: PriceTable | None) -> Price | None:
    """Return the price by the first of several names of a model that has one."""
    if not sold.models or not _adds_up(usage):
        return None
    finds = (table.find(name, sold.tier) for name in sold.models) if table is not None else ()
    own = next((found for found in finds if found is not None), None)
    if own is not None:
        return _own_price(usage, *own)
    if sold in _unpriced:
        return None
    published = _published(sold, at.date())
    if published is not None:
        return published.price(usage)
    calculated = _calculated(sold, usage, at)
    if calculated is not None:
        return _known_price(usage, calculated)
    _unpriced.add(sold)
    how = f", tier {sold.tier!r}," if sold.tier else ""
    told = "no price is known for model %r of provider %r%s: its calls cost None, not 0"
    _log.warning(told, sold.models[0], sold.provider, how)
    return None


_unpriced: Final[set[_Sold]] = set()
"""What has been looked for in vain, and told."""


def _adds_up(usage: Usage) -> bool:
    """Whether input tokens are known and include the cached ones: else another convention was used, and we cannot tell."""
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_write_input_tokens or 0)
    return usage.input_tokens is not None and usage.input_tokens >= cached


def _kept(usage: Usage) -> int:
    """Return how many of the tokens written to the cache stay there for an hour."""
    return min(usage.cache_write_1h_input_tokens or 0, usage.cache_write_input_tokens or 0)


# --- genai-prices ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rates:
    """US dollars per token of a model on a day, and per request: exact, since a price is a sum of products."""

    model: str
    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal
    request: Decimal
    sells_output: bool

    def price(self, usage: Usage) -> Price | None:
        if usage.output_tokens is None and self.sells_output:
            return None
        read, write = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
        plain, kept = (usage.input_tokens or 0) - read - write, _kept(usage)
        input_cost = plain * self.input + read * self.cache_read
        input_cost += (write - kept) * self.cache_write + kept * self.cache_write_1h
        output_cost = (usage.output_tokens or 0) * self.output
        total = input_cost + output_cost + self.request
        return Price(float(input_cost), float(output_cost), float(total), self.model, "genai-prices")


@lru_cache(maxsize=4_096)
def _published(sold: _Sold, day: date) -> _Rates | None:
    """Return the rates of a model on a day; None if it has none, or the size or the hour of a call changes them.

    They are asked for by usages of a million: genai-prices alone knows what a model sells.
    """
    at = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    nothing = _calculated(sold, Usage(0, 0), at)
    if nothing is None or not _is_steady(nothing):
        return None
    per_token = [
        (asked.total_price - nothing.total_price) / _PER
        for usage in (
            Usage(_PER, 0),
            Usage(_PER, 0, _PER),
            Usage(_PER, 0, None, _PER),
            Usage(_PER, 0, None, _PER, None, _PER),
            Usage(0, _PER),
        )
        if (asked := _calculated(sold, usage, at)) is not None
    ]
    if len(per_token) < 5:
        return None
    given, read, written, kept, got = per_token
    sells_output = nothing.model_price.output_mtok is not None
    return _Rates(nothing.model.id, given, read, written, kept, got, nothing.total_price, sells_output)


def _is_steady(found: PriceCalculation) -> bool:
    """Whether every token has the same price on the whole day."""
    from genai_prices.types import StartDateConstraint, TieredPrices

    held = found.model.prices
    limits = [each.constraint for each in held] if isinstance(held, list) else []
    has_hours = any(limit is not None and not isinstance(limit, StartDateConstraint) for limit in limits)
    return not has_hours and not any(isinstance(price, TieredPrices) for price in vars(found.model_price).values())


def _calculated(sold: _Sold, usage: Usage, at: datetime) -> PriceCalculation | None:
    """Return what genai-prices says of the first name it knows; like ours, its input tokens include cached ones."""
    from genai_prices import Usage as Tokens  # takes 220 ms, hence not before it is needed

    tokens = Tokens(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_write_input_tokens,
        cache_write_1h_tokens=_kept(usage) or None,
    )
    references = (reference for model in sold.models for reference in _references(sold.provider, model))
    prices = (_looked_up(tokens, provider_id, name, at, sold.tier) for provider_id, name in references)
    return next((price for price in prices if price is not None), None)


def _looked_up(
    tokens: Tokens, provider_id: str | None, model: str, at: datetime, tier: str | None
) -> PriceCalculation | None:
    from genai_prices import calc_price

    try:
        if tier is None:
            return calc_price(tokens, model, provider_id=provider_id, genai_request_timestamp=at)
        ways = {"processing": tier} if tier == _BATCH else {"service_tier": tier}
        found = calc_price(tokens, model, provider_id=provider_id, genai_request_timestamp=at)
        if not _sells(found, ways, at):
            return None
        asked: Any = partial(calc_price, price_context=ways)
        return asked(tokens, model, provider_id=provider_id, genai_request_timestamp=at)
    except (LookupError, ValueError):  # not known there, or sold by something else than these tokens
        return None


def is_deprecated(provider: str | None, model: str) -> bool | None:
    """Return whether genai-prices says that a provider gives a model up; None where it does not know the model."""
    told = (_told_deprecated(provider_id, name) for provider_id, name in _references(provider, model))
    return next((each for each in told if each is not None), None)


def _told_deprecated(provider_id: str | None, model: str) -> bool | None:
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, provider_id, None)[1].deprecated is True
    except LookupError:
        return None


_BATCH: Final = "batch"


def _sells(found: PriceCalculation, ways: Mapping[str, str], at: datetime) -> bool:
    """Whether a model has a price of its own for a way to be served; releases of before 0.2 know of none."""
    variants: Iterable[Any] = getattr(found.model, "price_variants", None) or ()
    return any(
        all(ways.get(key) == value for key, value in variant.when.items())
        and (variant.constraint is None or variant.constraint.active(at))
        for variant in variants
    )


def _references(provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """Yield the providers and names a model may be known by in genai-prices."""
    known = None if provider is None else _PROVIDERS.get(provider.lower(), provider)
    yield known, model
    vendor, slash, bare = model.partition("/")
    if slash and vendor == "models":  # Google's resource names
        yield known, bare
    elif slash and known in _GATEWAYS:
        yield "openrouter", model
        yield _PROVIDERS.get(vendor.lower(), vendor), bare


def context_window_of(provider: str | None, model: str) -> int | None:
    """Return how many tokens of input and output a model holds at most, as genai-prices tells; None where it does not."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    for provider_id, name in _references(provider, model):
        try:
            _, found = snapshot.find_provider_model(name, None, provider_id, None)
        except LookupError:
            continue
        if found.context_window is not None:
            return found.context_window
    return None


def _known_price(usage: Usage, found: PriceCalculation) -> Price | None:
    """Return the price, or None if the model sells output and we do not know how much there was."""
    if usage.output_tokens is None and found.model_price.output_mtok is not None:
        return None
    input_cost, output_cost = float(found.input_price), float(found.output_price)
    return Price(input_cost, output_cost, float(found.total_price), found.model.id, "genai-prices")


# --- the user's own table -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """US dollars per million tokens of one model. Without a price of their own, cached tokens count as input.

    Those kept for an hour then count as other cache writes.
    """

    input_per_mtok: float
    output_per_mtok: float
    cache_read_per_mtok: float | None = None
    cache_write_per_mtok: float | None = None
    cache_write_1h_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The user's own prices by model name; `price_table` makes one from settings."""

    prices: Mapping[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])

    def find(self, model: str, tier: str | None = None) -> tuple[str, ModelPrice] | None:
        """Return the entry with the model's name, else the one with its longest beginning, else None.

        That of a service tier is named `gpt-5 (flex)`.
        """
        end = f" ({tier})" if tier else ""
        beginnings = (name for name in self.prices if name.endswith(end) and model.startswith(name.removesuffix(end)))
        name = max(beginnings, key=len, default=None)
        return None if name is None else (name, self.prices[name])


def _own_price(usage: Usage, name: str, price: ModelPrice) -> Price | None:
    if usage.input_tokens is None or (usage.output_tokens is None and price.output_per_mtok):
        return None
    read, write = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
    read_price = price.input_per_mtok if price.cache_read_per_mtok is None else price.cache_read_per_mtok
    write_price = price.input_per_mtok if price.cache_write_per_mtok is None else price.cache_write_per_mtok
    kept_price = write_price if price.cache_write_1h_per_mtok is None else price.cache_write_1h_per_mtok
    plain, kept = usage.input_tokens - read - write, _kept(usage)
    cached = read * read_price + (write - kept) * write_price + kept * kept_price
    input_cost = (plain * price.input_per_mtok + cached) / _PER
    output_cost = (usage.output_tokens or 0) * price.output_per_mtok / _PER
    return Price(input_cost, output_cost, input_cost + output_cost, name, "table")


def price_table(prices: Mapping[str, object], source: str = "[tool.otel-agenttrace.prices]") -> PriceTable:
    """Return the table that settings describe: `{model: {input_per_mtok, output_per_mtok, cache_read_per_mtok, …}}`.

    Raises:
        ConfigError: If a key is missing or has no meaning, or a value is no price; `source` says where.
    """
    return PriceTable({model: _model_price(f"{source} {model!r}", entry) for model, entry in prices.items()})


_REQUIRED: Final = ("input_per_mtok", "output_per_mtok")
_KEYS: Final = (*_REQUIRED, "cache_read_per_mtok", "cache_write_per_mtok", "cache_write_1h_per_mtok")


def _model_price(where: str, entry: object) -> ModelPrice:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is {entry!r}.\n  to fix   a table of {', '.join(_KEYS)}")
    values = cast("Mapping[str, object]", entry)
    for key in values:
        if key not in _KEYS:
            raise ConfigError(f"{where} has no key {key!r}.\n  to fix   {_hint(key, values[key])}")
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise ConfigError(f"{where} lacks {' and '.join(missing)}.\n  to fix   US dollars per million tokens")
    return ModelPrice(**{key: _dollars(f"{where} {key}", value) for key, value in values.items()})


def _hint(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return 'write a name with dots in quotes: "gpt-4.1" = { … }'
    near = difflib.get_close_matches(key, _KEYS, n=1)
    return f"one of {', '.join(_KEYS)}" + (f". Did you mean {near[0]!r}?" if near else "")


def _dollars(where: str, value: object) -> float:
    dollars = number(value)
    if dollars is None or not math.isfinite(dollars) or dollars < 0:
        raise ConfigError(f"{where} is {value!r}.\n  to fix   US dollars per million tokens, 0 or more")
    return float(dollars)
