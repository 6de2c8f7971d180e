"""Detect what stands beside a telling name: `password=…`, `"api_key": "…"`, `--token …`. Scanned text in, findings out.

Names and values are read in every dress they have in text, JSON in JSON, code, YAML, XML, command lines and addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from otel_agenttrace.redact.findings import Finding, plain
from otel_agenttrace.redact.names import NameKind, kind_of_name
from otel_agenttrace.redact.scanned import GLUED, Scanned
from otel_agenttrace.redact.standins import Dress, could_be_password, is_drawn, is_random, is_stand_in
from otel_agenttrace.redact.tables import column_findings

__all__ = ["named_finding", "named_findings"]

_LITERALS: Final = (b"pass", b"pwd", b"secret", b"token", b"key", b"cred", b"auth")
"""Most telling names hold one of these, and most texts hold few of them."""

_LITERAL_WORDS: Final = frozenset(
    b"""cookie cookies jsessionid phpsessid sessionid mnemonic pat phrase sid kennwort contrasena wachtwoord senha pw mdp psk haslo
    losenord parola sig signature pasword passwrd""".split()
)
"""The others are, or end with, one of these words."""

_LONGEST_NAME: Final = 80
_SETTERS: Final = re.compile(rb"(?:\bENV|\bsetx|\bsetenv|\bset -g?x|\bset -xg|\bset -Ux|#define|\bconfigure set) $")
"""What stands before a name whose value follows a space."""

_EXACT: Final = frozenset({"sig", "signature", "x-amz-signature", "x-goog-signature"})
"""Telling in an address, and where a signature in hexadecimal digits follows."""

_SIGNATURE: Final = re.compile(rb"=[0-9a-f]{64}")
_SPACED: Final = re.compile(
    rb"(?i:api|access|secret|private|auth|client|license|service|signing|encryption|subscription|unseal|seed|recovery|my|your new) $"
)
"""What makes a secret of the `key` or `phrase` behind it, where people write."""

# --- what stands between a name and its value -----------------------------------------------------------------------

_QUOTE: Final = rb"(?:\\*[\"'`]|&quot;|&#39;|&#x27;|\\+u002[27])"
_OPENS: Final = rb"(?:[bBrRfFuUN@$]{1,2}(?=\\*[\"']))?(?P<quote>" + _QUOTE + rb"(?!" + _QUOTE + rb"))"
_NEWLINE: Final = rb"(?:\r?\n|(?:\\+r)?\\+n)"
_COLOUR: Final = rb"(?:\x1b|\\+u001[bB]|\\+x1[bB]|\\+033|\\+e)\[[0-9;]*m"
_SPACE: Final = rb"(?:[ \t]|" + _COLOUR + rb"){0,8}"
_STRESS: Final = rb"(?:\*{1,3}|_{2,3}|</\w{1,10}>)?"
_TYPE: Final = (
    rb":[ \t]*&?'?[A-Za-z][\w.]*(?: ?\w+)?(?:\[[\w ,.|]*\])?(?:[ \t]*\|[ \t]*None)?(?:[ \t]+=(?![=>])|=(?=\\*[\"']))"
    rb"|[ \t]*\{[^{}\n]{0,40}\}[ \t]*="
)
_BETWEEN: Final = re.compile(
    rb"(?:"
    + _QUOTE
    + rb")?[\])]?(?:\[\d*\])?"
    + _SPACE
    + _STRESS
    + _SPACE
    + rb"(?:"
    + _TYPE
    + rb"|:-|:=|=>|->|=(?![=>])|:(?![:/])|%3[dDaA]|\\+u003[dD])"
    + _STRESS
    + _SPACE
    + rb"(?:"
    + _OPENS
    + rb")?"
)
_PAIR: Final = re.compile(
    _QUOTE + rb"[\])]?[ \t]{0,4},(?:[ \t]|\\*n|\n){0,12}"
    rb"(?:\\*[\"']?(?i:value|val|default|content)\\*[\"']?[ \t]*[:=][ \t]*)?" + _OPENS
)
_VALUE: Final = re.compile(
    rb"(?:" + _QUOTE + rb")?(?:[ \t]|\\+n|\r?\n)+(?:(?:-|\+)[ \t]+)?(?i:value|val)[ \t]*[:=][ \t]*(?:" + _OPENS + rb")?"
)
_NESTED: Final = re.compile(
    _QUOTE + rb"?[ \t]*[:=][ \t]*(?:\{[ \t]*\\*\"(?i:value|secret|token|key|plaintext)\\*\"[ \t]*:|\[)[ \t]*" + _OPENS
)
_DEFAULT: Final = re.compile(_QUOTE + rb"[ \t]*\{[^{}]{0,300}?\bdefault[ \t]*=[ \t]*" + _OPENS)
_BLOCK: Final = re.compile(
    rb"[ \t]*(?::[ \t]*(?:[|>][+-]?|!!str|&\w+)?[ \t]*(?:"
    + _NEWLINE
    + rb"[ \t]+)?|=[ \t]*<<[-~]?[\"']?\w+[\"']?"
    + _NEWLINE
    + rb"[ \t]*)(?P<quote>)(?=[^\s|>!&])"
)
_FLAG: Final = re.compile(rb"(?:[ \t]+|=)(?:" + _OPENS + rb"|(?P<bare>)(?!-))")
_ELEMENT: Final = re.compile(
    rb"(?:\\*\"[ \t]*|[ \t][^<>\n]{0,200})?(?:>|&gt;|\\+u003[eE])(?P<quote>)(?:<!\[CDATA\[)?"
    rb"|</\w{1,10}>\s*(?:<(?!/)[^<>\n]{0,80}>\s*)+"
)
_CALL: Final = re.compile(
    _QUOTE + rb"?\)?(?:\.(?:fill|type|send_keys|sendKeys|setValue|press_sequentially))?\([ \t]*" + _OPENS
)
_FIELD: Final = re.compile(
    rb"[\w \])]{0,20}"
    + _QUOTE
    + rb"(?:,[ \t]*\\*\"\w{1,12}\\*\":[ \t]*\\*\"[^\"\\]{0,60}\\*\"){0,2},[ \t]*\\*\"(?i:text|value)\\*\":[ \t]*"
    + _OPENS
)
_QUOTED: Final = re.compile(rb"[ \t]+" + _OPENS)
_PART: Final = re.compile(
    _QUOTE
    + rb"(?:;[^\n\r\\]{0,80})?(?:"
    + _NEWLINE
    + rb"[\w-]+: [^\n\r\\]{0,60})?"
    + _NEWLINE
    + _NEWLINE
    + rb"(?P<quote>)"
)
_FORM_PART: Final = re.compile(rb"\\*\"\\*\"(?:,\\*\"[^\"\\]{0,80}\\*\"){0,4}\],\\*\"text\\*\":" + _OPENS)
"""Between the name of a part of a form and its content, as a stored request has them."""

_VERB: Final = rb"(?:is|was|are|as|to|equals|ist|lautet|est|es|e|\?|=)(?:[ \t]+set[ \t]+to)?"
_PROSE: Final = re.compile(
    rb"[*`]{0,3}(?:[ \t]+"
    + _VERB
    + rb"[ \t]*:?[ \t]+|[ \t]*\|[ \t]*|'s[ \t]+|(?<=:)[ \t]+)(?:(?P<quote>[*`]{1,3}|"
    + _QUOTE
    + rb"))?"
)
_FURTHER: Final = re.compile(
    rb"(?:[ \t]+[\w@.'()/`-]{1,30}){0,8}?(?:[ \t]+"
    + _VERB
    + rb"(?:[ \t]*:)?|[ \t]*[:=])(?:[ \t]+|[ \t]*"
    + _NEWLINE
    + rb"[ \t]*){1,3}"
    rb"(?:(?P<quote>[*`]{1,3}|" + _QUOTE + rb"))?"
)
_NEXT: Final = re.compile(rb"(?:[ \t]+|\\+t|:?[ \t]*" + _NEWLINE + rb"[ \t]*)(?P<quote>[*`]{1,3}|" + _QUOTE + rb")?")

_ESCAPED: Final = rb"|\\+/|\\+u00(?:2[^27]|3[dDaAfF]|40|5[fF]|7[eE])"
"""What a value may hold in JSON's dress: a slash, and signs that are written as their numbers."""

