"""Remove secrets before anything is written. Text, bodies, headers and addresses in, the same without secrets out.

Every detector reports findings on the original text; they are merged and replaced once, and a placeholder is never
looked at again. What was replaced is looked at once more, so redacting twice is redacting once. A placeholder is the same
for the same secret, in every form and run, so that recordings and requests still match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from otel_agenttrace.redact.addresses import without_credentials, without_user_info
from otel_agenttrace.redact.beside import named_finding
from otel_agenttrace.redact.builtin import secrets_in
from otel_agenttrace.redact.environment_values import environment_values, known_values, secrets_of
from otel_agenttrace.redact.findings import (
    Detector,
    Finding,
    as_json,
    find,
    is_blind,
    merged,
    replaced,
    replaced_bytes,
)
from otel_agenttrace.redact.headers import is_address, is_stored
from otel_agenttrace.redact.memory import CleanTexts
from otel_agenttrace.redact.names import kind_of_name
from otel_agenttrace.redact.own import allowing, finder_detector, rule_detector
from otel_agenttrace.redact.personal import personal_detector
from otel_agenttrace.redact.streams import is_stream, stream_findings, told_by_token
from otel_agenttrace.redaction import BUILT_IN, RedactionRules

__all__ = [
    "RULES_VERSION",
    "Detector",
    "Finding",
    "Redacted",
    "Redactor",
    "environment_redactor",
    "has_own_rules",
    "redactor",
]

RULES_VERSION: Final = 3
"""Grows with every change of what is redacted, or of the canonical request: request keys depend on both."""

_OWN_RULES: Final = 1_000_000
"""The version is multiplied by this where the user has rules, and a number that tells them stands behind it."""

_ROUNDS: Final = 4
"""A replaced text is looked at again until nothing is found, and so often at most."""

_MIN_KNOWN: Final = 12
_MAX_KNOWN: Final = 512
"""Shorter secrets would be found where they are not meant, when they stand without their name."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """Pieces of a content without secrets.

    `secrets` are those that tell themselves without their names, by kind. `is_blind` says whether something was removed
    of which nothing is left to compare.
    """

    pieces: tuple[str, ...]
    secrets: Mapping[str, str]
    is_blind: bool


@dataclass(frozen=True, slots=True)
class Redactor:
    """The one seam that everything written passes. It holds secrets, so its repr does not show them."""

    detectors: tuple[Detector, ...] = field(default=(secrets_in,), repr=False)
    rules_version: int = RULES_VERSION
    rules: RedactionRules = field(default=BUILT_IN, repr=False)
    _clean: CleanTexts = field(default_factory=CleanTexts, repr=False, compare=False)

    def redact_text(self, text: str) -> str:
        """Return a text with a placeholder for each secret, and the text itself if there is none."""
        for _ in range(_ROUNDS):
            found = find(text, self.detectors)
            if not found:
                break
            text = replaced(text, as_json(text, _with_repetitions(text, found)))
        return text

    def redact_named(self, name: str, text: str) -> str:
        """Return the value of a member without secrets: all of it is one where the name says so."""
        found = named_finding(name, text)
        return found.placeholder if found is not None else self.redact_text(text)

    def redact_pieces(self, pieces: Sequence[str]) -> Redacted | None:
        """Return the pieces of one content with a placeholder for each secret, and None if there is none.

        A secret that tells itself in one piece is removed from all. Pieces that were looked at before cost their digest.
        """
        suspect = self._suspect(pieces) if self.detectors else []
        found = {text: find(text, self.detectors) for text in suspect}
        self._clean.add(text for text, findings in found.items() if not findings)
        findings = [finding for each in found.values() for finding in each]
        if not findings:
            return None
        secrets = _telling(findings)
        whole, values = self.knowing(secrets), Redactor((known_values(secrets),))
        made = tuple((whole if found.get(piece) else values).redact_text(piece) for piece in pieces)
        return Redacted(made, secrets, is_blind("".join(made)) and not is_blind("".join(pieces)))

    def knows_clean(self, name: str, text: str) -> bool:
        """Whether it is known without a look that `redact_named` leaves a short text as it is, and its name."""
        known = self._clean.knows
        return known(text) and known(name) and kind_of_name(name) is None

    def is_clean(self, named: Sequence[tuple[str, str]]) -> bool:
        """Whether `redact_named` would leave each of these names and texts as it is; they are looked at as one text."""
        if any(named_finding(name, text) is not None for name, text in named):
            return False
        return not self._suspect([text for _, text in named])

    def _suspect(self, texts: Sequence[str]) -> list[str]:
        """Return the texts among which is a secret, without those that are known to be clean; none if none is."""
        unknown = self._clean.unknown(texts)
        if self.rules.looks_at_wholes:  # a rule of the user's own may ask for the beginning of a text, or its end
            found = [text for text in unknown if find(text, self.detectors)]
        else:
            found = unknown if unknown and find("\n".join(unknown), self.detectors) else []
        if found:
            return found
        self._clean.add(unknown)
        return []

    def knowing(self, secrets: Mapping[str, str]) -> Redactor:
        """Return the redactor that removes these values, too, wherever they stand; `secrets` has the kind of each."""
        if not secrets:
            return self
        return replace(self, detectors=(*self.detectors, known_values(secrets)), _clean=CleanTexts())

    def redact_bytes(self, body: bytes, chunk_sizes: Sequence[int]) -> tuple[bytes, tuple[int, ...]]:
        """Return a body with a placeholder for each secret, and the sizes of as many chunks of the new body.

        A secret may span chunks: a boundary inside it moves to its end, which can leave a chunk empty. In a stream of
        events it may span events, too: the placeholder stands in the first of them.

        Args:
            body: The decoded body; bytes that are no UTF-8 stay as they are.
            chunk_sizes: Bytes of each chunk; they partition the body, or there are none.
        """
        sizes = tuple(chunk_sizes)
        for _ in range(_ROUNDS):
            text = body.decode("utf-8", "surrogateescape")
            found = self.findings(text)
            if not found:
                break
            found = merged([*_with_repetitions(text, found), *told_by_token(text)])
            body, sizes = replaced_bytes(text, as_json(text, found), sizes)
        return body, sizes

    def findings(self, text: str) -> list[Finding]:
        """Return the secrets of a text, in order; in a stream of events also those that are spread over several."""
        return find(text, (*self.detectors, self._in_stream) if is_stream(text) else self.detectors)

    def _in_stream(self, text: str) -> Sequence[Finding]:
        return list(stream_findings(text, lambda joined: find(joined, self.detectors)))

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
        stored = tuple((name, value) for name, value in headers if is_stored(name, has_body=has_body))
        if not any(is_address(name) for name, _ in stored) and self.is_clean(stored):
            return stored
        return tuple((name, self._header_value(name, value)) for name, value in stored)

    def _header_value(self, name: str, value: str) -> str:
        return self.redact_url(value) if is_address(name) else self.redact_named(name, value)


def _with_repetitions(text: str, found: list[Finding]) -> list[Finding]:
    """Return the findings in a text, and the places where what tells itself once stands there again."""
    secrets = _telling(found)
    if not secrets:
        return found
    values = (known_values(secrets),)
    again = list(stream_findings(text, lambda joined: find(joined, values))) if is_stream(text) else []
    return merged([*found, *find(text, values), *again])


def _telling(found: Iterable[Finding]) -> dict[str, str]:
    """Return the secrets that are known again without their names, by kind: the same one, in whatever order they came."""
    return {finding.value: finding.kind for finding in sorted(found, key=_by_kind) if _tells_itself(finding)}


def _by_kind(found: Finding) -> str:
    return found.kind


def _tells_itself(found: Finding) -> bool:
    return (
        found.kind not in ("env", "pem") and _MIN_KNOWN <= len(found.value) <= _MAX_KNOWN and not found.value.isalpha()
    )


def has_own_rules(version: int) -> bool:
    """Whether the rules of this version hold some of a user's own."""
    return version >= _OWN_RULES


