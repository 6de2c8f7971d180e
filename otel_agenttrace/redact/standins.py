"""Tell a secret from what stands in for one: `sk-...`, `<YOUR_KEY>`, `os.environ["KEY"]`. A value in, yes or no out."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

__all__ = ["Dress", "could_be_password", "is_drawn", "is_random", "is_stand_in"]

Dress: TypeAlias = Literal["quoted", "line", "bare"]
"""How a value stands: in quotes; as the rest of a line of settings; in a text, where words are only words."""

_STAND_IN: Final = re.compile(
    rb"(?:\$\{|\$\(|\$[A-Z_][A-Z0-9_]*$|\$[a-z_]+$|%[A-Z_]+%?$|%s|\{|\}|![A-Z][A-Za-z]+$|!vault|!secret|ENC\[|"
    rb"(?i:<[^<>]*>?$|\[[^\[\]]*\]?$|%\(|x{3,}|your|my[_-]|put[_-]|insert|replace[_-]|enter[_-]|add[_-]|some[_-]|the[_-]|example|"
    rb"sample[_-]|dummy|fake[_-]|placeholder|redacted|change[_-]?(?:me|this)|null$|none$|true$|false$|undefined$|todo$|tbd$|n/a|"
    rb"test[_-]?key|secrets\.|env\.|process\.env|os\.|getenv|config\.|settings\.|self\.|this\.|vars?\.|local\.|data\.|env\(|file:|"
    rb"vault:|ref\+|secretref|op://|arn:|https?:|projects/|@microsoft\.|~/|\.{1,2}/|"
    rb"/(?:home|etc|usr|var|run|opt|tmp|root|secrets|mnt|app|users|workspace|srv|data|proc|dev|path)/))"
)
"""Beginnings of what documentation and code write in the place of a secret, and of where one is kept."""

_WITHIN: Final = re.compile(
    rb"(?i:\*{3,}|\.{3,}|x{5,}|\?{4,}|0{10,}|^(?:password|passwd|secret|token|key)[_-]\w*$|"
    rb"(?:example|placeholder|[_-](?:key|token|secret|password)|[_-]here|[a-z]>)$)"
)
_MEASURE: Final = re.compile(rb"\d+(?:[-/.,:%+]\d*)*(?:%|st|nd|th|x|px|ms|s|min|h|kb|mb|gb)?")
"""Numbers, ranges, dates and measures: `8-64`, `3/10`, `98.5%`."""

_TYPES: Final = frozenset(
    b"""access any apikey basic bearer bool boolean bytes char cookie correct credential credentials default digest disabled
    empty enabled false field hidden incorrect input int integer invalid key label missing na name no nil none not null
    number object optional pass passphrase password passwd plain private prompt public pwd required reset secret secretstr
    session str string strong text token true type undefined unknown user username value varchar void weak wrong yes login
    email forgot forgotten oauth oauth2 http https sha256 bcrypt argon2 md5 base64 the a is was in to for and or of with by on if
    when that this it must should can be has function return async await const let var self none failed changed expired
    passwort kennwort contrasena contrase?a senha wachtwoord haslo has?o losenord l?senord parola heslo jelszo jelsz? salasana
    adgangskode motdepasse mot""".split()
)
"""Words that stand beside a password's name and are none: its type, its state, its label."""

_PROSE: Final = frozenset(
    b"your the a an is to at of and or with for must enter new old current please characters password least reset choose this".split()
)
_ENOUGH: Final = 400
"""So much of a value shows whether it is words."""

_PARTS: Final = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CALL: Final = re.compile(rb"[A-Za-z_$][\w$.:>-]*[(\[]")
_KNOWN_CALL: Final = re.compile(
    rb"(?i:getpass|\w*env|input|prompt|secret|secrets|var|lookup|ref|param|config|get\w*)\(.*\)$"
)
_DOTTED: Final = re.compile(rb"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)+")
_GROUPS: Final = re.compile(rb"[a-z]{4}(?: [a-z]{4}){3}")
"""An app password as Google shows it."""


def is_stand_in(value: bytes) -> bool:
    """Whether a value only stands in the place of a secret."""
    return _STAND_IN.match(value) is not None or _WITHIN.search(value) is not None or len(set(value)) < 4


def is_random(value: bytes, least: int = 8) -> bool:
    """Whether a value looks as if a machine had drawn it: of some length, many characters, and no words."""
    return (
        len(value) >= least
        and b" " not in value
        and len(set(value)) >= 6
        and not is_stand_in(value)
        and not _is_worded(value)
        and _CALL.match(value) is None
        and _MEASURE.fullmatch(value) is None
    )


def is_drawn(value: bytes) -> bool:
    """Whether a value in a sentence can be nothing but a secret: small and large letters and digits, and no words."""
    return (
        sum(map(bytes.isalpha, _each(value))) >= 4
        and any(map(bytes.isdigit, _each(value)))
        and not value.islower()
        and not value.isupper()
        and b"/" not in value
        and is_random(value)
    )


def _each(value: bytes) -> list[bytes]:
    return [value[at : at + 1] for at in range(len(value))]


def _is_worded(value: bytes) -> bool:
    """Whether a value is words and short numbers, put together as names are."""
    return all(map(_is_name, filter(None, re.split(rb"[^A-Za-z0-9]+", value[:_ENOUGH]))))


def _is_name(piece: bytes) -> bool:
    """Whether letters and digits change as in a name: `user2`, `camelCase`, and not as in `k3Jd9s`."""
    parts = _PARTS.findall(piece)
    numbers = [part for part in parts if part.isdigit()]
    short = sum(len(part) < 3 for part in parts)
    return (
        len(piece) < 40
        and len(numbers) <= 1
        and all(len(number) <= 4 for number in numbers)
        and (len(parts) <= 2 or short <= 1 or 3 * short <= len(parts))
        and not _is_unspeakable(piece)
    )


def _is_unspeakable(piece: bytes) -> bool:
    """Whether a long piece has too few vowels for a word."""
    letters = [byte for byte in piece.lower() if byte in b"abcdefghijklmnopqrstuvwxyz"]
    return len(letters) >= 10 and 5 * sum(byte in b"aeiouy" for byte in letters) < len(letters)


def could_be_password(value: bytes, dress: Dress) -> bool:
    """Whether a value beside a password's name may be one: people choose words, too, so only what is surely none is left."""
    if b" " in value:
        return dress != "bare" and (_GROUPS.fullmatch(value) is not None or (dress == "quoted" and _is_phrase(value)))
    if len(value) < 4 or is_stand_in(value) or _MEASURE.fullmatch(value) or value.lower().strip(b"!?.:*") in _TYPES:
        return False
    if b"/" in value and _is_worded(value):  # a path
        return False
    if (_KNOWN_CALL if dress == "quoted" else _CALL).match(value):
        return False
    if (
        _DOTTED.fullmatch(value) and not any(map(bytes.isdigit, _each(value))) and _is_worded(value)
    ):  # code, or a label's key
        return False
    if any(byte not in b"_-" and not 65 <= byte <= 90 and not 97 <= byte <= 122 for byte in value):
        return True
    return dress == "quoted" or not _is_worded(value) or (dress == "line" and _is_one_word(value))


def _is_one_word(value: bytes) -> bool:
    """Whether a value is small letters, and hyphens: what people choose, and not the name of a variable."""
    return len(value) >= 6 and value.islower() and b"_" not in value


def _is_phrase(value: bytes) -> bool:
    """Whether a value is four or more words of no sentence."""
    words = value.split()
    return len(words) >= 4 and value.islower() and all(map(bytes.isalnum, words)) and not _PROSE.intersection(words)
