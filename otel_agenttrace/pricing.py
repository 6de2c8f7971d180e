"""Tell what tokens cost. Usage, model and time in, US dollars out; what is not known is None, never 0.

The user's own table comes first, then the prices of genai-prices at the time of the call. Its data are part of the
package: nothing here reaches for the network.
"""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Literal, cast

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import number
from otel_agenttrace.model import Span, Usage

if TYPE_CHECKING:
    from genai_prices import Usage as Tokens
    from genai_prices.types import PriceCalculation

__all__ = ["ModelPrice", "Price", "PriceTable", "cost_of_span", "is_deprecated", "price_of", "price_table"]

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
    """What a usage costs in US dollars, and the entry that says so. The total may include a price per request."""

    input_cost: float
    output_cost: float
    total_cost: float
    model: str
    source: Literal["table", "genai-prices"]


def price_of(
    usage: Usage,
    *,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    table: PriceTable | None = None,
) -> Price | None:
    """Return what a usage costs, or None if the usage, the model or its price is not known.

    A model without a price is logged once.

    Args:
        usage: `input_tokens` includes cache reads and writes; each of them counts by its own price.
        provider: Its name in the GenAI conventions or in genai-prices.
        model: As the provider names it; dated names and those of gateways (`openai/gpt-4o`) too.
        at: The time of the call, since prices change; None for the newest price.
        table: The user's own prices.
    """
    return _price(usage, provider, [model] if model else [], at or _LATEST, table)


def cost_of_span(span: Span, table: PriceTable | None = None) -> float | None:
    """Return what the call of an inference span costs in US dollars, or None if that is not known.

    A recorded amount comes first, then the price of the answering model, then that of the model that was asked for.
    """
    recorded = number(span.attributes.get(semconv.AGENTTRACE_COST_AMOUNT))
    if recorded is not None and span.attributes.get(semconv.AGENTTRACE_COST_CURRENCY, "USD") == "USD":
        return float(recorded)
    if not span.is_inference:
        return None
    names = (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL)
    models = dict.fromkeys(model for name in names if isinstance(model := span.attributes.get(name), str) and model)
    provider = span.attributes.get(semconv.GEN_AI_PROVIDER_NAME)
    at = datetime.fromtimestamp(span.start_ns // 1_000_000_000, tz=timezone.utc)
    price = _price(span.usage, provider if isinstance(provider, str) else None, models, at, table)
    return None if price is None else price.total_cost


def _price(
    usage: Usage, provider: str | None, models: Iterable[str], at: datetime, table: PriceTable | None
) -> Price | None:
    """Return the price by the first of several names of a model that has one."""
    names = tuple(models)
    if not names or not _adds_up(usage):
        return None
    own = next((found for name in names if table is not None and (found := table.find(name)) is not None), None)
    if own is not None:
        return _own_price(usage, *own)
    if (provider, names) in _unpriced:
        return None
    for name in names:
        if (calculated := _calculated(usage, provider, name, at)) is not None:
            return _known_price(usage, calculated)
    _unpriced.add((provider, names))
    _log.warning("no price is known for model %r of provider %r: its calls cost None, not 0", names[0], provider)
    return None


_unpriced: Final[set[tuple[str | None, tuple[str, ...]]]] = set()
"""What has been looked for in vain, and told."""


def _adds_up(usage: Usage) -> bool:
    """Whether input tokens are known and include the cached ones: else another convention was used, and we cannot tell."""
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_write_input_tokens or 0)
    return usage.input_tokens is not None and usage.input_tokens >= cached


# --- genai-prices ---------------------------------------------------------------------------------------------------


def _calculated(usage: Usage, provider: str | None, model: str, at: datetime) -> PriceCalculation | None:
    """Return what genai-prices says; like ours, its input tokens include cached ones."""
    from genai_prices import Usage as Tokens  # takes 220 ms, hence not before it is needed

    tokens = Tokens(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_write_input_tokens,
    )
    prices = (_looked_up(tokens, provider_id, name, at) for provider_id, name in _references(provider, model))
    return next((price for price in prices if price is not None), None)


def _looked_up(tokens: Tokens, provider_id: str | None, model: str, at: datetime) -> PriceCalculation | None:
    from genai_prices import calc_price

    try:
        return calc_price(tokens, model, provider_id=provider_id, genai_request_timestamp=at)
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


def _known_price(usage: Usage, found: PriceCalculation) -> Price | None:
    """Return the price, or None if the model sells output and we do not know how much there was."""
    if usage.output_tokens is None and found.model_price.output_mtok is not None:
        return None
    input_cost, output_cost = float(found.input_price), float(found.output_price)
    return Price(input_cost, output_cost, float(found.total_price), found.model.id, "genai-prices")


# --- the user's own table -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """US dollars per million tokens of one model. Without a price of their own, cached tokens count as input."""

    input_per_mtok: float
    output_per_mtok: float
    cache_read_per_mtok: float | None = None
    cache_write_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The user's own prices by model name; `price_table` makes one from settings."""

    prices: Mapping[str, ModelPrice] = field(default_factory=dict[str, ModelPrice])

    def find(self, model: str) -> tuple[str, ModelPrice] | None:
        """Return the entry with the model's name, else the one with its longest beginning, else None."""
        beginnings = (name for name in self.prices if model.startswith(name))
        name = max(beginnings, key=len, default=None)
        return None if name is None else (name, self.prices[name])


def _own_price(usage: Usage, name: str, price: ModelPrice) -> Price | None:
    if usage.input_tokens is None or (usage.output_tokens is None and price.output_per_mtok):
        return None
    read, write = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
    read_price = price.input_per_mtok if price.cache_read_per_mtok is None else price.cache_read_per_mtok
    write_price = price.input_per_mtok if price.cache_write_per_mtok is None else price.cache_write_per_mtok
    plain = usage.input_tokens - read - write
    input_cost = (plain * price.input_per_mtok + read * read_price + write * write_price) / _PER
    output_cost = (usage.output_tokens or 0) * price.output_per_mtok / _PER
    return Price(input_cost, output_cost, input_cost + output_cost, name, "table")


def price_table(prices: Mapping[str, object], source: str = "[tool.otel-agenttrace.prices]") -> PriceTable:
    """Return the table that settings describe: `{model: {input_per_mtok, output_per_mtok, cache_read_per_mtok, …}}`.

    Raises:
        ConfigError: If a key is missing or has no meaning, or a value is no price; `source` says where.
    """
    return PriceTable({model: _model_price(f"{source} {model!r}", entry) for model, entry in prices.items()})


_REQUIRED: Final = ("input_per_mtok", "output_per_mtok")
_KEYS: Final = (*_REQUIRED, "cache_read_per_mtok", "cache_write_per_mtok")


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
