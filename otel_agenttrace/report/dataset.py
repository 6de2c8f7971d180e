"""What a data set holds and what was left out, and why, as a page. Report in, blocks out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from otel_agenttrace.counting import counted
from otel_agenttrace.datasets.making import Dataset, Kept, LeftOut
from otel_agenttrace.report.page import Block, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import tokens

__all__ = ["dataset_page"]

_MOST_SHOWN: Final = 5


def dataset_page(dataset: Dataset) -> Iterator[Block]:
    """Yield how much there is on each side, where it was written, what was left out, and each broken example by its span."""
    columns = (Column("written to"), Column("examples", "right"), Column("runs", "right"), Column("tokens", "right"))
    sides = ((Told(path), dataset.on(side)) for side, path in dataset.files.items())
    if dataset.files:
        yield Table(columns, tuple((path, f"{len(on):,}", f"{_runs(on):,}", _tokens(on)) for path, on in sides))
    else:
        yield Line(("no example is left, and nothing was written",), "yellow")
    if dataset.secrets_removed:
        yield Line((f"{counted(dataset.secrets_removed, 'secret')} removed that the recordings still held",), "yellow")
    yield from _warnings(dataset)
    reasons = Counter((each.why, each.reason) for each in dataset.left_out if each.why != "broken")
    if dataset.left_out:
        yield Heading(f"left out: {len(dataset.left_out):,}")
        rest = [(f"{count:,}", why, Told(reason)) for (why, reason), count in reasons.most_common()]
        broken = [(f"{len(dataset.broken):,}", "broken", "see below")] if dataset.broken else []
        yield Table((Column("examples", "right"), Column("why"), Column("in words")), (*rest, *broken))
    yield from _broken(dataset.broken)


def _warnings(dataset: Dataset) -> Iterator[Block]:
    for side in dataset.files:
        count, least = len(dataset.on(side)), 1 if side == "test" else dataset.least
        if not count:
            yield Line((f"warning: the side {side} is empty; another --seed or --split gives another",), "yellow")
        elif count < least:
            yield Line((f"warning: {counted(count, 'example')}, and the provider asks for {least} at least",), "yellow")


def _broken(broken: tuple[LeftOut, ...]) -> Iterator[Block]:
    if broken:
        yield Heading("broken, by the rules of the format")
    by_reason: dict[str, list[LeftOut]] = {}
    for each in broken:
        by_reason.setdefault(each.reason, []).append(each)
    for reason, told in by_reason.items():
        yield Line((Told(reason),), "yellow")
        for each in told[:_MOST_SHOWN]:
            yield Line((f"  {each.span.span_id}  ", Told(each.file)))
        if len(told) > _MOST_SHOWN:
            yield Line((f"  and {len(told) - _MOST_SHOWN:,} more; --json has all",))


def _runs(kept: tuple[Kept, ...]) -> int:
    return len({(each.file, each.span.trace_id) for each in kept})


def _tokens(kept: tuple[Kept, ...]) -> str:
    estimated = sum(each.is_estimated for each in kept)
    told = tokens(sum(each.tokens for each in kept))
    return told if not estimated else f"about {told}; {estimated:,} estimated"