_BARE: Final = re.compile(rb"(?:[^\s\"'`,;<>|&(){}\[\]\\]" + _ESCAPED + rb")+|\{[^\s{}\"']+\}(?=;)")
_LINE: Final = re.compile(rb"(?:[^\s\"'`\\]|['`](?=[\w!#%*+./@^~-])" + _ESCAPED + rb")+")
_INNER: Final = re.compile(rb"(?:[^<&\s\\]|&amp;" + _ESCAPED + rb")+")
_NUMBERED: Final = re.compile(rb"[A-Za-z][A-Za-z_.#-]*\d{3,}\Z")
"""What people make of a word that has to have numbers in it."""

_GROUPS: Final = re.compile(rb"[a-z]{4}(?: [a-z]{4}){3}(?![a-z])")
_MNEMONIC: Final = re.compile(rb"(?:[a-z]{3,8} ){11,23}[a-z]{3,8}\b")
_MOST: Final = 8192
_LONG: Final = 1000

_Expects: TypeAlias = Literal["any", "strong", "drawn"]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way from a name to its value, and how much the value itself must tell: nothing, that it is no word, all."""

    pattern: re.Pattern[bytes]
    expects: _Expects = "any"


_SETTING: Final = tuple(_Way(pattern) for pattern in (_BETWEEN, _VALUE, _NESTED, _DEFAULT, _BLOCK))
_WAYS: Final = (
    _SETTING[0],
    _Way(_PAIR, "strong"),
    *_SETTING[1:],
    _Way(_CALL),
    _Way(_FIELD, "strong"),
    _Way(_PART),
    _Way(_FORM_PART),
    _Way(_QUOTED, "strong"),
)
_AS_FLAG: Final = _Way(_FLAG)
_AS_ELEMENT: Final = _Way(_ELEMENT)
_IN_PROSE: Final = (_Way(_PROSE, "strong"), _Way(_FURTHER, "drawn"), _Way(_NEXT, "drawn"))


# --- names ------------------------------------------------------------------------------------------------------------


def named_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield what stands beside telling names."""
    if not scanned.text.isascii():
        yield from _foreign_findings(scanned)
    lowered = scanned.lowered
    seen: set[int] = set()
    for literal in (*_LITERALS, *(_LITERAL_WORDS & scanned.words)):
        scanned.judged = 0
        if literal in lowered:
            for place in scanned.places(literal):
                start, end = _name_around(scanned, place)
                if end not in seen and start >= scanned.judged:
                    seen.add(end)
                    yield from _beside(scanned, start, end)


