"""What a run writes: ended spans and finished calls in, lines of a cassette out, and at the end the file in its place.

A span that tells what is recorded already is kept in memory only.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.additions import Additions
from otel_agenttrace.cassette.aside import set_aside
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.rewriting import Change, Changes, changes_of, rewrite
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.errors import CassetteError, CassetteInaccessible
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.playback.directing import Live
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.spans import redacted_span, redacted_values
from otel_agenttrace.runs import Run
from otel_agenttrace.session_options import SessionOptions
from otel_agenttrace.tally import Tally

__all__ = ["Recorder", "Rewriting"]

_log = logging.getLogger("otel_agenttrace")
_SERVED: Final = frozenset({"hit", "drift", "miss"})
"""Outcomes of calls that did not leave the machine."""
_KEPT: Final = 10_000
"""How many replayed spans and written span ids are remembered."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What became of the calls of a cassette of which some were to be made again.

    `failed` were made again without an answer, and are kept as they were. `failure` says why the cassette could not be written; then it is as it was, and the new calls stand in the partial.
    """

    recorded: int
    replaced: int
    added: int
    unasked: int
    removed: int
    failed: int = 0
    failure: CassetteError | None = None


class Recorder:
    """The spans of a run as one of its processes has them, and its file, which only the root gives its place."""

    def __init__(self, run: Run, options: SessionOptions, tally: Tally, redactor: Callable[[], Redactor]) -> None:
        self.target = Path(run.target)
        self.offset = 0
        self.has_recorded = False
        self.rewriting: Rewriting | None = None
        self._run = run
        self._options = options
        self._tally = tally
        self._redactor = redactor
        self._recording: Recording | None = None
        self._writer: Writer | None = None
        self._partial: Trace | None = None
        self._additions = Additions(run.shared_file("additions")) if run.known is not None else None
        self._replayed: deque[Span] = deque(maxlen=_KEPT)
        self._written: dict[str, None] = {}
        self._ancestors: dict[str, None] = {}
        self._drains: dict[Callable[[], None], None] = {}
        self._is_draining = False

    def open(self, *, goes_on: bool) -> None:
        """Begin to write. `goes_on`: this process began the run before it replaced its program by another."""
        run = self._run
        if run.is_root and run.file != run.target:
            self._recording = Recording(self.target, goes_on=goes_on, alone=bool(run.plan.only), is_fork=run.is_fork)
        try:
            self._writer = self._open_writer()
        except BaseException:
            if self._recording is not None:
                self._recording.leave()
            raise

    def _open_writer(self) -> Writer:
        run, redactor = self._run, self._redactor()
        resource = {
            **redacted_values(self._options.resource, redactor),
            semconv.AGENTTRACE_RUN_ID: run.id,
            semconv.AGENTTRACE_RULES_VERSION: redactor.rules_version,
            **({semconv.AGENTTRACE_FORK_OF: Path(run.cassette).name} if run.is_fork else {}),
        }
        try:
            writer = Writer(Path(run.file), resource, create=run.is_root or run.file == run.target)
        except FileNotFoundError:  # the root has ended and given the recording its name
            if run.plan.only:  # or has put what was recorded into its places, which are no longer those we know
                raise
            writer = Writer(self.target, resource)
        self.offset = writer.size()
        return writer

    @property
    def is_open(self) -> bool:
        """Whether live calls are written: in every mode but `none`, and in a fork."""
        return self._writer is not None

    # --- spans --------------------------------------------------------------------------------------------------------

    def write(self, span: Span, recorded: RecordedCall | None = None) -> None:
        """Write a span of ours; a replayed one is kept in memory only."""
        self.drain()
        _remember(self._written, span.span_id)
        if span.parent_span_id:
            _remember(self._ancestors, span.parent_span_id)
        if self._writer is None or (recorded is None and not self._is_addition(span)):
            self._replayed.append(span)
        else:
            self._append(self._writer, redacted_span(span, self._redactor()), recorded)

    def _is_addition(self, span: Span) -> bool:
        """Whether a span without a recording belongs into the cassette: not if it tells what is there already."""
        outcome = span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME)
        if self._run.is_fork:
            return outcome != "miss"
        is_served = outcome in _SERVED
        is_struck = semconv.AGENTTRACE_FAULT in span.attributes
        return not is_served and (is_struck or self._additions is None or self._additions.takes(span))

    def _append(self, writer: Writer, span: Span, recorded: RecordedCall | None) -> None:
        try:
            writer.write(span, recorded)
        except (OSError, CassetteInaccessible) as error:
            self._tally.note_loss(writer.path, error, is_call=recorded is not None)

    def offer(self, span: Span) -> None:
        """Write a span of another instrumentation, unless a call of ours has taken it over."""
        if span.span_id not in self._written:
            self.write(span)

    def wants(self, span_id: str) -> bool:
        """Whether a span was named as the parent of one that was written."""
        return span_id in self._ancestors

    def claim_span(self, span_id: str) -> None:
        """Take note that a call writes this span itself when its body ends."""
        _remember(self._written, span_id)

    def follow(self, answer: Claim | Live) -> None:
        """Take note of a call that goes live, and write the spans that were held back until it is known that one does."""
        if self._additions is None or self._writer is None:
            return
        if isinstance(answer, Claim):
            self._additions.answered()
        elif answer.replaces is not None:
            self._additions.made_again(time.time_ns())
        else:
            for span in self._additions.went_live(time.time_ns()):
                with contextlib.suppress(ValueError):  # so long ago that it is forgotten
                    self._replayed.remove(span)
                self._append(self._writer, redacted_span(span, self._redactor()), None)

    @property
    def trace(self) -> Trace:
        """The trace so far: what the run wrote, and the spans of the calls that this process replayed."""
        recorded: tuple[Span, ...] = self._partial.spans if self._partial is not None else ()
        if self._partial is None and self._writer is not None and self._writer.size() > self.offset:
            path = self._writer.path if self._writer.path.exists() else self.target
            recorded = open_cassette(path, offset=self.offset).trace().spans
        spans = sorted((*recorded, *self._replayed), key=lambda span: span.start_ns)
        trace = Trace(tuple(spans), path=Path(self._run.cassette) if self._run.mode == "all" else None)
        return trace if self._options.cost_of is None else replace(trace, cost_of=self._options.cost_of)

    # --- what finalisers leave behind ---------------------------------------------------------------------------------

    def on_drain(self, drain: Callable[[], None]) -> None:
        """Call this before each write and at the end: finalisers only queue, for a lock taken in one deadlocks."""
        self._drains[drain] = None

    def drain(self) -> None:
        """Finish what finalisers have queued."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            for drain in self._drains:
                drain()
        finally:
            self._is_draining = False

    # --- the end ------------------------------------------------------------------------------------------------------

    def look_at_end(self) -> None:
        """Take note of whether the run has recorded anything, and of a file that is no longer there."""
        writer = self._writer
        if writer is None:
            return
        try:
            is_gone = writer.is_gone()
            self.has_recorded = not is_gone and writer.size() > self.offset
        except OSError as error:
            is_gone = True
            _log.warning("%s cannot be read: %s", writer.path, error.strerror)
        if is_gone:
            self._tally.losses.file_is_gone(writer.path)

    def settle(self, again: Player | None = None, *, keep_partial: bool = False, prunes: bool = False) -> None:
        """Give what an ended run recorded its name, or put it into the cassette of which calls were made `again`."""
        recording, self._recording = self._recording, None
        if recording is None:
            return
        if keep_partial:
            recording.leave()
        elif again is not None:
            self._put_in_place(recording, again, prunes=prunes)
        else:
            recording.finish()

    def _put_in_place(self, recording: Recording, player: Player, *, prunes: bool) -> None:
        unplayed = player.unplayed()
        gone = unplayed if prunes and len(unplayed) < player.count else ()
        found, failure = Changes(), None
        try:
            found = changes_of(recording.partial, player.cassette)
            if self.has_recorded:
                self._partial = open_cassette(recording.partial).trace()
            if found.changes or found.appended or gone:
                rewrite(Path(self._run.cassette), [*found.changes, *map(Change, gone)], found.appended)
            recording.remove()
        except CassetteError as error:
            failure = error
            recording.leave()
        made = sum(1 for span in self._partial.spans if span.read_call is not None) if self._partial else 0
        again = len(found.changes)
        self.rewriting = Rewriting(
            recorded=player.count,
            replaced=again,
            added=made - again - found.failed,
            unasked=len(unplayed),
            removed=len(gone),
            failed=found.failed,
            failure=failure,
        )

    def set_aside(self) -> Path | None:
        """Leave what an ended run recorded in a partial, its cassette as it was before; return it, None for nothing.

        Raises:
            CassetteInaccessible: If a file cannot be written.
        """
        if self._recording is not None:
            partial = self._recording.partial
            self.settle(keep_partial=True)
            return partial if self.has_recorded else None
        partial = set_aside(self.target, self._run.id) if self._run.is_root and self.has_recorded else None
        if partial is not None:
            self._partial = open_cassette(partial).trace()
        return partial

    def after_fork(self) -> None:
        """Make it usable in a forked child, which gives no file its place."""
        self.settle(keep_partial=True)
        if self._writer is not None:
            self._writer.renew_lock()


def _remember(held: dict[str, None], key: str) -> None:
    held[key] = None
    if len(held) > _KEPT:
        held.pop(next(iter(held)), None)
