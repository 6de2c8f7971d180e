"""Detect what stands beside a telling name: `password=…`, `"api_key": "…"`, `--token …`. Scanned text in, findings out.

Names and values are read in every dress they have in text, JSON in JSON, code, YAML, XML, command lines and addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from otel_agenttrace.redact.findings import Finding, plain
from otel_agenttrace.redact.scanned import GLUED, Scanned
from otel_agenttrace.redact.standins import could_be_password, is_random, is_stand_in

__all__ = ["NameKind", "kind_of_name", "named_finding", "named_findings"]

NameKind: TypeAlias = Literal["password", "phrase", "secret", "cookie"]
"""What a name says of its value: chosen by a person, one or several words; drawn by a machine; pairs of a cookie."""

_LITERALS: Final = (
    b"pass",
    b"pwd",
    b"secret",
    b"token",
    b"key",
    b"cred",
    b"auth",
    b"cookie",
    b"sessi",
    b"mnemonic",
    b"_pat",
    b"phrase",
    b"connect.sid",
)
"""Each telling name holds one of these, and most texts hold few of them."""

_IN_QUERIES: Final = (b"sig=", b"signature=")

_LONGEST_NAME: Final = 80
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TAILS: Final = frozenset(
    [
        "value",
        "data",
        "plain",
        "text",
        "raw",
        "str",
        "string",
        "b64",
        "base64",
        "pem",
        "prod",
        "production",
        "staging",
        "stage",
        "dev",
        "live",
        "test",
        "default",
        "main",
        "new",
        "old",
        "current",
        "primary",
        "secondary",
        "hex",
        "enc",
        "here",
    ]
)
"""Words behind the one that tells."""

_PASSWORDS: Final = ("password", "passwd", "passwort", "contraseña", "passcode")
_SHORT_PASSWORDS: Final = frozenset({"pwd", "pass", "pw", "passwd"})
_PHRASES: Final = frozenset({"passphrase", "mnemonic", "phrase"})
_SECRETS: Final = frozenset(
    [
        "secret",
        "secrets",
        "apikey",
        "apisecret",
        "accesskey",
        "secretkey",
        "privatekey",
        "authkey",
        "authtoken",
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "usertoken",
        "bottoken",
        "sessiontoken",
        "bearertoken",
        "token",
        "tokens",
        "credential",
        "credentials",
        "creds",
        "authorization",
        "bearer",
        "jwt",
        "jsessionid",
        "phpsessid",
        "sessionid",
        "clientsecret",
        "signingkey",
        "encryptionkey",
        "masterkey",
        "subscriptionkey",
        "accountkey",
        "sharedaccesskey",
        "pat",
        "webhooksecret",
        "appsecret",
        "apptoken",
        "devicetoken",
        "authenticator",
    ]
)
_NO_TOKENS: Final = frozenset(
    [
        "page",
        "next",
        "prev",
        "previous",
        "continuation",
        "cursor",
        "sync",
        "pagination",
        "stop",
        "eos",
        "bos",
        "pad",
        "unk",
        "special",
        "start",
        "end",
        "first",
        "last",
        "per",
        "mask",
        "max",
        "min",
        "num",
        "n",
        "resume",
        "total",
        "input",
        "output",
        "prompt",
        "completion",
        "cached",
        "reasoning",
        "image",
        "audio",
        "text",
        "count",
        "limit",
        "budget",
        "used",
        "remaining",
        "rate",
        "cost",
        "price",
        "thinking",
        "context",
        "sep",
        "cls",
        "new",
        "id",
        "ids",
        "type",
        "sampled",
        "position",
        "change",
        "delta",
        "offset",
        "scroll",
        "bookmark",
        "list",
        "marker",
        "query",
        "dedup",
        "idempotency",
        "client_request",
        "request",
        "transition",
    ]
)
_KEYS: Final = frozenset(
    [
        "api",
        "access",
        "secret",
        "private",
        "auth",
        "account",
        "shared",
        "encryption",
        "signing",
        "master",
        "service",
        "subscription",
        "license",
        "application",
        "app",
        "client",
        "consumer",
        "ssh",
        "deploy",
        "webhook",
        "admin",
        "functions",
        "function",
        "host",
        "sas",
        "write",
        "read",
        "ingest",
        "integration",
        "hmac",
        "aes",
        "cipher",
        "decryption",
        "jwt",
        "bot",
        "storage",
        "openai",
        "anthropic",
        "azure",
        "google",
        "gemini",
        "cohere",
        "mistral",
        "groq",
        "deepseek",
        "huggingface",
        "hf",
        "replicate",
        "stripe",
        "twilio",
        "sendgrid",
        "datadog",
        "dd",
        "newrelic",
        "sentry",
        "pinecone",
        "weaviate",
        "qdrant",
        "langsmith",
        "langfuse",
        "wandb",
        "github",
        "gitlab",
        "aws",
        "gcp",
        "cloudflare",
        "mailgun",
        "algolia",
        "alchemy",
        "infura",
        "etherscan",
        "serpapi",
        "serper",
        "tavily",
        "exa",
        "firecrawl",
        "elevenlabs",
        "deepgram",
        "assemblyai",
        "together",
        "fireworks",
        "perplexity",
        "xai",
        "openrouter",
        "voyage",
        "jina",
        "nvidia",
        "cerebras",
        "bedrock",
        "search",
        "maps",
        "firebase",
        "supabase",
        "airtable",
        "notion",
        "linear",
        "figma",
        "shopify",
        "square",
        "paypal",
        "fernet",
        "django",
        "flask",
        "rails",
        "base",
        "ocp",
        "apim",
        "wallet",
        "signer",
        "partner",
        "merchant",
        "vault",
        "token",
        "security",
    ]
)
_NO_KEYS: Final = frozenset(
    [
        "primary",
        "foreign",
        "public",
        "cache",
        "sort",
        "partition",
        "idempotency",
        "group",
        "order",
        "row",
        "object",
        "s3",
        "map",
        "lookup",
        "index",
        "unique",
        "composite",
        "range",
        "routing",
        "dedup",
        "publishable",
        "prompt",
        "translation",
        "i18n",
        "message",
        "json",
        "dict",
        "metadata",
        "attribute",
        "column",
        "natural",
        "surrogate",
        "answer",
        "site",
        "verification",
    ]
)
_SETTERS: Final = (b"ENV ", b"etx ")
_VERBS: Final = (b"is ", b"was", b"are", b"as ", b"to ", b"equ")
_EXACT: Final = frozenset({"sig", "signature", "x-amz-signature", "x-goog-signature"})
"""Telling in an address, and where a signature in hexadecimal digits follows."""

_SIGNATURE: Final = re.compile(rb"=[0-9a-f]{64}")

_QUOTE: Final = rb"(?:\\*[\"'`]|&quot;|&#39;|&#x27;)"
_SPACE: Final = rb"[ \t]{0,8}"
_ANNOTATION: Final = rb":[ \t]*[A-Za-z][\w.]*(?:\[[\w ,.|]*\])?(?:[ \t]*\|[ \t]*None)?[ \t]*=(?!=)"
_BETWEEN: Final = re.compile(
    rb"(?P<closed>"
    + _QUOTE
    + rb")?[\])]?"
    + _SPACE
    + rb"(?:"
    + _ANNOTATION
    + rb"|:-|:=|=>|->|=(?![=>])|:(?![:/?+])|%3[dDaA]|\\+u003[dD])"
    + _SPACE
    + rb"(?P<quote>"
    + _QUOTE
    + rb"(?!"
    + _QUOTE
    + rb"))?"
)
_AS_PAIR: Final = re.compile(
    _QUOTE
    + rb"\)?[ \t]{0,4},(?:[ \t]|\\*n|\n){0,12}(?:\\*[\"']?value\\*[\"']?[ \t]*[:=][ \t]*)?(?P<quote>"
    + _QUOTE
    + rb")"
)
_AS_VALUE: Final = re.compile(
    rb"(?:" + _QUOTE + rb")?(?:[ \t]|\\+n|\r?\n)+(?:(?:-|\+)[ \t]+)?value[ \t]*[:=][ \t]*(?P<quote>" + _QUOTE + rb")?"
)
_AS_FLAG: Final = re.compile(rb"(?:[ \t]+|=)(?:(?P<quote>" + _QUOTE + rb")|(?!-))")
_AS_ELEMENT: Final = re.compile(rb"(?:\\*\"[ \t]*)?(?:>|&gt;|\\+u003[eE])(?P<quote>)(?:<!\[CDATA\[)?")
_AS_PROSE: Final = re.compile(
    rb"[*`]{0,3}(?: for [\w.@-]+:)?"
    rb"(?:[ \t]+(?:is|was|are|as|to|equals)(?:[ \t]+set[ \t]+to)?[ \t]*:?[ \t]+|[ \t]*\|[ \t]*|[ \t]*\([ \t]*(?=[\"'])|(?<=:)[ \t]+)"
    rb"(?P<quote>[*`]{1,3}|" + _QUOTE + rb")?"
)
_ESCAPED: Final = rb"|\\+/|\\+u00(?:2[^27]|3[dDaAfF]|40|5[fF]|7[eE])"
"""What a value may hold in JSON's dress: a slash, and signs that are written as their numbers."""

