"""Rules on retrievals: how many documents, how good, how slow, how much of what models are asked, and the same as before.

Each of them wants a retrieval: a trace without one, as where nothing records them, is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.questions import question_of
from otel_agenttrace.analyze.retrieval_drift import set_drift
from otel_agenttrace.analyze.retrievals import Document, Retrieval, retrievals
from otel_agenttrace.analyze.retrieved_text import pieces_before, share_of
from otel_agenttrace.checks.wording import finding, listed, places, short
from otel_agenttrace.counting import counted
from otel_agenttrace.model import Span, Trace

__all__ = ["ChunkCount", "MaxContextShare", "MaxLatency", "MinScore", "NoDrift"]

_NS: Final = 1_000_000_000
_RECORD: Final = (
    "record them: with at.retrieval(query) as found: found.documents([{'id': …, 'score': …, 'content': …}])"
)


def _untold(rule: str, trace: Trace, found: Sequence[Retrieval], of: str = "the run") -> Finding | None:
    """Return what keeps a rule from looking: no retrieval at all, or one whose documents are not recorded."""
    if not found:
        return finding(rule, trace, (), f"{of} has no retrieval", fix=_RECORD)
    untold = [each.span for each in found if each.documents is None]
    if untold:
        told = f"what {len(untold)} of {counted(len(found), 'retrieval')} of {of} found is not recorded"
        return finding(rule, trace, untold, told, fix=_RECORD)
    return None


@dataclass(frozen=True, slots=True)
class ChunkCount:
    """Each retrieval finds so many documents: `least` to `most`, None for any number."""

    least: int | None = None
    most: int | None = None

    @property
    def name(self) -> str:
        """`min_chunks` or `max_chunks`."""
        return "max_chunks" if self.least is None else "min_chunks"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the retrievals that find more or fewer."""
        found = retrievals(trace)
        if untold := _untold(self.name, trace, found):
            yield untold
        for each in found:
            count = len(each.documents or ())
            if each.documents is not None and not (self.least or 0) <= count <= (
                count if self.most is None else self.most
            ):
                wanted = f"{self.most} at most" if self.least is None else f"{self.least} at least"
                told = f"a retrieval found {counted(count, 'document')}, wanted {wanted}"
                yield finding(
                    self.name, trace, [each.span], told, fix="see what was asked for, and top_k; or mend the rule"
                )


@dataclass(frozen=True, slots=True)
class MinScore:
    """Each document that is found has this score at least."""

    least: float
    name: str = "min_score"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the retrievals with a document of a lower score, or of none."""
        found = retrievals(trace)
        if untold := _untold(self.name, trace, found):
            yield untold
        for each in found:
            documents = each.documents or ()
            low = [document for document in documents if document.score is not None and document.score < self.least]
            unscored = [document for document in documents if document.score is None]
            (place,) = places(trace, [each.span])
            if low:
                told = f"{len(low)} of {counted(len(documents), 'document')} below the score of {self.least:g}"
                at = f"{place}: {listed([f'{_called(document)} {document.score:g}' for document in low])}"
                yield finding(
                    self.name, trace, [each.span], told, at=at, fix="ask for fewer, or leave out the poor ones"
                )
            if unscored:
                told = f"the score of {len(unscored)} of {counted(len(documents), 'document')} is not known"
                at = f"{place}: {listed([_called(document) for document in unscored])}"
                yield finding(self.name, trace, [each.span], told, at=at, fix=_RECORD)


def _called(document: Document) -> str:
    return short(document.identity or "a document without id and content")[:40]


@dataclass(frozen=True, slots=True)
class MaxLatency:
    """Each retrieval takes so many seconds at most."""

    limit: float
    name: str = "max_retrieval_latency_s"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the retrievals that take longer, or have no end."""
        found = retrievals(trace)
        if not found and (untold := _untold(self.name, trace, found)):
            yield untold
        for span in (each.span for each in found):
            if span.duration_ns is None:
                fix = "record a run that comes to its end"
                yield finding(
                    self.name, trace, [span], "how long a retrieval took is not known: it has no end", fix=fix
                )
            elif span.duration_ns > self.limit * _NS:
                told = f"a retrieval took {span.duration_ns / _NS:.3f} s, wanted {self.limit:g} s at most"
                yield finding(self.name, trace, [span], told, fix="make it faster, or mend the rule")


