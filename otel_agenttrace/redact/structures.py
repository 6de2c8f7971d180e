"""Detect secrets that tell what they are by what stands around them: private keys, credentials in addresses and headers.

Scanned text in, findings out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned
from otel_agenttrace.redact.standins import is_random, is_stand_in

__all__ = ["is_basic", "structure_findings"]

_PEM: Final = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,4}(?:PRIVATE KEY|PRIVATE KEY BLOCK|SECRET KEY)-----", re.IGNORECASE
)
_BREAK: Final = rb"(?:[\s>|\"'#*+,-]|\\+[nrt\"'])"
_BASE64: Final = rb"(?:[A-Za-z0-9+/=]|\\+/|\\+u003[dD])"
_PEM_BODY: Final = re.compile(
    rb"(?:_{1,40}(?:[A-Z][A-Za-z-]+: [^\n\r\\]{1,80}|={30,}))*(?:(?:\r?\n|\\+n)[ \t>|\"'+-]{0,12}(?![a-z]{1,11}[^A-Za-z0-9+/=])={1,80}(?=[\r\n\"'\\]|$))?".replace(
        b"={", _BASE64 + b"{"
    ).replace(b"_", _BREAK)
)
_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{30,}")
_PEM_LAST: Final = re.compile(rb"-----END [A-Z0-9 ]+-----", re.IGNORECASE)
_MOST_PEM: Final = 20_000
_USER_INFO: Final = re.compile(
    rb":(?:\\*/){2}(?P<user>[^\s/?#\"'<>@:\\,;|]*)(?::(?P<password>[^\s\"'<>@\\/]+(?:@[^\s\"'<>@\\/:]+(?=@))*))?@[A-Za-z0-9_\[$%{(.]"
)
_SCHEME: Final = re.compile(
    rb"(?i:(?P<scheme>bearer|basic|token|apikey|api-key|negotiate|ntlm|bot|ssws|splunk|genie-?key|key|zoho-oauthtoken)"
    rb"(?:\s|%20|\\+t|\+|\\*\"\s*,\s*\\*\"|:)\s*)(?P<value>[A-Za-z0-9._~+/=|:%-]{8,})"
)
_AUTHORIZATION: Final = re.compile(rb"authorization[\"'`\\\]):,=> ]{0,12}", re.IGNORECASE)
_DIGEST: Final = re.compile(rb"(?i:(?:response|nonce|cnonce|signature)=\\*\"?)([A-Za-z0-9+/=_-]{16,})")
_BEGIN: Final = rb"(?<![A-Za-z0-9])(?:(?<=\\)(?:[nrt]|u[0-9a-fA-F]{4})|(?<=%)[0-9a-fA-F]{2})?"
_ENTRA: Final = re.compile(_BEGIN + rb"([A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})")
_WEB_KEY: Final = re.compile(rb"\\*\"(?:d|p|q|dp|dq|qi|k)\\*\"\s*:\s*\\*\"([A-Za-z0-9_-]{20,})")
_PUTTY: Final = re.compile(rb"Private-Lines: \d+((?:(?:\r?\n|(?:\\+r)?\\+n)[A-Za-z0-9+/=]+)+)")
_CODE: Final = re.compile(
    rb"(?i:\bcode|code_verifier|device_code|SAMLResponse|SAMLRequest)(?:=|\\*\"\s*:\s*\\*\")([A-Za-z0-9/._~+=%-]{20,})"
)
_LISTED_COOKIE: Final = re.compile(
    rb"\\*\"name\\*\"\s*:\s*\\*\"[^\"\\]{1,80}\\*\"\s*,\s*\\*\"value\\*\"\s*:\s*\\*\"([^\"\\\s]{16,})"
)
_RESULT: Final = re.compile(rb"\\*\"result\\*\"\s*:\s*\\*\"([^\"\\\s]{8,})")
_IDENTIFIED: Final = re.compile(
    rb"(?i:identified(?:\s+with\s+[\w'\"]+)?\s+(?:by|as)\s+)(?:password\s+)?(\\*['\"])([^'\"\\\s]{3,})"
)
_MANIFEST: Final = re.compile(
    rb"kind(?:: |\\*\"\s*:\s*\\*\")Secret\b.{0,600}?(?:data|stringData)(?:\\*\"\s*:\s*\{([^{}]*)\}|:((?:(?:\r?\n|(?:\\+r)?\\+n)[ \t]+[^\n\\]*(?:\\+/[^\n\\]*)*)+))",
    re.DOTALL,
)
_DATUM: Final = re.compile(rb"[\w.-]+\\*\"?:[ \t]*\\*\"?((?:[^\s\"'\\|>{}]|\\+/){6,})")
_OTP: Final = re.compile(rb"otpauth:(?:\\*/){2}[^\s\"'<>]{0,300}?secret=([A-Za-z2-7]{10,})", re.IGNORECASE)


def structure_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield private keys, and credentials in addresses and headers."""
    lowered, words = scanned.lowered, scanned.words
    if b"@" in lowered:
        yield from _user_infos(scanned)
    if b"~" in lowered and b"q~" in lowered:
        yield from _ENTRA_SECRETS(scanned)
    if _WORDS.isdisjoint(words):
        return
    for word, literal, detect in _DETECTORS:
        if word in words and literal in lowered:
            yield from detect(scanned)