_BARE: Final = re.compile(rb"(?:[^\s\"'`,;<>|&(){}\[\]\\]" + _ESCAPED + rb")+")
_LINE: Final = re.compile(rb"(?:[^\s\"'`\\]" + _ESCAPED + rb")+")
_INNER: Final = re.compile(rb"(?:[^<&\s\\]" + _ESCAPED + rb")+")
_MOST: Final = 8192
_SPACED: Final = re.compile(
    rb"(?i:api|access|secret|private|auth|client|license|service|signing|encryption|subscription) $"
)
"""What makes a secret of the `key` behind it, where people write."""

_COOKIE: Final = re.compile(rb"(?<=[;\s:\"'])[^=;\s\"]{1,60}=([^;\s\"'\\,]{8,})")
_COOKIES: Final = re.compile(_QUOTE + rb"?[ \t]*[:=,][ \t]*" + _QUOTE + rb"?[^\r\n\"\\]{0,4000}")


@lru_cache(maxsize=4096)
def kind_of_name(name: str) -> NameKind | None:
    """Return what a name says of its value, or None if it is not telling."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _TAILS or words[-1].isdigit()):
        words.pop()
    if not words:
        return None
    last, before = words[-1], words[:-1]
    if last.endswith(_PASSWORDS) or last in _SHORT_PASSWORDS:
        return "password"
    if last in _PHRASES:
        return "phrase" if last != "phrase" or before[-1:] in (["pass"], ["seed"], ["recovery"], ["secret"]) else None
    if last == "cookie":
        return "cookie"
    if last in ("token", "tokens") and (_NO_TOKENS.intersection(before) or last == "tokens"):
        return None
    if last in _SECRETS or (last == "auth" and before):
        return "secret"
    if last == "sid" and before[-1:] == ["connect"]:
        return "secret"
    if last == "id" and before[-1:] == ["secret"]:
        return "secret"
    if (
        last == "key"
        and before
        and not _NO_KEYS.intersection(before)
        and (_KEYS.intersection(before) or name.isupper())
    ):
        return "secret"
    return None


def named_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield what stands beside telling names."""
    lowered = scanned.lowered
    seen: set[int] = set()
    for literal in (*_LITERALS, *_IN_QUERIES) if b"=" in lowered else _LITERALS:
        if literal in lowered:
            for place in scanned.places(literal):
                start, end = _name_around(scanned, place)
                if end not in seen:
                    seen.add(end)
                    yield from _beside(scanned, start, end)