_FOREIGN: Final = re.compile(
    r"(?:пароль|密码|密碼|口令|密钥|密鑰|パスワード|비밀번호|암호)(?:\s|是|は|为|為|[:：=—-]|это|는|은)*\s*([!-~]{6,64})",
    re.IGNORECASE,
)
"""The word in scripts of which no letter has a form in ASCII, and what follows."""


def _foreign_findings(scanned: Scanned) -> Iterator[Finding]:
    for found in _FOREIGN.finditer(scanned.text):
        value = found[1].rstrip(".,;:!?\"'\\}])").encode()
        if any(byte in b"0123456789" for byte in value) and could_be_password(value, "quoted"):
            yield Finding.of(scanned.text, found.start(1), found.start(1) + len(value), "password")


def named_finding(name: str, value: str) -> Finding | None:
    """Return the finding for the whole value of a member whose name tells, or None."""
    kind = kind_of_name(name)
    if kind is None or kind == "cookie":
        return None
    raw = value.encode("ascii", "replace")
    if not _is_secret(kind, raw, "quoted"):
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


@lru_cache(maxsize=4096)
def _told_by(name: bytes) -> NameKind | Literal["key", "signature"] | None:
    """Return what a name as it is written says, `key` and `signature` if what stands around it decides."""
    word = name.decode().lstrip("-$.")
    kind = kind_of_name(word)
    if kind is not None:
        return kind
    if word.lower() in ("key", "phrase"):
        return "key"
    return "signature" if word.lower() in _EXACT else None


def _kind_at(raw: bytes, start: int, end: int) -> NameKind | None:
    """Return what the name at a place says of what stands beside it."""
    told = _told_by(raw[start:end])
    if told == "key":
        if not _SPACED.search(raw, max(0, start - 16), start):
            return None
        return "phrase" if raw[start:end].lower() == b"phrase" else "secret"
    if told == "signature":
        is_signed = raw[start - 1 : start] in (b"?", b"&", b";") and raw[end : end + 1] == b"="
        return "secret" if is_signed or _SIGNATURE.match(raw, end) else None
    return told


