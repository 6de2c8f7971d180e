"""Detectors of the user's own: expressions, functions, rules of gitleaks; and what is let through. Settings in, detectors out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from otel_agenttrace.redact.findings import Detector, Finding
from otel_agenttrace.redaction import RedactionRule, SpanFinder

__all__ = ["allowing", "finder_detector", "rule_detector"]

_FOUND: Final = "x-found"


def rule_detector(rule: RedactionRule) -> Detector:
    """Return the detector of an expression."""
    pattern = re.compile(rule.pattern)
    group = 1 if pattern.groups else 0
    kind = f"x-{rule.name}"

    def detect(text: str) -> list[Finding]:
        spans = (found.span(group) for found in pattern.finditer(text))
        return [Finding.of(text, start, end, kind) for start, end in spans if end > start]

    return detect


def finder_detector(finder: SpanFinder) -> Detector:
    """Return the detector that a function is."""

    def detect(text: str) -> list[Finding]:
        return [Finding.of(text, start, end, _FOUND) for start, end in finder(text) if 0 <= start < end <= len(text)]

    return detect


def allowing(detector: Detector, allow: Sequence[str]) -> Detector:
    """Return a detector that lets the values through that one of these expressions matches as a whole."""
    if not allow:
        return detector
    patterns = tuple(map(re.compile, allow))  # each by itself: one may begin with flags

    def detect(text: str) -> list[Finding]:
        return [found for found in detector(text) if not any(each.fullmatch(found.value) for each in patterns)]

    return detect
