"""From what a user tells to rules: the one parser of keywords, of files and of marks. Mapping in, rules out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.amounts import CallCount, MaxCost, MaxDuration, MaxTokens
from otel_agenttrace.checks.answers import OutputContains, OutputJson, OutputLacks, OutputMatches
from otel_agenttrace.checks.checking import Rule
from otel_agenttrace.checks.loops import MaxConsecutive, MaxIdentical, NoCycles
from otel_agenttrace.checks.order import ORDER_MODES, After, Before, Never, Order, OrderMode
from otel_agenttrace.checks.reading import Told, nearest, pairs_of
from otel_agenttrace.checks.retrieval import ChunkCount, MaxContextShare, MaxLatency, MinScore, NoDrift
from otel_agenttrace.checks.similarity import SimilarTo
from otel_agenttrace.checks.spans import HasSpan, HasSpanKind, MinSpans, Models, NoErrors
from otel_agenttrace.checks.tools import Called, CalledWith, NotCalled
from otel_agenttrace.checks.wording import short
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Trace
from otel_agenttrace.patterns import expression
from otel_agenttrace.selectors import SelectorError, parse_selector

__all__ = ["ALIASES", "RULES", "Vacuous", "in_keywords", "rules_from"]

_Maker: TypeAlias = "Callable[[Told], Iterable[Rule]]"
"""Makes rules of what one was told; none if that checks nothing."""


@dataclass(frozen=True, slots=True)
class Vacuous:
    """A rule that checks nothing: it can never fail, so it is a finding itself."""

    name: str
    value: object = None

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that it checks nothing."""
        told = (
            f"vacuous: {short(repr(self.value))} checks nothing\n  to fix   say what is wanted, or leave the rule out"
        )
        yield Finding(self.name, told, "warning")


def _no_baseline(value: object) -> Trace:
    raise ConfigError(f"{short(repr(value))} is no trace.\n  to fix   give the baseline as a Trace")


def rules_from(
    told: Mapping[str, object], source: str, load: Callable[[object], Trace] = _no_baseline
) -> tuple[Rule, ...]:
    """Return the rules that a mapping of their names tells; docs/checks.md lists them.

    Args:
        told: What is wanted, by the name of the rule.
        source: Where it stands, for errors.
        load: Gives the trace of a baseline that is told by something else than a trace, as a path.

    Raises:
        ConfigError: If a rule is not known, or what it is told has no meaning.
    """
    if not told:
        return (Vacuous("rules", {}),)
    return tuple(rule for name, value in told.items() for rule in _made(name, Told(name, value, source, load)))


def in_keywords(findings: Iterable[Finding], told: Iterable[str]) -> tuple[Finding, ...]:
    """Return the findings of rules that were told by these keywords, not in a file: `max_usd=0.05` is what cures them."""
    words = {ALIASES.get(word, word): word for word in told}
    return tuple(_in_keyword(found, words.get(found.rule, found.rule)) for found in findings)


def _in_keyword(found: Finding, word: str) -> Finding:
    before, cut, cure = found.message.rpartition("\n  to fix")
    return replace(found, message=f"{before}{cut}{cure.replace(f' {found.rule}: ', f' {word}=')}")


def _made(name: str, told: Told) -> Iterable[Rule]:
    known = ALIASES.get(name, name)
    if known not in _KINDS:
        choice = nearest(str(name), (*_KINDS, *ALIASES)) or f" The rules are {', '.join(_KINDS)}."
        raise ConfigError(f"{told.source} has no rule {short(repr(name))}.\n  to fix  {choice}")
    rules = () if told.is_empty else tuple(_KINDS[known].make(told))
    return rules or (Vacuous(known, told.value),)


# --- from what is told to a rule --------------------------------------------------------------------------------------


def _at_least(make: Callable[[int], Rule]) -> _Maker:
    """Return the maker of a lower bound of which 0 checks nothing."""

    def made(told: Told) -> Iterator[Rule]:
        least = told.whole()
        if least:
            yield make(least)

    return made


def _of_texts(make: Callable[[tuple[str, ...]], Rule]) -> _Maker:
    """Return the maker of a rule on texts, of which none may be empty."""

    def made(told: Told) -> Iterator[Rule]:
        texts = told.texts()
        if all(texts):
            yield make(texts)

    return made


def _flagged(make: Callable[[], Rule]) -> _Maker:
    def made(told: Told) -> Iterator[Rule]:
        if told.flag():
            yield make()

    return made


