"""Detect passwords on command lines and in password files: `curl -u`, `mysql -p`, `.netrc`. Scanned text in, findings out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned
from otel_agenttrace.redact.standins import could_be_password, is_stand_in
from otel_agenttrace.redact.structures import is_basic

__all__ = ["command_findings"]

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


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to give a password. Its last group that took part is the password, if that `holds`.

    `sign` and one of the `literals`, in lower case, are in each text that has it.
    """

    sign: bytes
    literals: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    holds: Callable[[bytes], bool]
    kind: str = "password"


def _is_chosen(value: bytes) -> bool:
    return could_be_password(value, "quoted")


def _is_meant(value: bytes) -> bool:
    return not is_stand_in(value)


_WAYS: Final = (
    _Way(b"-", (b"curl ", b"--user"), _USER, _is_chosen),
    _Way(b"-", (b"mysql", b"sshpass", b"login ", b"redis-cli"), _FLAG, _is_chosen),
    _Way(b"|", (b"stdin", b"sudo -s"), _PIPED, _is_chosen),
    _Way(b"", (b"login ",), _NETRC, _is_meant),
    _Way(b":", (b":5432:",), _PGPASS, _is_chosen),
    _Way(b"*", (b":*:",), _PGPASS, _is_chosen),
    _Way(b"", (b"_auth", b'"auth'), _AUTH_FIELD, is_basic, "auth"),
)


_BY_LITERAL: Final = tuple((way.sign, literal, way) for way in _WAYS for literal in way.literals)


def command_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield the passwords of command lines and password files."""
    lowered = scanned.lowered
    for sign, literal, way in _BY_LITERAL:
        if sign in lowered and literal in lowered:
            for found in way.pattern.finditer(scanned.raw):
                group = found.lastindex or 0
                if way.holds(found[group]):
                    yield Finding.of(scanned.text, *found.span(group), way.kind)