def redactor(environ: Mapping[str, str], rules: RedactionRules = BUILT_IN) -> Redactor:
    """Return the redactor for secrets that tell themselves, for those an environment holds, and for what rules add."""
    return _redactor_of(secrets_of(environ), rules)


def _redactor_of(secrets: frozenset[str], rules: RedactionRules) -> Redactor:
    detectors: list[Detector] = [secrets_in]
    if secrets:
        detectors.append(environment_values(secrets))
    if rules.personal:
        detectors.append(personal_detector(rules.personal))
    detectors += map(rule_detector, rules.rules)
    detectors += map(finder_detector, (*rules.finders, *rules.loaded))
    version = RULES_VERSION * _OWN_RULES + rules.number if rules.number else RULES_VERSION
    return Redactor(tuple(allowing(detector, rules.allow) for detector in detectors), version, rules)


@dataclass(frozen=True, slots=True)
class _Known:
    """What an environment held when it was last looked at, and the redactor for all it has held so far."""

    environ: Mapping[str, str]
    values: tuple[object, ...]
    secrets: frozenset[str]
    redactor: Redactor


_MOST_KNOWN: Final = 8
_known: dict[tuple[int, RedactionRules], _Known] = {}
"""By environment and rules; what an environment has held stays known, whatever was looked at in between."""


def environment_redactor(environ: Mapping[str, str], rules: RedactionRules = BUILT_IN) -> Redactor:
    """Return the redactor for the secrets an environment has held so far: programs load and change them as they run."""
    values = tuple(getattr(environ, "_data", environ).values())  # those of os.environ without decoding each of them
    place = id(environ), rules
    known = _known.get(place)
    if known is None or known.environ is not environ or known.values != values:
        before = [each.secrets for each in list(_known.values()) if each.environ is environ]
        secrets = secrets_of(environ).union(*before)
        known = _Known(environ, values, secrets, _redactor_of(secrets, rules))
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)), None)
        _known[place] = known
    return known.redactor
