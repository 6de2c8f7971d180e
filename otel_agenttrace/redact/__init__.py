"""Remove secrets before anything is written. Text, bodies, headers and addresses in, the same without secrets out.

Every detector reports findings on the original text; they are merged and replaced once, and a placeholder is never
looked at again, so redacting twice is redacting once. A placeholder is the same for the same secret, in every form and
run, so that recordings and requests still match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace.redact.addresses import without_credentials, without_user_info
from otel_agenttrace.redact.environment_values import environment_values, secrets_of
from otel_agenttrace.redact.findings import Detector, Finding, find, replaced, replaced_bytes
from otel_agenttrace.redact.headers import is_address, is_stored

__all__ = ["RULES_VERSION", "Detector", "Finding", "Redactor", "environment_redactor", "redactor"]

RULES_VERSION: Final = 2
"""Grows with every change of what is redacted, or of the canonical request: request keys depend on both."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """The one seam that everything written passes. It holds secrets, so its repr does not show them."""

    detectors: tuple[Detector, ...] = field(default=(), repr=False)
    rules_version: int = RULES_VERSION

    def redact_text(self, text: str) -> str:
        """Return a text with a placeholder for each secret, and the text itself if there is none."""
        found = find(text, self.detectors)
        return replaced(text, found) if found else text

    def redact_bytes(self, body: bytes, chunk_sizes: Sequence[int]) -> tuple[bytes, tuple[int, ...]]:
        """Return a body with a placeholder for each secret, and the sizes of as many chunks of the new body.

        A secret may span chunks: a boundary inside it moves to its end, which can leave a chunk empty.

        Args:
            body: The decoded body; bytes that are no UTF-8 stay as they are.
            chunk_sizes: Bytes of each chunk; they partition the body, or there are none.
        """
        text = body.decode("utf-8", "surrogateescape")
        found = find(text, self.detectors)
        return replaced_bytes(text, found, chunk_sizes) if found else (body, tuple(chunk_sizes))

    def redact_target(self, target: str) -> str:
        """Return path and query without credential parameters; what stays keeps its order and its escapes."""
        return self.redact_text(without_credentials(target))

    def redact_url(self, url: str) -> str:
        """Return an address without user name, password and credential parameters."""
        return self.redact_text(without_credentials(without_user_info(url), may_be_signed=True))

    def stored_headers(
        self, headers: Iterable[tuple[str, str]], *, has_body: bool = True
    ) -> tuple[tuple[str, str], ...]:
        """Return the response headers that are stored: no credentials, no account ids, nothing about the wire's encoding.

        Where there is no body, as after HEAD, what they say of it is the answer, and kept.
        """
        return tuple(
            (name, self._header_value(name, value)) for name, value in headers if is_stored(name, has_body=has_body)
        )

    def _header_value(self, name: str, value: str) -> str:
        return self.redact_url(value) if is_address(name) else self.redact_text(value)


def redactor(environ: Mapping[str, str]) -> Redactor:
    """Return the redactor for the secrets an environment holds."""
    return _redactor_of(secrets_of(environ))


def _redactor_of(secrets: frozenset[str]) -> Redactor:
    return Redactor((environment_values(secrets),) if secrets else ())


@dataclass(frozen=True, slots=True)
class _Known:
    """What an environment held when it was last looked at, and the redactor for all it has held so far."""

    environ: Mapping[str, str]
    values: tuple[object, ...]
    secrets: frozenset[str]
    redactor: Redactor


_known: list[_Known] = []


def environment_redactor(environ: Mapping[str, str]) -> Redactor:
    """Return the redactor for the secrets an environment has held so far: programs load and change them as they run."""
    values = tuple(getattr(environ, "_data", environ).values())  # those of os.environ without decoding each of them
    known = _known[0] if _known and _known[0].environ is environ else None
    if known is None or known.values != values:
        secrets = secrets_of(environ) | (known.secrets if known is not None else frozenset[str]())
        known = _Known(environ, values, secrets, _redactor_of(secrets))
        _known[:] = [known]
    return known.redactor
