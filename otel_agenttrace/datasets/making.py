"""Make a data set: which examples, each once, clean by today's rules, on which side of a split. Traces in, frozen report out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import tokens_of
from otel_agenttrace.datasets.choosing import Wanted, chosen
from otel_agenttrace.datasets.cleaning import clean_row
from otel_agenttrace.datasets.examples import Example, Per, examples_of, last_of_conversations
from otel_agenttrace.datasets.formats import Format, format_named
from otel_agenttrace.datasets.sides import Side, Sides
from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import JsonObject, array, compact
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.redact import Redactor

__all__ = ["Dataset", "Kept", "LeftOut", "Making", "Why", "made"]

Why: TypeAlias = Literal["filtered", "incomplete", "duplicate", "broken"]
_CUT_OFF: Final = frozenset(
    {"length", "max_tokens", "max_output_tokens", "content_filter", "model_context_window_exceeded"}
)
_CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Making:
    """How a data set is made.

    Attributes:
        form: The name of the format.
        per: Whether each call is an example, or the last of each conversation, which holds the whole.
        wanted: Which examples are wanted.
        is_deduplicated: Whether an example that says the same as another is left out.
        split: The share of runs on the side `train`, about; None for one side.
        seed: Chooses another split.
        references: Examples whose answers are held to be right.
    """

    form: str
    per: Per = "conversation"
    wanted: Wanted = field(default_factory=Wanted)
    is_deduplicated: bool = True
    split: float | None = None
    seed: int = 0
    references: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """An example of the data set: where it is from, and how much it is.

    Attributes:
        file: The file of its trace.
        span: The call.
        side: Its side of the split; empty without one.
        tokens: Those of input and output as recorded, else an estimate by the length of the row.
        is_estimated: Whether they are that.
    """

    file: str
    span: Span
    side: Side
    tokens: int
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An example that is not in the data set.

    Attributes:
        file: The file of its trace.
        span: The call.
        why: `filtered` by what is wanted, `incomplete` in its recording, `duplicate` of another, `broken` by the format's rules.
        reason: The same in words.
    """

    file: str
    span: Span
    why: Why
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a data set holds and what it does not.

    Attributes:
        format: The name of its format.
        examples: Those it holds, in order.
        left_out: Those it does not hold.
        secrets_removed: How many secrets today's rules found in the rows.
        least: How many examples the provider asks for.
        files: Where each side is written; none where nothing is.
    """

    format: str
    examples: tuple[Kept, ...]
    left_out: tuple[LeftOut, ...]
    secrets_removed: int
    least: int
    files: Mapping[Side, str] = field(default_factory=dict["Side", str])

    @property
    def broken(self) -> tuple[LeftOut, ...]:
        """Those that the format's rules do not let pass."""
        return tuple(each for each in self.left_out if each.why == "broken")

    def on(self, side: Side) -> tuple[Kept, ...]:
        """Return the examples on one side."""
        return tuple(each for each in self.examples if each.side == side)


def made(
    traces: Iterable[tuple[str, Trace]], making: Making, redactor: Redactor
) -> tuple[Dataset, Mapping[Side, Sequence[JsonObject]]]:
    """Return the data set of some traces, each with the name of its file, and the rows of each side.

    Raises:
        NotClean: If a row holds what the rules find and cannot remove.
        ConfigError: If there is no such format.
    """
    form = format_named(making.form)
    sides = Sides(making.split, making.seed)
    references = {each.opening: each for each in reversed(making.references)}
    kept: list[Kept] = []
    left_out: list[LeftOut] = []
    rows: dict[Side, list[JsonObject]] = {side: [] for side in sides.names}
    removed = 0
    for example, unfit in _judged(traces, form, making):
        side = sides.of(example)
        row = unfit or _row(example, form, references.get(example.opening))
        if isinstance(row, LeftOut):
            left_out.append(row)
            continue
        clean, count = clean_row(row, redactor, example.span)
        removed += count
        kept.append(Kept(example.file, example.span, side, *_tokens(example, clean)))
        rows[side].append(clean)
    return Dataset(making.form, tuple(kept), tuple(left_out), removed, form.least), rows


def _judged(
    traces: Iterable[tuple[str, Trace]], form: Format, making: Making
) -> Iterator[tuple[Example, LeftOut | None]]:
    """Yield each example, and why it is left out before its row is made, if it is."""
    seen: set[str] = set()
    for file, trace in traces:
        for example, unwanted in chosen(trace, _examples(file, trace, form, making.per), making.wanted):
            if unwanted:
                yield example, _left_out(example, "filtered", unwanted)
            elif form.is_facts:
                yield example, None
            elif missing := _missing(example):
                yield example, _left_out(example, "incomplete", missing)
            elif making.is_deduplicated and example.digest in seen:
                yield example, _left_out(example, "duplicate", "it says the same as another")
            else:
                seen.add(example.digest)
                yield example, None


def _examples(file: str, trace: Trace, form: Format, per: Per) -> tuple[Example, ...]:
    examples = examples_of(file, trace)
    if form.is_facts:
        return examples
    said = tuple(each for each in examples if each.span.operation != semconv.OPERATION_EMBEDDINGS)
    return last_of_conversations(said) if per == "conversation" else said


def _left_out(example: Example, why: Why, reason: str) -> LeftOut:
    return LeftOut(example.file, example.span, why, reason)


def _missing(example: Example) -> str:
    reasons = array(example.span.attributes.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS))
    cut = next((str(reason) for reason in reasons if reason in _CUT_OFF), "")
    if example.span.is_error:
        return "the call failed"
    if cut:
        return f"the answer was cut off: {cut}"
    if not example.messages or example.answer is None:
        return f"what was {'answered' if example.messages else 'asked'} is not recorded"
    return "it goes on from an answer that is not recorded" if example.is_broken_off else ""


def _row(example: Example, form: Format, reference: Example | None) -> JsonObject | LeftOut:
    try:
        row = form.row(example, reference)
    except NotEncodable as error:
        return _left_out(example, "broken", str(error))
    reasons = dict.fromkeys(form.problems(row))
    return _left_out(example, "broken", "; ".join(reasons)) if reasons else row


def _tokens(example: Example, row: JsonObject) -> tuple[int, bool]:
    given, got = tokens_of(example.span)
    if given is not None and got is not None:
        return given + got, False
    return len(compact(row)) // _CHARACTERS_PER_TOKEN, True