def _cycles(told: Told) -> Iterator[Rule]:
    yield NoCycles() if told.value is True else NoCycles(told.whole(2))


def _matches(told: Told) -> Iterator[Rule]:
    texts = told.texts()
    try:
        patterns: tuple[re.Pattern[str], ...] = tuple(map(expression, texts))
    except ValueError as error:
        raise ConfigError(
            f"{told.place} is no regular expression: {error}\n  to fix   mend {short(repr(told.value))}"
        ) from None
    if all(texts):
        yield OutputMatches(patterns)


def _models(told: Told) -> Iterator[Rule]:
    texts = told.texts()
    if "*" not in texts and all(texts):
        yield Models(texts)


def _json(told: Told) -> Iterator[Rule]:
    if told.value is not True:
        yield OutputJson(told.schema())


_SPELT_LIKE_SELECTOR: Final = re.compile(r"[=<>]|^#\d|\w\[")


def _has_span(told: Told) -> Iterator[Rule]:
    for wanted in told.texts():
        if not wanted:
            continue
        try:
            yield HasSpan(wanted, parse_selector(wanted))
        except SelectorError as error:
            if _SPELT_LIKE_SELECTOR.search(wanted):
                raise ConfigError(f"{told.place}: {error}") from None
            yield HasSpan(wanted)


def _has_kind(told: Told) -> Iterator[Rule]:
    yield from (HasSpanKind(kind) for kind in told.texts() if kind)


_WITH: Final = ("tool", "args", "schema", "min", "max", "every")


def _called_with(told: Told) -> Iterator[Rule]:
    for each in told.items() if told.listed is not None else (told,):
        members = dict(each.members(_WITH, ("tool",)))
        least, most, every = members.pop("min", None), members.pop("max", None), members.pop("every", None)
        if any(member.is_empty for member in members.values()):
            yield Vacuous("called_with", each.value)
            continue
        highest = None if most is None else most.whole()
        lowest = least.whole() if least is not None else 0 if highest == 0 else 1
        if highest is not None and highest < lowest:
            raise each.wrong("a max that is not below min")
        wanted = Told(
            each.name, {name: member.value for name, member in members.items()}, told.source, told.load
        ).call()
        if highest is None and not lowest and every is None:
            yield Vacuous("called_with", each.value)
        else:
            yield CalledWith(wanted, lowest, highest, every is not None and every.flag())


def _order(told: Told) -> Iterator[Rule]:
    mode: OrderMode = "in_order"
    wanted = told
    if told.mapping is not None and "tool" not in told.mapping:
        members = told.members(("mode", "tools"), ("tools",))
        wanted = members["tools"]
        if "mode" in members:
            mode = _order_mode(members["mode"])
    calls = () if wanted.value is None else wanted.calls()
    if calls or (mode in ("strict", "unordered", "subset") and wanted.value is not None):
        yield Order(mode, calls)


def _order_mode(told: Told) -> OrderMode:
    for mode in ORDER_MODES:
        if told.value == mode:
            return mode
    raise told.wrong(f"one of {', '.join(ORDER_MODES)}.{nearest(str(told.value), ORDER_MODES)}")


def _pairs(make: Callable[..., Rule]) -> _Maker:
    def made(told: Told) -> Iterator[Rule]:
        for pair in pairs_of(told):
            if len(pair) != 2:
                raise told.wrong("two tools: [first, second], or a list of such pairs")
            yield make(*pair)

    return made


def _never(told: Told) -> Iterator[Rule]:
    for sequence in pairs_of(told):
        if sequence:
            yield Never(sequence)


def _similar(told: Told) -> Iterator[Rule]:
    baseline, members = _baseline(told, ("baseline", "threshold", "content"))
    least = members["threshold"].amount(1) if "threshold" in members else 0.8
    with_content = members["content"].flag() if "content" in members else True
    if least:
        yield SimilarTo(baseline.baseline(), least, with_content)


def _drift(told: Told) -> Iterator[Rule]:
    baseline, members = _baseline(told, ("baseline", "tolerance"))
    tolerance = members["tolerance"].amount(1) if "tolerance" in members else 0.1
    if tolerance < 1:
        yield NoDrift(baseline.baseline(), tolerance)


def _baseline(told: Told, known: tuple[str, ...]) -> tuple[Told, Mapping[str, Told]]:
    if told.mapping is None:
        return told, {}
    members = told.members(known, ("baseline",))
    return members["baseline"], members


def _share(told: Told) -> Iterator[Rule]:
    limit = told.amount(1)
    if limit < 1:
        yield MaxContextShare(limit)


