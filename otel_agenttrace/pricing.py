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
from typing import Final, Literal, TypeAlias, cast

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import number, obj
from otel_agenttrace.model import Span, Usage

__all__ = ["ModelPrice", "Price", "PriceTable", "cost_of_span", "price_of", "price_table"]

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
    """What a usage costs in US dollars, and the entry that says so."""

    input_cost: float
    output_cost: float
    model: str
    source: Literal["table", "genai-prices"]

    @property
    def total_cost(self) -> float:
        """Input and output together."""
        return self.input_cost + self.output_cost


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
    if recorded is not None:
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
    if usage.input_tokens is None or not names:
        return None
    own = (table.price(usage, name) for name in names if table is not None and table.find(name))
    known = (_genai_price(usage, provider, name, at) for name in names)
    found = next(own, None) or next((each for each in known if each is not None), None)
    return found if isinstance(found, Price) else None
