"""What it takes to tell why the last span of a long run happened, back to its beginning."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Final

from otel_agenttrace.analyze.causes import why
from otel_agenttrace.model import Trace
from otel_agenttrace.report.causes import causes_page
from otel_agenttrace.report.screen import console, page_text
from tests.bench.figures import Figure
from tests.support.made_runs import Made, asks, gave, said

__all__ = ["growing"]

_ROUNDS: Final = 3
_HELD: Final = 20
"""Messages that a request holds: the older ones were taken out."""


def growing() -> list[Figure]:
    """`why` of the last of 10,000 spans, printed, all steps back: 2 s, and at most 1.5 times ten times what 1,000 take."""
    figures: list[Figure] = []
    for what, has_ids in (("with ids of calls", True), ("without ids, each file read as often", False)):
        one, ten = (
            statistics.median(_seconds(_run(count, has_ids=has_ids)) for _ in range(_ROUNDS))
            for count in (1_000, 10_000)
        )
        told = f"{one:.2f} s", f"{ten:.2f} s"
        figures.append(Figure(f"why of 10,000 spans {what}", ten, 2, "s", *told))
        figures.append(Figure("the same, over 10 × the time of 1,000", ten / one / 10, 1.5, "×", *told))
    return figures


def _seconds(trace: Trace) -> float:
    begin = time.process_time()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        output = console(nowhere)
        for each in page_text(causes_page(why(trace, trace.spans[-1]))):
            output.print(each)
    return time.process_time() - begin


def _run(count: int, *, has_ids: bool) -> Trace:
    """Return a run of an agent that reads a file in each turn: another one with ids, else the same, whose texts begin alike."""
    made = Made()
    agent = made.agent("coder")
    held = [said("user", "fix the bug in src/app.py")]
    for turn in range(count // 2):
        call_id = f"call_{turn:032x}" if has_ids else None
        arguments = {"path": f"src/module_{turn}.py" if has_ids else "src/app.py", "after": f"src/module_{turn - 1}.py"}
        answer = asks((call_id, "read_file", arguments))
        result = f"contents of {arguments['path']}: def f_{turn}(): return helper_{turn}"
        made.chat(f"chat {turn}", held[-_HELD:], answer, inside=agent)
        made.tool(f"tool {turn}", "read_file", arguments, result, call_id=call_id, inside=agent)
        held += [answer, gave(call_id, result)]
    return made.trace
