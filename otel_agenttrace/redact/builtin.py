"""The detectors that are always on: tokens, structures, command lines, telling names. Text in, findings out."""

from __future__ import annotations

from otel_agenttrace.redact.beside import named_findings
from otel_agenttrace.redact.commands import command_findings
from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned
from otel_agenttrace.redact.structures import structure_findings
from otel_agenttrace.redact.tokens import token_findings

__all__ = ["secrets_in"]


def secrets_in(text: str) -> list[Finding]:
    """Return the secrets of a text that tell themselves by form or name."""
    scanned = Scanned(text)
    return [
        *token_findings(scanned),
        *structure_findings(scanned),
        *command_findings(scanned),
        *named_findings(scanned),
    ]