# --- the rules --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    tells: str
    make: _Maker


_KINDS: Final[Mapping[str, _Kind]] = {
    "max_cost_usd": _Kind(
        "All calls to models cost so many US dollars at most.", lambda told: (MaxCost(told.amount()),)
    ),
    "max_tokens": _Kind("All calls to models take so many tokens at most.", lambda told: (MaxTokens(told.whole()),)),
    "max_input_tokens": _Kind(
        "All calls to models take in so many tokens at most.", lambda told: (MaxTokens(told.whole(), "input"),)
    ),
    "max_output_tokens": _Kind(
        "All calls to models give so many tokens at most.", lambda told: (MaxTokens(told.whole(), "output"),)
    ),
    "llm_calls": _Kind(
        "There are exactly so many calls to models.", lambda told: (CallCount("llm", told.whole(), told.whole()),)
    ),
    "max_llm_calls": _Kind(
        "There are so many calls to models at most.", lambda told: (CallCount("llm", most=told.whole()),)
    ),
    "min_llm_calls": _Kind(
        "There are so many calls to models at least.", _at_least(lambda least: CallCount("llm", least))
    ),
    "tool_calls": _Kind(
        "There are exactly so many calls of tools.", lambda told: (CallCount("tool", told.whole(), told.whole()),)
    ),
    "max_tool_calls": _Kind(
        "There are so many calls of tools at most.", lambda told: (CallCount("tool", most=told.whole()),)
    ),
    "min_tool_calls": _Kind(
        "There are so many calls of tools at least.", _at_least(lambda least: CallCount("tool", least))
    ),
    "max_duration_s": _Kind("The run takes so many seconds at most.", lambda told: (MaxDuration(told.amount()),)),
    "max_consecutive_same_tool": _Kind(
        "No tool is called more often than this in a row.", lambda told: (MaxConsecutive(told.whole(1)),)
    ),
    "max_identical_calls": _Kind(
        "No tool is called more often than this with the same arguments.", lambda told: (MaxIdentical(told.whole(1)),)
    ),
    "no_cycles": _Kind("No sequence of different tools repeats at once.", _cycles),
    "called": _Kind("These tools are called.", _of_texts(Called)),
    "not_called": _Kind("These tools are not called.", _of_texts(NotCalled)),
    "called_with": _Kind("A tool is called with these arguments.", _called_with),
    "order": _Kind("Tools are called in this order, or are these.", _order),
    "before": _Kind("One tool is called before another.", _pairs(Before)),
    "after": _Kind("One tool is called after another.", _pairs(After)),
    "never": _Kind("Tools are never called in this order.", _never),
    "no_errors": _Kind("No span failed.", _flagged(NoErrors)),
    "min_spans": _Kind("There are so many spans at least.", _at_least(MinSpans)),
    "has_span": _Kind("There is a span of this name, or that a selector chooses.", _has_span),
    "has_span_kind": _Kind("There is a span of this kind or operation.", _has_kind),
    "models": _Kind("Only these models are used.", _models),
    "output_contains": _Kind("The answer contains these texts.", _of_texts(OutputContains)),
    "output_not_contains": _Kind("The answer contains none of these texts.", _of_texts(OutputLacks)),
    "output_matches": _Kind("The answer matches these regular expressions.", _matches),
    "output_json": _Kind("The answer is JSON that fits a schema.", _json),
    "similar_to": _Kind("The run does what its baseline did.", _similar),
    "min_chunks": _Kind("Each retrieval finds so many documents at least.", _at_least(ChunkCount)),
    "max_chunks": _Kind(
        "Each retrieval finds so many documents at most.", lambda told: (ChunkCount(most=told.whole()),)
    ),
    "min_score": _Kind(
        "Each retrieved document has this score at least.", lambda told: (MinScore(told.amount(is_signed=True)),)
    ),
    "max_retrieval_latency_s": _Kind(
        "Each retrieval takes so many seconds at most.", lambda told: (MaxLatency(told.amount()),)
    ),
    "max_context_share": _Kind("So much of what a model is asked is retrieved text, at most.", _share),
    "no_retrieval_drift": _Kind("The run retrieves what its baseline did.", _drift),
}

RULES: Final[Mapping[str, str]] = {name: kind.tells for name, kind in _KINDS.items()}
"""What each rule wants, in a sentence."""

ALIASES: Final[Mapping[str, str]] = {"has_span_type": "has_span_kind", "max_usd": "max_cost_usd"}
"""Other names that rules are known by."""
