"""Tell a secret from what stands in for one: `sk-...`, `<YOUR_KEY>`, `os.environ["KEY"]`. A value in, yes or no out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["could_be_password", "is_random", "is_stand_in"]

_STAND_IN: Final = re.compile(
    rb"(?i:<[^<>]*>?$|\[[^\[\]]*\]?$|\{|\$\{|\$\(|\$[A-Z_][A-Z0-9_]*$|%\(|%[A-Z_]+%?$|%s|!vault|!secret|x{3,}|your|my[_-]|put[_-]|"
    rb"insert|replace[_-]|enter[_-]|add[_-]|some[_-]|the[_-]|example|sample[_-]|dummy|fake[_-]|placeholder|redacted|change[_-]?(?:me|this)|"
    rb"null$|none$|true$|false$|undefined$|todo$|tbd$|test[_-]?key|secrets\.|env\.|process\.env|os\.environ|os\.getenv|getenv|"
    rb"config\.|settings\.|self\.|vars?\.|local\.|data\.|env\(|file:|vault:|ref\+|op://|arn:|https?:|projects/)"
)
"""Beginnings of what documentation and code write in the place of a secret."""

_WITHIN: Final = re.compile(
    rb"(?i:\*{3,}|\.{3,}|x{5,}|\?{3,}|0{10,}|(?:example|placeholder|[_-](?:key|token|secret|password)|[_-]here|>)$)"
)
_TYPES: Final = frozenset(
    b"access any apikey basic bearer bool boolean bytes char cookie correct credential credentials default digest disabled "
    b"empty enabled false field hidden incorrect input int integer invalid key label missing na name no nil none "
    b"not null number object optional pass passphrase password passwd plain private prompt public pwd required reset "
    b"secret secretstr session str string strong text token true type undefined unknown user username value varchar void "
    b"weak wrong yes login email forgot forgotten oauth oauth2 http https sha256 bcrypt argon2 md5 the a is was in to for and "
    b"or of with by on if when that this it must should can be has".split()
)
_PARTS: Final = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CALL: Final = re.compile(rb"[A-Za-z_$][\w$.]*\(")
_DOTTED: Final = re.compile(rb"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)+")


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
    )


def _is_worded(value: bytes) -> bool:
    """Whether a value is words and short numbers, put together as names are."""
    return all(map(_is_name, filter(None, re.split(rb"[^A-Za-z0-9]+", value))))


def _is_name(piece: bytes) -> bool:
    """Whether letters and digits change as in a name: `user2`, `camelCase`, and not as in `k3Jd9s`."""
    parts = _PARTS.findall(piece)
    numbers = [part for part in parts if part.isdigit()]
    short = sum(len(part) < 3 for part in parts)
    return (
        len(piece) < 40
        and len(numbers) <= 1
        and all(len(number) <= 4 for number in numbers)
        and (short <= 1 or 3 * short <= len(parts))
    )


def could_be_password(value: bytes, *, is_quoted: bool) -> bool:
    """Whether a value beside a password's name may be one: people choose words, too, so only what is surely none is left."""
    if (
        len(value) < 4
        or b" " in value
        or is_stand_in(value)
        or _CALL.match(value)
        or value.lower().strip(b"!?.:*") in _TYPES
    ):
        return False
    if _DOTTED.fullmatch(value) and _is_worded(value):  # code
        return False
    return is_quoted or not value.replace(b"_", b"").replace(b"-", b"").isalpha()