# --- values -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A telling name in a text."""

    scanned: Scanned
    kind: NameKind
    start: int
    end: int

    @property
    def is_flag(self) -> bool:
        """Whether its value follows a space."""
        raw = self.scanned.raw
        return (
            raw[self.start : self.start + 1] == b"-"
            or _SETTERS.search(raw, max(0, self.start - 16), self.start) is not None
        )

    @property
    def begins_line(self) -> bool:
        """Whether it begins a line of settings."""
        raw = self.scanned.raw
        return _BEGINNING.search(raw, max(0, self.start - 32), self.start) is not None

    @property
    def is_in_template(self) -> bool:
        """Whether it stands in the braces of a template."""
        before = self.scanned.raw[max(0, self.start - 120) : self.start]
        before = before[before.rfind(b"\n") + 1 :]
        return before.rfind(b"{{") > before.rfind(b"}}")


_BEGINNING: Final = re.compile(
    rb"(?:\A|\n|\\n|[;&?])[ \t]*(?:[-+#>] ?)*(?:export |set |declare -x |ENV |-e |--?|\$env:)?\Z|-e |-D|--(?:env|build-arg|set|from-literal)[ =]\S{0,40}\Z"
)


def _beside(scanned: Scanned, start: int, end: int) -> Iterator[Finding]:
    raw = scanned.raw
    kind = _kind_at(raw, start, end)
    if kind is None or (raw[start - 1 : start] == b":" and b"arn:" in raw[max(0, start - 60) : start]):
        return
    if kind == "cookie":
        yield from _cookies(scanned, end)
        return
    place = _Place(scanned, kind, start, end)
    for way in _ways(place):
        between = way.pattern.match(raw, end)
        found = _found(place, way, between) if between is not None else None
        if found is not None:
            yield found
            return
    yield from column_findings(scanned, start, end, lambda value: _is_secret(kind, value, "quoted"), _kind(kind, b""))


def _ways(place: _Place) -> Iterator[_Way]:
    raw, end = place.scanned.raw, place.end
    is_tag = raw[place.start - 1 : place.start] in (b"<", b":")
    if raw[end : end + 1] == b" " and raw[end + 1 : end + 2].isalpha() and not place.is_flag and not is_tag:
        yield _WAYS[0]
        yield from _IN_PROSE
        return
    yield from _WAYS
    if place.is_flag:
        yield _AS_FLAG
    if raw[place.start - 1 : place.start] in (b"<", b":", b">", b";", b'"', b"'"):
        yield _AS_ELEMENT
    yield from _IN_PROSE


def _found(place: _Place, way: _Way, between: re.Match[bytes]) -> Finding | None:
    """Return the finding for the value behind a name, or None if it is no secret."""
    value = _value(place, way, between)
    if value is None or value[1] <= value[0]:
        return None
    raw, begin, end = place.scanned.raw, *value
    if end - begin > _LONG:  # the names in it are not looked at once more
        place.scanned.judged = end
    dress = _dress(place, way, between, end)
    written = plain(raw[begin:end].decode()).encode("ascii", "replace")
    if dress != "quoted" and raw[end : end + 1] in (b"(", b"[", b"{"):  # code
        return None
    if not _tells(place, way, written) or not _is_secret(place.kind, written, dress):
        return None
    return Finding.of(place.scanned.text, begin, end, _kind(place.kind, raw[begin:end]))


def _tells(place: _Place, way: _Way, value: bytes) -> bool:
    """Whether a value tells as much of itself as a way asks for."""
    if way.expects == "drawn":
        return is_drawn(value)
    if way.pattern is _PROSE and place.is_in_template:
        return False
    if way.expects == "any":
        return True
    is_word = value.replace(b"-", b"").replace(b"_", b"").isalpha()
    if way.pattern is _PROSE and _NUMBERED.search(value):
        return True
    if way.pattern is _PROSE and (is_word or (any(sign in value for sign in b"-_/") and not is_random(value))):
        return is_word and is_random(value)
    return len(value) >= 6 and (not is_word or is_random(value))


