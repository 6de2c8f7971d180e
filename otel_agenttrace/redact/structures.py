"""Detect secrets that tell what they are by their form: private keys, JWTs, credentials in addresses and headers.

Scanned text in, findings out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Final

from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned
from otel_agenttrace.redact.standins import could_be_password, is_random, is_stand_in

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
_SLASHES: Final = rb"(?:\\*/){2}"
_USER_INFO: Final = re.compile(
    rb":(?:\\*/){2}(?P<user>[^\s/?#\"'<>@:\\,;|]*)(?::(?P<password>[^\s\"'<>@\\/]+(?:@[^\s\"'<>@\\/:]+(?=@))*))?@[A-Za-z0-9_\[$%{(.]"
)
_SCHEME: Final = re.compile(
    rb"(?i:(?P<scheme>bearer|basic|token|apikey|api-key|negotiate|ntlm|bot|ssws|splunk|genie-?key|key|zoho-oauthtoken)"
    rb"(?:\s|%20|\\+t|\+|\\*\"\s*,\s*\\*\"|:)\s*)(?P<value>[A-Za-z0-9._~+/=|:%-]{8,})"
)
_AUTHORIZATION: Final = re.compile(rb"authorization[\"'`\\\]):,=> ]{0,12}", re.IGNORECASE)
_DIGEST: Final = re.compile(rb"(?i:(?:response|nonce|cnonce|signature)=\\*\"?)([A-Za-z0-9+/=_-]{16,})")
_HOOK: Final = re.compile(
    rb"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/|"
    rb"webhook\.office\.com/webhookb2/|chat\.googleapis\.com/v1/spaces/[^\s\"'<>]*?key=)".replace(
        b"/", rb"(?:\\*/|%2[Ff])"
    )
    + rb"((?:[A-Za-z0-9@.%_-]|\\*/){20,})"
)
_BEGIN: Final = rb"(?<![A-Za-z0-9])(?:(?<=\\)(?:[nrt]|u[0-9a-fA-F]{4})|(?<=%)[0-9a-fA-F]{2})?"
_AZURE: Final = re.compile(_BEGIN + rb"([A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{20,30})")
_ENTRA: Final = re.compile(_BEGIN + rb"([A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})")
_TELEGRAM: Final = re.compile(rb"(?<!\d)(\d{8,10}(?::|%3[Aa])AA[A-Za-z0-9_-]{30,})")
_TERRAFORM: Final = re.compile(_BEGIN + rb"([A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,})")
_OTP: Final = re.compile(rb"otpauth:(?:\\*/){2}[^\s\"'<>]*?secret=([A-Za-z2-7]{10,})", re.IGNORECASE)
_AWS_ID: Final = re.compile(rb"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])")
_AWS_SECRET: Final = re.compile(rb"(?<![A-Za-z0-9/+=_.-])(?:[A-Za-z0-9/+]|\\+/){40}(?![A-Za-z0-9/+=_-])")
_NEAR: Final = 300
_VALUE: Final = rb"\\*[\"']?([^\s\"'\\-][^\s\"'\\]{3,})"
_USER: Final = re.compile(rb"(?:^|[\s\"'])(?:-u|--user|--proxy-user)[\s=]*\\*[\"']?[A-Za-z0-9_.@+-]*:([^\s\"'\\@]{3,})")
_FLAG: Final = re.compile(
    rb"(?:mysql|mysqldump|mariadb|mysqladmin|sshpass|docker login|podman login|helm registry login|redis-cli|mongosh?|ldapsearch)\b"
    rb"[^\n\r|;]{0,160}?\s(?:-p|-a|-w)\s?" + _VALUE
)
_PIPED: Final = re.compile(
    rb"(?:echo|printf)\s+(?:-n\s+)?"
    + _VALUE
    + rb"\\*[\"']?\s*\|[^\n|]{0,80}(?:--password-stdin|--with-token|sudo -S|passwd --stdin|chpasswd)"
)
_NETRC: Final = re.compile(
    rb"(?:machine_\S+?|default)_login_\S+?_(?:account_\S+?_)?password_([^\s\"'\\]+)".replace(
        b"_", rb"(?:\s|\\+[nrt]|\+)+"
    )
)
_PGPASS: Final = re.compile(rb"[\w.*-]+:(?:\d{2,5}|\*):[\w.*-]+:[\w.*-]+:([^\s\"'\\:]{4,})")
_AUTH_FIELD: Final = re.compile(rb"\"_?auth\\*\"\s*:\s*\\*\"([A-Za-z0-9+/=]{8,})|_auth\s*=\s*([A-Za-z0-9+/=]{8,})")


def structure_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield private keys, JWTs, credentials in addresses, in headers, on command lines and in password files."""
    for literal, detect in _DETECTORS:
        if literal in scanned.lowered:
            yield from detect(scanned)