def named_finding(name: str, value: str) -> Finding | None:
    """Return the finding for the whole value of a member whose name tells, or None."""
    kind = kind_of_name(name)
    raw = value.encode("ascii", "replace")
    if kind is None or kind == "cookie" or not _is_secret(kind, raw, is_quoted=True):
        return None
    return Finding(0, len(value), _kind(kind, raw), value)


def _name_around(scanned: Scanned, place: int) -> tuple[int, int]:
    raw, names = scanned.raw, scanned.names
    start = names.rfind(b" ", max(0, place - _LONGEST_NAME), place) + 1 or max(0, place - _LONGEST_NAME)
    end = names.find(b" ", place, place + _LONGEST_NAME)
    end = min(len(raw), place + _LONGEST_NAME) if end < 0 else end
    glue = GLUED.match(raw, start)
    if glue is not None and glue.end() <= place:
        start = glue.end()
    while raw[end - 1 : end] in (b".", b"-"):
        end -= 1
    return start, end


def _is_followed_by_prose(raw: bytes, end: int) -> bool:
    """Whether another word follows that gives no value, as in most sentences that speak of tokens or keys."""
    return raw[end : end + 1] == b" " and raw[end + 1 : end + 2].isalpha() and raw[end + 1 : end + 4] not in _VERBS


