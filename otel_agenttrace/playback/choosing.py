"""Choose who answers: the recorded calls of a cassette, or what a foreign trace tells. Path in, player out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TypeAlias

from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.cassette.reader import Cassette
from otel_agenttrace.errors import CassetteCorrupt, CassetteError
from otel_agenttrace.playback.foreign import ForeignPlayer
from otel_agenttrace.playback.player import Player
from otel_agenttrace.redact import Redactor, has_own_rules
from otel_agenttrace.redact.findings import placeholders_in
from otel_agenttrace.redaction import PERSONAL
from otel_agenttrace.volatile import NO_RULES, MatchRules

__all__ = ["AnyPlayer", "open_player"]

AnyPlayer: TypeAlias = "Player | ForeignPlayer"


def open_player(
    path: Path,
    redactor_beside: Callable[[frozenset[str]], Redactor],
    take: Callable[[str], bool],
    rules: MatchRules = NO_RULES,
    *,
    only_answers: bool,
    known: int | None = None,
) -> AnyPlayer:
    """Return what answers from a file. A trace without a recorded call is foreign if it tells of calls to a model.

    Args:
        path: A cassette, or a trace that others exported.
        redactor_beside: Gives what requests go through before they are compared, for the kinds of personal data that
            were removed from the recorded ones.
        take: Takes a recording for this process.
        rules: The user's own rules of what changes from run to run.
        only_answers: Whether nothing is recorded into the same file.
        known: Where what was recorded before this run ends, in bytes; None for all of it.

    Raises:
        CassetteError: If the file cannot be read, or is foreign and calls would be recorded into it.
    """
    opened = open_trace(path, strict=True)
    if opened.foreign is not None:
        foreign = ForeignPlayer(path, opened.foreign, take, redactor_beside(frozenset()).redact_text)
        if foreign.is_any:
            if not only_answers:
                raise CassetteError(
                    f"{path} is a trace that others exported, and nothing records into it.\n"
                    f"  to fix   answer from it: otel-agenttrace replay {quote(str(path))} -- …, or record to another file"
                )
            return foreign
    if opened.cassette is None:
        raise CassetteCorrupt(path, None, "no span of it tells of a call to a model")
    if known is not None:
        calls = opened.cassette.index.calls
        opened.cassette.index.calls = [entry for entry in calls if entry.line.offset < known]
    return Player(opened.cassette, redactor_beside(_removed_kinds(opened.cassette)), take, rules)


def _removed_kinds(cassette: Cassette) -> frozenset[str]:
    """Return the kinds of personal data that were removed from recorded requests, by rules of a user's own."""
    ruled = (entry for entry in cassette.index.calls if entry.rules is not None and has_own_rules(entry.rules))
    asked = map(cassette.request, ruled)
    texts = (text for request in asked for text in (request.target, request.body))
    return frozenset(kind for text in texts for _, _, kind in placeholders_in(text) if kind in PERSONAL)
