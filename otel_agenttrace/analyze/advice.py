"""Turn what patterns and gaps have found into what to tell an agent. Their JSON in, lines of advice out.

Names that others gave are advice to whoever reads the file, so only those that can be nothing but a name go in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agenttrace.analyze.pattern_report import good_runs
from otel_agenttrace.counting import counted
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, number, obj, text

__all__ = ["Advice", "Name", "advice_of"]

_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_LEAST_REPEATS: Final = 2
_REPEATED_SHARE: Final = 0.1
_FAILED_SHARE: Final = 0.2
_MOST_ORDERS: Final = 5


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a tool or a model."""

    text: str


Piece: TypeAlias = "str | Name"


@dataclass(frozen=True, slots=True)
class Advice:
    """Lines of advice, each in pieces.

    Attributes:
        lines: What to tell, the most important first.
        left_out: How many lines were left out since a name in them is none.
    """

    lines: tuple[tuple[Piece, ...], ...]
    left_out: int = 0


def advice_of(documents: Iterable[Json]) -> Advice:
    """Return what reports of `patterns` and `gaps` advise, each line once.

    Raises:
        ValueError: If a document is neither.
    """
    found: dict[tuple[Piece, ...], None] = {}
    for document in documents:
        found.update(dict.fromkeys(_lines(obj(document))))
    kept = tuple(line for line in found if all(_is_name(piece) for piece in line))
    return Advice(kept, len(found) - len(kept))


def _is_name(piece: Piece) -> bool:
    return isinstance(piece, str) or _NAME.fullmatch(piece.text) is not None


def _lines(report: JsonObject) -> Iterator[tuple[Piece, ...]]:
    if "gaps" in report and "not_compared" in report:
        yield from _of_gaps(report)
    elif "ngrams" in report and "tool_counts" in report:
        yield from _of_patterns(report)
    else:
        raise ValueError("it is no report of patterns or gaps: it has neither `gaps` nor `ngrams`")


# --- gaps -------------------------------------------------------------------------------------------------------------

_TOLD: Final = {
    "token_inflation": "Use fewer tokens: {ratio:.1f} times as many as in the baseline",
    "cost_inflation": "Spend less: a run costs {ratio:.1f} times as much as in the baseline",
    "llm_call_inflation": "Come to an answer in fewer calls to the model: {ratio:.1f} times as many as in the baseline",
    "success_rate": "Check the result before the end: {after:.0%} of runs pass, in the baseline {before:.0%}",
    "error_rate": "Check arguments before a call: {after:.0%} of calls fail, in the baseline {before:.0%}",
    "loop_tendency": "Stop when the same calls come again: {after:.0%} of runs go in circles, in the baseline {before:.0%}",
    "duplicate_calls": "Keep what a tool gave: {after:.0%} of calls repeat an earlier one, in the baseline {before:.0%}",
}


def _of_gaps(report: JsonObject) -> Iterator[tuple[Piece, ...]]:
    for gap in map(obj, array(report.get("gaps"))):
        if gap.get("severity") == "info":
            continue
        rule, subject = text(gap.get("rule")) or "", Name(text(gap.get("subject")) or "")
        before, after = number(gap.get("baseline")) or 0.0, number(gap.get("candidate")) or 0.0
        if rule == "missing_tool":
            yield (
                "Call ",
                subject,
                f": {before:.0%} of the baseline's runs do, {after:.0%} of the runs that were judged.",
            )
        elif rule == "extra_tool":
            yield (
                "Do without ",
                subject,
                f": no run of the baseline calls it, {after:.0%} of the runs that were judged do.",
            )
        elif rule in _TOLD:
            ratio = number(gap.get("ratio"))
            if ratio is not None or "ratio" not in _TOLD[rule]:
                yield (_TOLD[rule].format(ratio=ratio, before=before, after=after) + ".",)


# --- patterns ---------------------------------------------------------------------------------------------------------


def _of_patterns(report: JsonObject) -> Iterator[tuple[Piece, ...]]:
    for row in map(obj, array(report.get("loops"))):
        runs = counted(_count(row, "traces"), "run")
        names = [Name(text(name) or "") for name in array(row.get("sequence"))]
        if not names:
            continue
        what = "with the same arguments " if len(names) == 1 else ""
        yield "Do not call ", *_joined(names), f" {what}again and again: {runs} went in that circle."
    for row in map(obj, array(report.get("repeats"))):
        repeated, calls = _count(row, "repeated"), _count(row, "calls")
        if repeated >= _LEAST_REPEATS and repeated >= _REPEATED_SHARE * calls:
            tool = Name(text(row.get("tool")) or "")
            yield "Do not call ", tool, f" again with the same arguments: {repeated:,} of {calls:,} calls were repeats."
    yield from _failing(report)
    good = good_runs(_count(report, "evaluated"), _count(report, "trace_count"))
    for row in [obj(each) for each in array(report.get("orders"))][:_MOST_ORDERS]:
        first, then = Name(text(row.get("first")) or ""), Name(text(row.get("then")) or "")
        yield (
            "Call ",
            first,
            " before ",
            then,
            f": {_count(row, 'traces'):,} of {_count(row, 'among'):,} runs that {good} call it before.",
        )


def _failing(report: JsonObject) -> Iterator[tuple[Piece, ...]]:
    counts = obj(report.get("tool_counts"))
    for row in map(obj, array(report.get("retries"))):
        tool, failed, recovered = text(row.get("tool")) or "", _count(row, "failed"), _count(row, "recovered")
        calls = integer(counts.get(tool)) or failed
        if failed >= _LEAST_REPEATS and failed >= _FAILED_SHARE * calls:
            again = f"; called again at once it worked {recovered:,} of {_count(row, 'retried'):,} times"
            told = f": {failed:,} of {calls:,} calls failed{again if row.get('retried') else ''}."
            yield "Check the arguments of ", Name(tool), told


def _count(row: JsonObject, name: str) -> int:
    return integer(row.get(name)) or 0


def _joined(names: Sequence[Name]) -> Iterator[Piece]:
    for place, name in enumerate(names):
        if place:
            yield ", "
        yield name
