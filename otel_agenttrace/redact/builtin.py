"""The detectors that are always on: tokens, structures, command lines, telling names. Text in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace.redact.beside import named_findings
from otel_agenttrace.redact.commands import command_findings
from otel_agenttrace.redact.encoded import encoded_findings
from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned
from otel_agenttrace.redact.structures import structure_findings
from otel_agenttrace.redact.tokens import token_findings

__all__ = ["secrets_in"]


def secrets_in(text: str) -> list[Finding]:
    """Return the secrets of a text that tell themselves by form or name."""
    scanned = Scanned(text)
    return [*_plain_secrets(scanned), *encoded_findings(scanned, lambda plain: list(_plain_secrets(Scanned(plain))))]


def _plain_secrets(scanned: Scanned) -> Iterator[Finding]:
    yield from token_findings(scanned)
    yield from structure_findings(scanned)
    yield from command_findings(scanned)
    yield from named_findings(scanned)