def _finding(scanned: Scanned, kind: str, span: tuple[int, int]) -> Finding:
    return Finding.of(scanned.text, *span, kind)


def _private_keys(scanned: Scanned) -> Iterator[Finding]:
    raw = scanned.raw
    for found in _PEM.finditer(raw):
        last = _PEM_LAST.search(raw, found.end(), found.end() + _MOST_PEM)
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


def _is_known_stand_in(password: bytes) -> bool:
    return password.lower() in {
        b"password",
        b"pass",
        b"pwd",
        b"passwd",
        b"secret",
        b"x-oauth-basic",
        b"token",
    } or is_stand_in(password)


def _schemes(scanned: Scanned) -> Iterator[Finding]:
    """Yield credentials behind their scheme, as headers have them."""
    for place in scanned.places(b"authorization"):
        told = _AUTHORIZATION.match(scanned.raw, place)
        if told is not None:
            yield from _behind_scheme(scanned, told.end(), 8)
    for scheme in (b"bearer", b"basic"):
        for place in scanned.places(scheme):
            yield from _behind_scheme(scanned, place, 16)


def _behind_scheme(scanned: Scanned, place: int, least: int) -> Iterator[Finding]:
    found = _SCHEME.match(scanned.raw, place)
    if found is not None:
        is_pair = found["scheme"].lower() == b"basic" and is_basic(found["value"])
        if is_pair or is_random(found["value"], least):
            yield _finding(scanned, "auth", found.span("value"))


def is_basic(value: bytes) -> bool:
    """Whether a value is user name and password in base64."""
    try:
        plain = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False
    return b":" in plain[1:] and len(plain) >= 5 and all(32 <= byte < 127 for byte in plain)


def _groups(
    kind: str, pattern: re.Pattern[bytes], holds: Callable[[bytes], bool]
) -> Callable[[Scanned], Iterator[Finding]]:
    """Return a detector of what the group of an expression holds."""

    def detect(scanned: Scanned) -> Iterator[Finding]:
        for found in pattern.finditer(scanned.raw):
            group = found.lastindex or 0
            if holds(found[group]):
                yield _finding(scanned, kind, found.span(group))

    return detect


def _aws_secrets(scanned: Scanned) -> Iterator[Finding]:
    """Yield the secrets that stand near the id of an access key, without a name."""
    for found in _AWS_ID.finditer(scanned.raw):
        for secret in _AWS_SECRET.finditer(scanned.raw, max(0, found.start() - _NEAR), found.end() + _NEAR):
            value = secret[0]
            if not (value.islower() or value.isupper() or value.isdigit()) and is_random(value):
                yield _finding(scanned, "secret", secret.span())


def _any(value: bytes) -> bool:
    return not is_stand_in(value)


def _chosen(value: bytes) -> bool:
    return could_be_password(value, is_quoted=True)


_DETECTORS: Final[tuple[tuple[bytes, Callable[[Scanned], Iterator[Finding]]], ...]] = (
    (b"@", _user_infos),
    (b"-----begin", _private_keys),
    (b"", _schemes),
    (b"akia", _aws_secrets),
    (b"asia", _aws_secrets),
    (b":aa", _groups("token", _TELEGRAM, _any)),
    (b"%3aaa", _groups("token", _TELEGRAM, _any)),
    (b".atlasv1.", _groups("token", _TERRAFORM, _any)),
    (b"digest ", _groups("auth", _DIGEST, _any)),
    (b"webhook", _groups("url", _HOOK, _any)),
    (b"hooks.slack", _groups("url", _HOOK, _any)),
    (b"chat.googleapis", _groups("url", _HOOK, _any)),
    (b"otpauth:", _groups("secret", _OTP, _any)),
    (b"curl ", _groups("password", _USER, _chosen)),
    (b"--user", _groups("password", _USER, _chosen)),
    (b"mysql", _groups("password", _FLAG, _chosen)),
    (b"sshpass", _groups("password", _FLAG, _chosen)),
    (b" login ", _groups("password", _FLAG, _chosen)),
    (b"redis-cli", _groups("password", _FLAG, _chosen)),
    (b"stdin", _groups("password", _PIPED, _chosen)),
    (b"sudo -s", _groups("password", _PIPED, _chosen)),
    (b"jqqj99", _groups("secret", _AZURE, _any)),
    (b"q~", _groups("secret", _ENTRA, is_random)),
    (b"login ", _groups("password", _NETRC, _any)),
    (b":5432:", _groups("password", _PGPASS, _chosen)),
    (b":*:", _groups("password", _PGPASS, _chosen)),
    (b"_auth", _groups("auth", _AUTH_FIELD, is_basic)),
    (b'"auth', _groups("auth", _AUTH_FIELD, is_basic)),
)
"""A string in lower case without which there is none, and who looks then."""
