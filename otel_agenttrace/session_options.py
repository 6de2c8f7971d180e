"""What a session is given besides its path and mode. Settings of every door in, frozen; the session and its parts read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from otel_agenttrace.config import UrlPolicy
from otel_agenttrace.model import AttributeValue, Span
from otel_agenttrace.playback.patches import Patch
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.redaction import BUILT_IN, RedactionRules
from otel_agenttrace.volatile import NO_RULES, MatchRules

__all__ = ["Cures", "SessionOptions"]


@dataclass(frozen=True, slots=True)
class Cures:
    """What is to be done about a miss and about a blocked connection, in the words of whoever opened the session."""

    miss: str = ""
    egress: str = ""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session is told besides its path and mode. `is_guarded`: nothing may leave the machine, though it records."""

    resource: Mapping[str, AttributeValue]
    environ: MutableMapping[str, str]
    export_replay: bool = False
    in_place: bool = False
    policy: UrlPolicy = field(default_factory=UrlPolicy)
    plan: ReplayPlan = field(default_factory=ReplayPlan)
    fork: Path | None = None
    patches: tuple[Patch, ...] = ()
    cost_of: Callable[[Span], float | None] | None = None
    match: MatchRules = NO_RULES
    redact: RedactionRules = BUILT_IN
    is_guarded: bool = False
    cures: Cures = Cures()