def _value(place: _Place, way: _Way, between: re.Match[bytes]) -> tuple[int, int] | None:
    """Return where the value begins and ends: up to its quote, or to what ends a word there."""
    raw, begin = place.scanned.raw, between.end()
    quote = between.groupdict().get("quote")
    if quote and quote[-1:] != b"*":
        return begin, _closing(raw, begin, quote)
    if raw[begin : begin + 1] in (b"?", b"+") and raw[max(0, place.start - 2) : place.start] == b"${":
        return None
    found = _unquoted(place, way, between).match(raw, begin, begin + _MOST)
    if found is None:
        return None
    written = found[0].rstrip(b".,;:)]*!?" if way.pattern in (_PROSE, _FURTHER, _NEXT) else b".,;:)]}*")
    if found[0][:1] == b"{" and found[0][-1:] == b"}":
        return begin + 1, found.end() - 1
    end = begin + len(written)
    if way is _AS_ELEMENT and not raw.startswith((b"</", b"<\\/", b"&lt;/", b"]]>", b"\\u003c/"), found.end()):
        return None
    is_code = bool(raw[found.end() : found.end() + 1]) and raw[found.end()] in b"\"'`" and found[0][-1:] in b"([{"
    return None if is_code else (begin, end)


def _unquoted(place: _Place, way: _Way, between: re.Match[bytes]) -> re.Pattern[bytes]:
    """Return what a value may hold that stands in no quotes: in a file of variables, and in prose, nearly all."""
    if way is _AS_ELEMENT:
        return _INNER
    if place.kind == "phrase" and _MNEMONIC.match(place.scanned.raw, between.end()):
        return _MNEMONIC
    if place.kind == "password" and _GROUPS.match(place.scanned.raw, between.end()):
        return _GROUPS
    told = place.scanned.raw[between.start() : between.end()]
    if (
        told == b"="
        and place.begins_line
        and place.scanned.raw[place.start - 1 : place.start] not in (b"?", b"&", b";")
    ):
        return _LINE
    is_wide = place.kind == "password" and told[-1:].isspace() and told.strip() != b"="
    return _LINE if is_wide or way.pattern is _BLOCK else _BARE


def _dress(place: _Place, way: _Way, between: re.Match[bytes], end: int) -> Dress:
    """Return how a value stands."""
    if between.groupdict().get("quote") or way is _AS_ELEMENT:
        return "quoted"
    raw = place.scanned.raw
    told = raw[between.start() : between.end()]
    is_setting = way in _SETTING and (told.strip() != b"=" or told == b"=")
    is_last = raw[end : end + 1] in (b"", b"\n", b"\r", b"\\", b'"', b"'", b"&", b";", b"`")
    return "line" if (is_setting and place.begins_line and is_last) or way is _AS_FLAG else "bare"


def _closing(raw: bytes, begin: int, quote: bytes) -> int:
    """Return where the quote closes that was opened with so many backslashes: one with more of them is inside."""
    if quote[-1:] not in b"\"'`":
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


def _is_secret(kind: NameKind, value: bytes, dress: Dress) -> bool:
    if kind == "phrase" and b" " in value:
        return len(value) >= 12 and not is_stand_in(value) and value.islower() and value.replace(b" ", b"").isalnum()
    if kind in ("password", "phrase"):
        return len(value) >= 6 and dress == "quoted" if value.isdigit() else could_be_password(value, dress)
    return not value.isdigit() and is_random(value)


def _kind(kind: NameKind, value: bytes) -> str:
    return "secret" if kind == "secret" and len(value) >= 16 else "password"


# --- cookies ----------------------------------------------------------------------------------------------------------

_COOKIE: Final = re.compile(rb"(?<=[;\s:\"'])[^=;\s\"]{1,60}=([^;\s\"'\\,]{8,})")
_COOKIES: Final = re.compile(_QUOTE + rb"?[ \t]*[:=,][ \t]*" + _QUOTE + rb"?[^\r\n\"\\]{0,4000}")


def _cookies(scanned: Scanned, end: int) -> Iterator[Finding]:
    """Yield the values of the cookies that a header holds."""
    line = _COOKIES.match(scanned.raw, end)
    if line is None:
        return
    for found in _COOKIE.finditer(scanned.raw, line.start(), line.end()):
        if is_random(found[1]):
            begin, last = found.span(1)
            yield Finding.of(scanned.text, begin, last, _kind("secret", found[1]))
    scanned.judged = line.end()