@lru_cache(maxsize=4096)
def _told_by(name: bytes) -> NameKind | Literal["key", "signature"] | None:
    """Return what a name as it is written says, `key` and `signature` if what stands around it decides."""
    word = name.decode().lstrip("-$.")
    kind = kind_of_name(word)
    if kind is not None:
        return kind
    if word in ("key", "Key", "KEY"):
        return "key"
    return "signature" if word.lower() in _EXACT else None


def _kind_at(raw: bytes, start: int, end: int) -> NameKind | None:
    """Return what the name at a place says of what stands beside it."""
    told = _told_by(raw[start:end])
    if told == "key":
        return "secret" if _SPACED.search(raw, max(0, start - 16), start) else None
    if told == "signature":
        is_signed = raw[start - 1 : start] in (b"?", b"&", b";") and raw[end : end + 1] == b"="
        return "secret" if is_signed or _SIGNATURE.match(raw, end) else None
    return told


def _beside(scanned: Scanned, start: int, end: int) -> Iterator[Finding]:
    raw = scanned.raw
    kind = _kind_at(raw, start, end)
    if kind is None:
        return
    name = raw[start:end].decode()
    if _is_followed_by_prose(raw, end) and name[:1] != "-" and raw[max(0, start - 4) : start] not in _SETTERS:
        return
    if raw[start - 1 : start] == b":" and b"arn:" in raw[max(0, start - 60) : start]:
        return
    if kind == "cookie":
        yield from _cookies(scanned, end)
        return
    for between, expects in _ways(raw, start, end, name):
        found = between.match(raw, end)
        if found is not None:
            value = _value(raw, found, start, is_chosen=kind == "password")
            if value is not None and value[1] > value[0] and _holds(kind, scanned, value, found, expects):
                yield _named(scanned, kind, value, found)
                return


_Way: TypeAlias = "tuple[re.Pattern[bytes], str]"


def _ways(raw: bytes, start: int, end: int, name: str) -> Iterator[_Way]:
    yield _BETWEEN, "any"
    yield _AS_PAIR, "strong"
    yield _AS_VALUE, "any"
    if name.startswith("-") or raw[max(0, start - 4) : start] in _SETTERS:
        yield _AS_FLAG, "any"
    if raw[start - 1 : start] in (b"<", b":", b'"', b"'", b";"):
        yield _AS_ELEMENT, "any"
    yield _AS_PROSE, "strong"


def _value(raw: bytes, between: re.Match[bytes], start: int, *, is_chosen: bool) -> tuple[int, int] | None:
    """Return where the value begins and ends: up to its quote, or to what ends a word there."""
    begin = between.end()
    quote = between["quote"]
    if quote and quote[-1:] not in b"*":
        return begin, _closing(raw, begin, quote)
    found = _unquoted(raw, start, between, is_chosen=is_chosen).match(raw, begin, begin + _MOST)
    if found is None:
        return None
    end = begin + len(found[0].rstrip(b".,;:)]}*!?" if between.re is _AS_PROSE else b".,;:)]}*"))
    is_code = raw[end : end + 1] and raw[found.end() : found.end() + 1] in b"\"'`" and found[0][-1:] in b"([{"
    return None if is_code else (begin, end)