@dataclass(frozen=True, slots=True)
class MaxContextShare:
    """How much of what a model is asked may be retrieved text, 0 to 1.

    Of each call to a model that starts after a retrieval has ended, the share is: the characters of its messages and
    instructions that stand, word for word, in a document of such a retrieval, divided by all their characters. A character
    that stands in several documents counts once. The largest share of all calls is judged.

    It is not known, and a finding, where the content of documents or of a question is not recorded, where no call follows
    a retrieval, and where the documents have content and none of it stands word for word in any question: it was changed
    on its way.
    """

    limit: float
    name: str = "max_context_share"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the calls with a larger share, or why it is not known."""
        found = retrievals(trace)
        contents = [document.content for each in found for document in each.documents or ()]
        if untold := _untold(self.name, trace, found):
            yield untold
        elif None in contents:
            yield self._unknown(
                trace, [each.span for each in found], "the content of a document is not recorded", _RECORD
            )
        elif any(contents):
            yield from self._judged(trace, found)

    def _judged(self, trace: Trace, found: Sequence[Retrieval]) -> Iterator[Finding]:
        asked = [(span, pieces) for span in trace.inferences if (pieces := pieces_before(span, found))]
        shares = [(span, share) for span, pieces in asked if (share := share_of(question_of(span), pieces)) is not None]
        if len(shares) < len(asked) or not asked:
            reason = "a question after it is not recorded" if asked else "no call to a model comes after a retrieval"
            yield self._unknown(trace, [span for span, _ in asked], reason, "record the run with its content")
        elif not any(share for _, share in shares):
            reason = "no document stands word for word in what was asked after it"
            fix = "record the documents as the model gets them: found.documents([{'content': …}])"
            yield self._unknown(trace, [span for span, _ in asked], reason, fix)
        for span, share in shares:
            if share > self.limit:
                told = f"{share:.0%} of what a model was asked is retrieved text, wanted {self.limit:.0%} at most"
                yield finding(self.name, trace, [span], told, fix="retrieve less, or shorter pieces; or mend the rule")

    def _unknown(self, trace: Trace, spans: Iterable[Span], reason: str, fix: str) -> Finding:
        return finding(self.name, trace, spans, f"the share of retrieved text is not known: {reason}", fix=fix)


@dataclass(frozen=True, slots=True)
class NoDrift:
    """The run retrieves what its baseline did, within a tolerance of 0 to 1.

    A document is known by its id, else by its content. The drift is the share of documents that only one of both runs
    found, among all that either found, over all retrievals; order, score and how often do not count.
    """

    baseline: Trace = field(repr=False)
    tolerance: float = 0.1
    name: str = "no_retrieval_drift"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that the drift is larger, with the documents that came and went."""
        before, after = retrievals(self.baseline), retrievals(trace)
        untold = _untold(self.name, self.baseline, before, "the baseline") or _untold(self.name, trace, after)
        if untold:
            yield untold
            return
        drift = set_drift(_documents(before), _documents(after))
        if drift is None:
            yield finding(self.name, trace, (), "some documents have neither an id nor content", fix=_RECORD)
        elif drift.share > self.tolerance:
            yield finding(
                self.name,
                trace,
                [each.span for each in after],
                f"the documents drifted by {drift.share:.2f}, wanted {self.tolerance:g} at most",
                at=f"gone: {_names(drift.gone)}; new: {_names(drift.new)}",
                fix="see what changed in the index, the query or top_k; or record the baseline again",
            )


def _documents(found: Sequence[Retrieval]) -> list[Document]:
    return [document for each in found for document in each.documents or ()]


def _names(identities: Sequence[str]) -> str:
    return listed([short(each)[:40] for each in identities]) or "none"
