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

_VALUE: Final = rb"\\*[\"']?([^\s\"'\\-][^\s\"'\\@]{3,})"
_REST: Final = rb"\b[^\n\r|;]{0,160}?\s"
_USER: Final = re.compile(
    rb"curl\b[^\n\r|;]{0,400}?[\s\"'](?:-u|--user|--proxy-user)[\s=]*\\*[\"']?[A-Za-z0-9_.@+-]*:([^\s\"'\\@]{3,})",
    re.IGNORECASE,
)
_FLAG: Final = re.compile(
    rb"(?:(?:mysql|mysqldump|mariadb|mysqladmin|mysqlimport)_-p(?=\S)"
    rb"|(?:sshpass|redis-cli)_(?:-p|-a)\s?(?!\d{1,5}\b)"
    rb"|(?:(?:docker|podman|helm registry|az|oc)\s+login|mongo|mongosh|mongodump|mongorestore|vncviewer)_-p\s?"
    rb"|(?:ldapsearch|ldapadd|ldapmodify)_-w\s?"
    rb"|(?:sqlcmd|zip|7z|bcp)_-P\s?"
    rb"|openssl_(?:-k\s|-pass(?:in|out)?\s+pass:)"
    rb"|keytool_-(?:storepass|keypass)\s"
    rb"|htpasswd\s+-\w*b\w*\s+\S+\s+\S+\s"
    rb"|rabbitmqctl\s+(?:add_user|change_password)\s+\S+\s"
    rb"|net us(?:er|e)_(?:/user:\S+\s|\w+\s(?=\S+\s*/add))"
    rb"|(?:wandb login|snyk auth|ngrok config add-authtoken|ngrok authtoken|railway login)\s"
    rb"|sonar[^\n\r|;]{0,160}?-Dsonar\.(?:login|token)="
    rb"|(?:gh secret set|az keyvault secret set|vercel env add|fly secrets set)_(?:--body|--value|-b)[ =]"
    rb"|npm config set\s+\S*_authToken\s"
    rb"|AUTH\s+(?:\S+\s+)?(?=\S{12,})"
    rb"|(?:requirepass|masterauth|bindpw|enable secret \d)\s"
    rb"|ConvertTo-SecureString\s+(?:-String\s+)?)".replace(b"_-", _REST + b"-").replace(b"_(", _REST + b"(")
    + _VALUE
)
_LOGIN: Final = re.compile(
    rb"(?:(?i:NetworkCredential|HTTPBasicAuth|BasicAuth|login|auth|getConnection|PDO)\s*=?\s*\("
    rb"(?:\s*\\*[\"'][^\"'\n]{1,120}\\*[\"']\s*,){1,2}\s*|(?:http|https|xh)\s+-a\s+[\w.@-]+:|lftp\s+-u\s+[\w.@-]+,|smbclient[^\n]{0,80}-U\s+[\w.@-]+%"
    rb"|sqlplus\s+[\w.-]+/|oracle:thin:[\w.-]+/|xfreerdp[^\n]{0,120}\s/p:)" + _VALUE
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
_AUTH_FIELD: Final = re.compile(rb"auth(?:\\*\"\s*:\s*\\*\"|\s*=\s*)([A-Za-z0-9+/=]{8,})")


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to give a password. Its last group that took part is the password, if that `holds`.

    One of the `words`, in lower case, is in each text that has it, and the `sign`.
    """

    words: frozenset[bytes]
    sign: bytes
    pattern: re.Pattern[bytes]
    holds: Callable[[bytes], bool]
    kind: str = "password"


def _words(text: bytes) -> frozenset[bytes]:
    return frozenset(text.split())


def _is_chosen(value: bytes) -> bool:
    return could_be_password(value, "quoted")


def _is_given(value: bytes) -> bool:
    return could_be_password(value.rstrip(b");,@"), "quoted") and not value.startswith(b"-")


def _is_meant(value: bytes) -> bool:
    return not is_stand_in(value)


_WAYS: Final = (
    _Way(_words(b"curl"), b" -", _USER, _is_chosen),
    _Way(
        _words(
            b"""mysql mysqldump mariadb mysqladmin mysqlimport sshpass docker podman helm az oc redis mongo mongosh mongodump
            mongorestore vncviewer ldapsearch ldapadd ldapmodify sqlcmd zip 7z bcp openssl keytool htpasswd rabbitmqctl net wandb
            snyk ngrok gh railway sonar vercel fly npm auth requirepass masterauth bindpw enable convertto"""
        ),
        b" ",
        _FLAG,
        _is_given,
    ),
    _Way(_words(b"networkcredential httpbasicauth basicauth login auth getconnection pdo"), b"(", _LOGIN, _is_given),
    _Way(_words(b"http https xh lftp smbclient sqlplus oracle xfreerdp"), b"", _LOGIN, _is_given),
    _Way(_words(b"echo printf"), b"|", _PIPED, _is_chosen),
    _Way(_words(b"machine default"), b"login", _NETRC, _is_meant),
    _Way(_words(b"auth"), b"=", _AUTH_FIELD, is_basic, "auth"),
    _Way(_words(b"auth"), b":", _AUTH_FIELD, is_basic, "auth"),
)


_WORDS: Final = frozenset(word for way in _WAYS for word in way.words)


def command_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield the passwords of command lines and password files."""
    for way in () if _WORDS.isdisjoint(scanned.words) else _WAYS:
        for word in way.words & scanned.words if way.sign in scanned.lowered else ():
            yield from _given(scanned, way, word)
    if b":5432:" in scanned.raw or (b"*" in scanned.raw and b":*:" in scanned.raw):
        for found in _PGPASS.finditer(scanned.raw):
            if _is_chosen(found[1]):
                yield Finding.of(scanned.text, *found.span(1), "password")


def _given(scanned: Scanned, way: _Way, word: bytes) -> Iterator[Finding]:
    for place in scanned.places(word):
        found = way.pattern.match(scanned.raw, place)
        if found is not None and way.holds(found[found.lastindex or 0]):
            yield Finding.of(scanned.text, *found.span(found.lastindex or 0), way.kind)
