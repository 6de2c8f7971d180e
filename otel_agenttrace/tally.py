"""What a run met: how calls and tools were answered, what was refused, struck or lost. Facts in, counts for its end out.

Each process of a run counts for itself and tells the root, which hears of the others.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from otel_agenttrace.errors import AgentTraceError, CassetteInaccessible, ReplayMiss
from otel_agenttrace.losses import Losses
from otel_agenttrace.model import Answered, Outcome, OutcomeKind
from otel_agenttrace.playback.faults import Fault
from otel_agenttrace.runs import Run

__all__ = ["Tally"]

_Miss = TypeVar("_Miss", bound=ReplayMiss)
_TO_FIX: Final = "\n  to fix   "
_KEPT: Final = 10_000
"""How many outcomes and misses are remembered."""


class Tally:
    """What this process of a run has met; in the root, what it has heard of the others as well.

    `facts` are what those told, `outcomes` and `misses` the last 10,000.
    """

    def __init__(self, run: Run, cure: str) -> None:
        self.counts: Counter[OutcomeKind] = Counter()
        self.tool_counts: Counter[OutcomeKind] = Counter()
        self.egress: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.met: set[str] = set()
        self.losses = Losses()
        self.facts: tuple[Mapping[str, Any], ...] = ()
        self.outcomes: deque[Outcome] = deque(maxlen=_KEPT)
        self.misses: deque[ReplayMiss] = deque(maxlen=_KEPT)
        self._run = run
        self._cure = cure
        self._heard = 0

    def note(self, outcome: Outcome) -> None:
        """Take note of how a call, or a frozen tool, was answered."""
        counts = self.tool_counts if outcome.of == "tool" else self.counts
        counts[outcome.kind] += 1
        self.outcomes.append(outcome)
        told = {"detail": outcome.detail, "recorded": outcome.recorded_span_id} if outcome.kind == "drift" else {}
        self._tell({"kind": outcome.kind, "of": outcome.of, **told})

    def note_miss(self, miss: _Miss, key: str = "", of: Answered = "call") -> _Miss:
        """Keep a miss, whatever becomes of its exception; a copy, for a traceback holds the frames of the program."""
        if self._cure:
            miss.args = (f"{str(miss).partition(_TO_FIX)[0]}{_TO_FIX}{self._cure}",)
        self.misses.append(copy.copy(miss))
        self.note_failure(miss, key, of)
        return miss

    def note_failure(self, error: AgentTraceError, key: str, of: Answered = "call") -> None:
        """Count what could not be answered, for whatever reason of ours, and whatever the program does with the error."""
        self.note(Outcome("miss", key=key, detail=str(error), of=of))

    def note_egress(self, place: str) -> None:
        """Take note of what the guard refused, whatever the program does with the error."""
        self.egress[place] += 1
        self._tell({"egress": place})

    def note_met(self, text: str) -> None:
        """Take note that a patch, a selector or a name of the plan has met what it means."""
        if text not in self.met:
            self.met.add(text)
            self._tell({"met": text})

    def note_fault(self, fault: Fault) -> None:
        """Take note that a fault has struck an attempt of a call, or a tool."""
        self.struck[fault.text] += 1
        self._tell({"fault": fault.text})

    def note_loss(self, path: Path, error: OSError | CassetteInaccessible, *, is_call: bool) -> None:
        """Take note that a span, of a recorded call or another, could not be written to a file."""
        self.losses.note(path, error, is_call=is_call)
        self._tell({"lost": [int(is_call), int(not is_call)]})

    def _tell(self, fact: Mapping[str, object]) -> None:
        if not self._run.is_root:
            self._run.tell(fact)

    def hear(self) -> None:
        """Count what the other processes of the run have told since this was asked last."""
        heard, self._heard = self._run.hear(self._heard)
        self.facts += heard
        for fact in heard:
            self.losses.add(*fact.get("lost", (0, 0)))
        self.counts.update(fact["kind"] for fact in heard if fact.get("of") == "call")
        self.tool_counts.update(fact["kind"] for fact in heard if fact.get("of") == "tool")
        self.struck.update(fact["fault"] for fact in heard if "fault" in fact)
        self.met.update(fact["met"] for fact in heard if "met" in fact)
        self.egress.update(fact["egress"] for fact in heard if "egress" in fact)
        drifts = (fact for fact in heard if fact.get("kind") == "drift")
        self.outcomes.extend(
            Outcome("drift", None, fact.get("recorded"), detail=str(fact.get("detail") or ""), of=fact["of"])
            for fact in drifts
        )
