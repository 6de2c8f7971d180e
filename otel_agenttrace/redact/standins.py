"""Tell a secret from what stands in for one: `sk-...`, `<YOUR_KEY>`, `os.environ["KEY"]`. A value in, yes or no out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["could_be_password", "is_random", "is_stand_in"]

_STAND_IN: Final = re.compile(
    rb"(?i:[<\[{(%$*.x#_-]|your|my[_-]|put[_-]|insert|replace|enter|add[_-]|some[_-]|the[_-]|example|sample|dummy|fake|"
    rb"placeholder|redacted|changeme|change[_-]me|change[_-]this|null$|none$|true$|false$|undefined$|todo|tbd$|test[_-]?key|"
    rb"secrets\.|env\.|process\.env|os\.environ|os\.getenv|getenv|config\.|settings\.|self\.|vars?\.|var\.|local\.|data\.|"
    rb"env\(|file:|vault:|ref\+|op://|arn:|https?:|projects/)"
)
"""Beginnings of what documentation and code write in the place of a secret."""

_ENDING: Final = re.compile(
    rb"(?i:example|here|[_-]key|[_-]token|[_-]secret|[_-]password|placeholder|x{4,}|\.{3,}|\*{3,}|0{8,}|[>\]}])$"
)
_WORD: Final = re.compile(rb"[A-Za-z]+|[0-9]{1,4}")
_TYPES: Final = frozenset(
    b"access any apikey basic bearer bool boolean bytes char cookie correct credential credentials default digest disabled "
    b"empty enabled false field hidden hunter incorrect input int integer invalid key label missing na name no nil none "
    b"not null number object optional pass passphrase password passwd plain private prompt public pwd required reset "
    b"secret secretstr session str string strong text token true type undefined unknown user username value varchar void "
    b"weak wrong yes login email forgot forgotten oauth oauth2 http https sha256 bcrypt argon2 md5 the a is was in to for and "
    b"or of with by on if".split()
)
_CODE: Final = re.compile(rb"[A-Za-z_$][\w$]{0,40}(?:(?:\.|->|::)[A-Za-z_$][\w$]{0,40})+|[A-Za-z_]\w*\(.*", re.DOTALL)


def is_stand_in(value: bytes) -> bool:
    """Whether a value only stands in the place of a secret."""
    return _STAND_IN.match(value) is not None or _ENDING.search(value) is not None or len(set(value)) < 4


def is_random(value: bytes, least: int = 8) -> bool:
    """Whether a value looks as if a machine had drawn it: of some length, many characters, and no words."""
    if len(value) < least or b" " in value or len(set(value)) < 6 or is_stand_in(value):
        return False
    return not _is_worded(value) and _CODE.fullmatch(value) is None


def _is_worded(value: bytes) -> bool:
    """Whether a value is words and short numbers, in one of the ways that names are put together."""
    pieces = [piece for piece in re.split(rb"[^A-Za-z0-9]+", value) if piece]
    return all(map(_is_name_piece, pieces))


def _is_name_piece(piece: bytes) -> bool:
    """Whether letters and digits change as in a name: `user2`, `camelCase`, and not as in `k3Jd9s`."""
    parts = re.findall(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", piece)
    digits = sum(part.isdigit() for part in parts)
    longest_number = max((len(part) for part in parts if part.isdigit()), default=0)
    short = sum(len(part) < 3 for part in parts)
    return digits <= 1 and longest_number <= 4 and (short <= 1 or 3 * short <= len(parts)) and len(piece) < 40


def could_be_password(value: bytes, *, is_quoted: bool) -> bool:
    """Whether a value next to a password's name may be one: people choose words too, so that only what is none is left."""
    if len(value) < 4 or is_stand_in(value) or _CODE.fullmatch(value) is not None:
        return False
    if value.lower().strip(b"!?.:*") in _TYPES or b" " in value:
        return False
    if value.isalpha() or all(map(_WORD.fullmatch, re.split(rb"[_-]", value))):
        return is_quoted or not value.replace(b"_", b"").replace(b"-", b"").isalpha()
    return True
