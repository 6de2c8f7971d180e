"""Tell how full the context window of a model was, call by call. Trace and limits in, report out; estimates are flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.conversations import text_of_value
from otel_agenttrace.analyze.kinship import kinship
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.jsonvalue import compact, text
from otel_agenttrace.model import Part, Span, Trace
from otel_agenttrace.pricing import context_window_of
from otel_agenttrace.wire.recorded import asked_of

__all__ = ["ContextReport", "ContextUse", "Filling", "Level", "Window", "context_use", "windows"]

Level: TypeAlias = Literal["ok", "warning", "critical", "unknown"]


@dataclass(frozen=True, slots=True)
class Window:
    """The context window of a model in tokens, and who says so: `--limit`, `pyproject.toml` or `genai-prices`."""

    tokens: int
    source: str


@dataclass(frozen=True, slots=True)
class Filling:
    """What the input of a call consists of, in tokens: an estimate, the input divided by characters."""

    system: int
    tools: int
    history: int
    tool_results: int


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How full the context window was in one call.

    Attributes:
        span: The call.
        model: As it called itself, else as it was asked for; None where neither is told.
        input_tokens: Cached ones included; None where it is not told.
        output_tokens: The same.
        used: Both together.
        window: Of the model; None where it is not known.
        share: Of the window that is used, 0 to 1 and more; None where either is not known.
        level: By `share`.
        growth: Tokens more than in the call before, of the same agent and model; None for its first call.
        filling: What the input consists of, estimated; None where the content or the input is not recorded.
    """

    span: Span
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    used: int | None
    window: Window | None
    share: float | None
    level: Level
    growth: int | None
    filling: Filling | None


@dataclass(frozen=True, slots=True)
class ContextReport:
    """How full the context windows of a run were.

    Attributes:
        name: The file.
        warning: From this share on a call is a warning.
        critical: From this share on it is critical.
        calls: The calls to models, in order of their start; embeddings are left out.
        fullest: The call with the greatest share; None where no share is known.
        level: The worst of the levels that are known; `unknown` where none is.
    """

    name: str
    warning: float
    critical: float
    calls: tuple[ContextUse, ...]
    fullest: ContextUse | None
    level: Level


def context_use(
    trace: Trace,
    window_of: Callable[[Span], Window | None],
    *,
    warning: float = 0.75,
    critical: float = 0.9,
    name: str = "",
) -> ContextReport:
    """Return how full the context windows of a run were.

    Args:
        trace: The run.
        window_of: Gives the window of the model of a call.
        warning: From this share on a call is a warning.
        critical: From this share on it is critical.
        name: Of the file, for the report.
    """
    calls = tuple(_uses(trace, window_of, lambda share: _level(share, warning, critical)))
    known = [use for use in calls if use.share is not None]
    fullest = max(known, key=lambda use: use.share or 0, default=None)
    return ContextReport(name, warning, critical, calls, fullest, "unknown" if fullest is None else fullest.level)


def _level(share: float | None, warning: float, critical: float) -> Level:
    if share is None:
        return "unknown"
    return "critical" if share >= critical else "warning" if share >= warning else "ok"


def _uses(
    trace: Trace, window_of: Callable[[Span], Window | None], level_of: Callable[[float | None], Level]
) -> Iterator[ContextUse]:
    of = kinship(trace.spans)
    before: dict[object, int] = {}
    for span in trace.inferences:
        if span.operation == semconv.OPERATION_EMBEDDINGS:
            continue
        given, got = span.usage.input_tokens, span.usage.output_tokens
        used = None if given is None or got is None else given + got
        window = window_of(span)
        share = None if used is None or window is None else used / window.tokens
        model = model_of(span)
        place = (of.scope(span), model)
        growth = used - before[place] if used is not None and place in before else None
        if used is not None:
            before[place] = used
        yield ContextUse(span, model, given, got, used, window, share, level_of(share), growth, _filling(span, given))


def _filling(span: Span, given: int | None) -> Filling | None:
    """Return the input divided by the characters of its parts, as they stand in the request."""
    asked = asked_of(span)
    if given is None or not asked.input_messages:
        return None
    sizes = {"system": 0, "tools": 0, "history": 0, "tool_results": 0}
    sizes["system"] = sum(_size(part) for part in asked.system_instructions)
    sizes["tools"] = sum(len(compact(tool)) for tool in asked.tool_definitions)
    for message in asked.input_messages:
        for part in message.parts:
            is_result = part.get("type") == "tool_call_response"
            kind = "tool_results" if is_result else "system" if message.role in ("system", "developer") else "history"
            sizes[kind] += _size(part)
    total = sum(sizes.values())
    return Filling(**{kind: round(given * size / total) for kind, size in sizes.items()}) if total else None


def _size(part: Part) -> int:
    if part.get("type") == "tool_call_response":
        return len(text_of_value(part.get("response")))
    return len(text(part.get("content")) or compact(part))


def windows(given: Mapping[str, int], configured: Mapping[str, int]) -> Callable[[Span], Window | None]:
    """Return what gives the window of a call: as it was given, else as it is configured, else by genai-prices.

    Args:
        given: Tokens by the beginning of a model's name; the longest counts, and "" is any model.
        configured: The same.
    """

    def window_of(span: Span) -> Window | None:
        asked = span.attributes.get(semconv.GEN_AI_REQUEST_MODEL)
        models = [model for model in dict.fromkeys((model_of(span), asked)) if isinstance(model, str) and model]
        for source, table in (("--limit", given), ("pyproject.toml", configured)):
            beginnings = [name for name in table if any(model.startswith(name) for model in models or ("",))]
            if beginnings:
                return Window(table[max(beginnings, key=len)], source)
        provider = text(span.attributes.get(semconv.GEN_AI_PROVIDER_NAME))
        known = (context_window_of(provider, model) for model in models)
        found = next((tokens for tokens in known if tokens is not None), None)
        return None if found is None else Window(found, "genai-prices")

    return window_of