def _unquoted(raw: bytes, start: int, between: re.Match[bytes], *, is_chosen: bool) -> re.Pattern[bytes]:
    """Return what a value may hold that stands in no quotes: in a file of variables, and in prose, nearly all."""
    if between.re is _AS_ELEMENT:
        return _INNER
    told = raw[between.start() : between.end()]
    is_line = raw[start - 1 : start] in (b"", b"\n") or raw[max(0, start - 7) : start].endswith((b"export ", b"\\n"))
    if is_line and told == b"=":
        return _LINE
    return _LINE if is_chosen and told[-1:].isspace() and told.strip() != b"=" else _BARE


def _closing(raw: bytes, begin: int, quote: bytes) -> int:
    """Return where the quote closes that was opened with so many backslashes: one with more of them is inside."""
    if quote.startswith(b"&"):
        place = raw.find(quote, begin, begin + _MOST)
        return place if place >= 0 else _bare_end(raw, begin)
    depth, mark = len(quote) - 1, quote[-1:]
    place = raw.find(mark, begin, begin + _MOST)
    while place >= 0:
        slashes = place - len(raw[begin:place].rstrip(b"\\")) - begin
        if slashes < depth:  # that of a text around: what opened there was the end of another
            return begin
        if slashes == depth:
            return place - slashes
        place = raw.find(mark, place + 1, begin + _MOST)
    return _bare_end(raw, begin)


def _bare_end(raw: bytes, begin: int) -> int:
    """Return the end of a value whose quote never closes: a text that was cut off."""
    found = _LINE.match(raw, begin, begin + _MOST)
    return found.end() if found is not None else begin


def _holds(kind: NameKind, scanned: Scanned, value: tuple[int, int], between: re.Match[bytes], expects: str) -> bool:
    written = plain(scanned.text[value[0] : value[1]]).encode("ascii", "replace")
    is_quoted = bool(between["quote"])
    if not is_quoted and scanned.raw[value[1] : value[1] + 1] in (b"(", b"[", b"{"):  # code
        return False
    if expects == "strong" and (written.replace(b"-", b"").replace(b"_", b"").isalpha() or len(written) < 6):
        return False
    if between.re is _AS_PROSE and not any(byte in b"0123456789!@#$%^&*+=~" for byte in written):
        return False
    return _is_secret(kind, written, is_quoted=is_quoted or between.re is _AS_ELEMENT)


def _is_secret(kind: NameKind, value: bytes, *, is_quoted: bool) -> bool:
    if kind == "phrase" and b" " in value:
        return (
            len(value) >= 12
            and not is_stand_in(value)
            and value == value.lower()
            and value.replace(b" ", b"").isalnum()
        )
    if kind in ("password", "phrase"):
        if value.isdigit():
            return len(value) >= 6
        return could_be_password(value, is_quoted=is_quoted)
    return not value.isdigit() and is_random(value)


def _kind(kind: NameKind, value: bytes) -> str:
    return "secret" if kind == "secret" and len(value) >= 16 else "password"


def _named(scanned: Scanned, kind: NameKind, value: tuple[int, int], between: re.Match[bytes]) -> Finding:
    begin, end = value
    written = scanned.raw[begin:end]
    closed = between.groupdict().get("closed")
    quote = closed.decode() if closed and not between["quote"] and written.isdigit() else ""
    return Finding.of(scanned.text, begin, end, _kind(kind, written), quote)


def _cookies(scanned: Scanned, end: int) -> Iterator[Finding]:
    """Yield the values of the cookies that a header holds."""
    line = _COOKIES.match(scanned.raw, end)
    if line is None:
        return
    for found in _COOKIE.finditer(scanned.raw, line.start(), line.end()):
        if is_random(found[1]):
            begin, last = found.span(1)
            yield Finding.of(scanned.text, begin, last, _kind("secret", found[1]))
