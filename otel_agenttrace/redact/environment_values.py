"""Detect the values of secret environment variables, plain, JSON-escaped or URL-encoded. Values in, a detector out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace.redact.entropy import bits_per_character
from otel_agenttrace.redact.findings import Finding

__all__ = [
    "MIN_BITS_PER_CHARACTER",
    "MIN_LENGTH",
    "EnvironmentValues",
    "environment_values",
    "is_secret",
    "known_values",
    "secrets_of",
]

MIN_LENGTH: Final = 12
"""Shorter values would be found where they are not meant."""

MIN_BITS_PER_CHARACTER: Final = 2.25
"""Shannon entropy below which a value is a stand-in, not a secret.

Twelve random hexadecimal digits, the poorest token there is, have more in 99.5 of 100 cases, usual tokens 3.5 to 5;
`sk-xxxxxxxxxxxx` has 1.0 and `test-test-test` 1.9. Words have about 3: of them the name of the variable decides.
"""

_TELLING: Final = re.compile(
    r"KEYS?(?![A-RT-Z])|TOKEN(?!IZ)|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|BEARER|COOKIE|AUTH(?!OR(?!I))|_(?:PASS|PWD|PAT)$",
    re.IGNORECASE,
)
# Names that speak of a secret's surroundings: AUTH_METHOD, TOKEN_URL, SSH_AUTH_SOCK, PRIVATE_KEY_FILE.
_SURROUNDING: Final = re.compile(
    r"_(?:METHOD|TYPE|MODE|URL|URI|ENDPOINT|HOST|PORT|REGION|FILE|PATH|DIR|SOCK|NAME|USER|EMAIL|ALGORITHM|ISSUER|AUDIENCE"
    r"|SCOPES?|PROVIDER|BACKEND)$|^GOOGLE_APPLICATION_CREDENTIALS$",
    re.IGNORECASE,
)
_UNESCAPED: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_SHORT_ESCAPES: Final = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
# JSON in a string in JSON: each level doubles the backslashes, four levels are read.
_BACKSLASHES: Final = r"\\{1,15}"


@dataclass(frozen=True, slots=True)
class _Secret:
    value: str
    kind: str
    core: str
    pattern: re.Pattern[str]

    def findings(self, text: str) -> list[Finding]:
        """Return each place of the value, overlapping ones too: what stays between findings holds none."""
        found: list[Finding] = []
        match = self.pattern.search(text)
        while match is not None:
            found.append(Finding(match.start(), match.end(), self.kind, self.value))
            match = self.pattern.search(text, match.start() + 1)
        return found


@dataclass(frozen=True, slots=True)
class EnvironmentValues:
    """A detector for a fixed set of values. Most texts hold none, and that takes one substring search for each value."""

    secrets: tuple[_Secret, ...] = field(repr=False)

    def __call__(self, text: str) -> list[Finding]:
        """Return each place of each value."""
        found: list[Finding] = []
        for secret in self.secrets:
            if secret.core in text:
                found += secret.findings(text)
        return found


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the secret values of an environment."""
    return frozenset(value.strip() for name, value in environ.items() if is_secret(name, value))


def environment_values(secrets: Iterable[str]) -> EnvironmentValues:
    """Return the detector for these values."""
    return EnvironmentValues(tuple(_secret(value, "env") for value in sorted(secrets)))


def known_values(secrets: Mapping[str, str]) -> EnvironmentValues:
    """Return the detector for values that were found, each with the kind it was found as."""
    return EnvironmentValues(tuple(_secret(value, kind) for value, kind in sorted(secrets.items())))


def is_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret: a telling name, and a value that is long enough and no stand-in.

    Plain numbers are left alone: to replace them inside a JSON number would break the JSON.
    """
    value = value.strip()
    return (
        len(value) >= MIN_LENGTH
        and _TELLING.search(name) is not None
        and _SURROUNDING.search(name) is None
        and not value.isdecimal()
        and bits_per_character(value) >= MIN_BITS_PER_CHARACTER
    )


def _secret(value: str, kind: str) -> _Secret:
    core = max(_UNESCAPED.findall(value), key=len, default="")
    return _Secret(value, kind, core, re.compile("".join(map(_forms, value))))


def _forms(character: str) -> str:
    """Return the pattern of a character in each form it may have: plain, JSON-escaped, URL-encoded."""
    if _UNESCAPED.fullmatch(character):
        return re.escape(character)
    plain = r"\\{1,16}" if character == "\\" else rf"\\{{0,15}}{re.escape(character)}"
    forms = [plain, _unicode_escape(character), _percent_encoded(character)]
    if character in _SHORT_ESCAPES:
        forms.append(_BACKSLASHES + _SHORT_ESCAPES[character])
    if character == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"


def _unicode_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex(" ", 2).split()
    return "".join(f"{_BACKSLASHES}u(?i:{unit})" for unit in units)


def _percent_encoded(character: str) -> str:
    octets = character.encode("utf-8", "surrogatepass").hex(" ").split()
    return "".join(f"%(?:25)*(?i:{octet})" for octet in octets)
