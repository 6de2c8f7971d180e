"""Write what is systematically different between two sides for people. Gap report in, blocks of a page out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_agenttrace.analyze.gap_tests import Tested
from otel_agenttrace.analyze.gaps import Gap, GapReport, Side
from otel_agenttrace.report.page import Block, Heading, Line, Told
from otel_agenttrace.report.text import counted

__all__ = ["gaps_page"]

_STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_MOST: Final = 5


def gaps_page(report: GapReport) -> Iterator[Block]:
    """Yield the report, the worst first."""
    yield Line((_summary(report),), "bold")
    yield Line((f"baseline: {_side(report.baseline)}; candidate: {_side(report.candidate)}",), "dim")
    for gap in report.gaps:
        yield from _gap(gap)
    if report.not_compared:
        yield Heading("Not compared")
        for each in report.not_compared:
            yield Line((f"{each.rule}: {each.reason}",))
    yield from _alone("only in the baseline", report.only_baseline)
    yield from _alone("only in the candidate", report.only_candidate)


def _summary(report: GapReport) -> str:
    if not (report.baseline.runs and report.candidate.runs):
        return "nothing to compare: a side has no run"
    if not report.gaps:
        return "no gap"
    told = ", ".join(f"{count:,} {severity}" for severity, count in report.counts.items() if count)
    return f"{counted(len(report.gaps), 'gap')}: {told}"


def _side(side: Side) -> str:
    calls = f"{counted(side.llm_calls, 'call')} to models, {counted(side.tool_calls, 'call')} of tools"
    return f"{counted(side.runs, 'run')} in {counted(side.files, 'file')} ({calls})"


def _gap(gap: Gap) -> Iterator[Block]:
    about = () if gap.subject is None else (" ", Told(gap.subject))
    yield Heading(f"{gap.severity}: {gap.rule}")
    yield Line((*(about[1:]), *((": ",) if about else ()), gap.message), _STYLES[gap.severity])
    yield Line((_tested(gap.test),), "dim")
    for each in gap.evidence:
        yield Line((f"{each.side}: ", Told(each.file), f" {_spans(each.span_ids)}"), "dim")


def _spans(span_ids: Sequence[str]) -> str:
    return " ".join(span_id[:16] for span_id in span_ids)


def _tested(test: Tested) -> str:
    if test.note:
        return test.note
    verdict = "more than chance" if test.significant else "may be chance, so one step milder"
    if test.low is not None and test.high is not None:
        return f"{verdict}: the ratio is {test.low:.2f} to {test.high:.2f} (95 %, {test.method})"
    return f"{verdict}: p = {test.p:.2g} ({test.method})" if test.p is not None else verdict


def _alone(title: str, files: Sequence[str]) -> Iterator[Block]:
    if files:
        more = f" and {len(files) - _MOST:,} more" if len(files) > _MOST else ""
        yield Line((f"{title}: ", *_listed(files[:_MOST]), more))


def _listed(files: Sequence[str]) -> Iterator[str | Told]:
    for place, file in enumerate(files):
        if place:
            yield ", "
        yield Told(file)