def _finding(scanned: Scanned, kind: str, span: tuple[int, int]) -> Finding:
    return Finding.of(scanned.text, *span, kind)


def _private_keys(scanned: Scanned) -> Iterator[Finding]:
    raw = scanned.raw
    for found in _PEM.finditer(raw):
        last = _PEM_LAST.search(raw, found.end(), found.end() + _MOST_PEM)
        if last is not None and _PEM.search(raw, found.end(), last.start()):
            last = None  # it ends another key: this one is cut off
        body = _PEM_BODY.match(raw, found.end(), found.end() + _MOST_PEM)
        end = last.start() if last is not None else body.end() if body is not None else found.end()
        value = re.sub(r"\\+[nrtu\"']|[\s>|\"'#*]", "", scanned.text[found.end() : end])
        if _KEY_LINE.search(value):
            yield Finding(found.end(), end, "pem", value)


def _user_infos(scanned: Scanned) -> Iterator[Finding]:
    for found in _USER_INFO.finditer(scanned.raw):
        password = found["password"]
        if password is None:
            if is_random(found["user"], 16):
                yield _finding(scanned, "url", found.span("user"))
        elif not _is_known_stand_in(password):
            yield _finding(scanned, "password", found.span("password"))
            if is_random(found["user"], 20):
                yield _finding(scanned, "url", found.span("user"))


_NO_PASSWORDS: Final = frozenset(b"password pass pwd passwd secret x-oauth-basic token".split())


def _is_known_stand_in(password: bytes) -> bool:
    return password.lower() in _NO_PASSWORDS or is_stand_in(password)


def _told_schemes(scanned: Scanned) -> Iterator[Finding]:
    """Yield credentials in headers that are named."""
    for place in scanned.places(b"authorization"):
        told = _AUTHORIZATION.match(scanned.raw, place)
        if told is not None:
            yield from _behind_scheme(scanned, told.end(), 8)


def _schemes(scanned: Scanned, name: bytes) -> Iterator[Finding]:
    """Yield credentials behind a scheme that says itself what it is."""
    for place in scanned.places(name):
        yield from _behind_scheme(scanned, place, 16)


def _behind_scheme(scanned: Scanned, place: int, least: int) -> Iterator[Finding]:
    found = _SCHEME.match(scanned.raw, place)
    if found is not None:
        is_pair = found["scheme"].lower() == b"basic"
        if is_basic(found["value"]) if is_pair else is_random(found["value"], least):
            yield _finding(scanned, "auth", found.span("value"))


def _manifests(scanned: Scanned) -> Iterator[Finding]:
    """Yield the data of Kubernetes secrets, whatever their names."""
    for block in _MANIFEST.finditer(scanned.raw):
        for found in _DATUM.finditer(scanned.raw, *block.span(block.lastindex or 0)):
            if not is_stand_in(found[1]):
                yield _finding(scanned, "secret" if len(found[1]) >= 16 else "password", found.span(1))


def is_basic(value: bytes) -> bool:
    """Whether a value is user name and password in base64."""
    try:
        plain = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False
    return b":" in plain[1:] and len(plain) >= 5 and all(32 <= byte < 127 for byte in plain)


@dataclass(frozen=True, slots=True)
class _Form:
    """A secret that an expression finds in its last group, if that `holds`."""

    kind: str
    pattern: re.Pattern[bytes]
    holds: Callable[[bytes], bool]

    def __call__(self, scanned: Scanned) -> Iterator[Finding]:
        """Yield each of them in a text."""
        for found in self.pattern.finditer(scanned.raw):
            if self.holds(found[found.lastindex or 0]):
                yield _finding(scanned, self.kind, found.span(found.lastindex or 0))


def _is_meant(value: bytes) -> bool:
    return not is_stand_in(value)


_CODES: Final = _Form("auth", _CODE, partial(is_random, least=20))
_ENTRA_SECRETS: Final = _Form("secret", _ENTRA, is_random)
_DETECTORS: Final[tuple[tuple[bytes, bytes, Callable[[Scanned], Iterator[Finding]]], ...]] = (
    (b"begin", b"-----begin", _private_keys),
    (b"authorization", b"", _told_schemes),
    (b"bearer", b"", partial(_schemes, name=b"bearer")),
    (b"basic", b"", partial(_schemes, name=b"basic")),
    (b"digest", b"digest ", _Form("auth", _DIGEST, _is_meant)),
    (b"otpauth", b"", _Form("secret", _OTP, _is_meant)),
    (b"kty", b"", _Form("key", _WEB_KEY, _is_meant)),
    (b"private", b"private-lines:", _Form("pem", _PUTTY, _is_meant)),
    (b"samlresponse", b"", _CODES),
    (b"samlrequest", b"", _CODES),
    (b"verifier", b"code_verifier", _CODES),
    (b"device", b"device_code", _CODES),
    (b"code", b"code=", _CODES),
    (b"cookies", b"", _Form("secret", _LISTED_COOKIE, partial(is_random, least=16))),
    (b"random", b"random_password", _Form("password", _RESULT, _is_meant)),
    (b"kind", b"secret", _manifests),
    (b"identified", b"", _Form("password", _IDENTIFIED, _is_meant)),
)
"""A word without which there is none, more of it, and who looks then; all in lower case."""

_WORDS: Final = frozenset(word for word, _, _ in _DETECTORS)
