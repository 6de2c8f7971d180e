"""Templates → secrets: each is drawn anew from pieces, so that no file of this repository holds one.

`{a40}` stands for 40 characters of an alphabet (`ALPHABETS`), `{x}` for one of the composed pieces (`_PIECES`). What must be
gone stands in `«…»`; a template without them is a secret from end to end.
"""

from __future__ import annotations

import base64
import json
import re
import string
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["ALPHABETS", "Told", "base62", "drawn", "filled"]

ALPHABETS: Final[Mapping[str, str]] = {
    "a": string.ascii_letters + string.digits,
    "b": string.ascii_letters + string.digits + "+/",
    "c": "qpzry9x8gf2tvdw0s3jn54khce6mua7l",
    "d": string.digits,
    "h": "0123456789abcdef",
    "i": "0123456789ABCDEF",
    "l": string.ascii_letters,
    "n": string.ascii_lowercase + string.digits,
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "s": string.ascii_lowercase,
    "t": string.ascii_uppercase + "234567",
    "u": string.ascii_uppercase + string.digits,
    "w": string.ascii_letters + string.digits + "-_",
    "z": string.ascii_uppercase,
}
_PLACE: Final = re.compile(r"\{([a-z]+)(\d*)\}")
_GONE: Final = re.compile("«([^«»]*)»")


@dataclass(frozen=True, slots=True)
class Told:
    """A secret with the words that tell it; `gone` are the parts of `text` that must not survive."""

    text: str
    gone: tuple[str, ...]


def drawn(template: str, random: Random) -> Told:
    """Return what a template stands for."""
    marked = filled(template, random)
    if "«" not in marked:
        return Told(marked, (marked,))
    return Told(_GONE.sub(r"\1", marked), tuple(_GONE.findall(marked)))


def filled(template: str, random: Random) -> str:
    """Return a template with its places filled; braces that name no alphabet and no piece stay."""
    return _PLACE.sub(lambda place: _piece(place, random), template)


def _piece(place: re.Match[str], random: Random) -> str:
    name, size = place.groups()
    if name in ALPHABETS and size:
        return "".join(random.choices(ALPHABETS[name], k=int(size)))
    return _PIECES[name](random, int(size or 0)) if name in _PIECES else place[0]


# --- composed pieces ------------------------------------------------------------------------------------------------


def base62(number: int, size: int) -> str:
    """Return a number in the digits of GitHub's and npm's checksums."""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    written = ""
    for _ in range(size):
        number, digit = divmod(number, 62)
        written = digits[digit] + written
    return written


def _checked(random: Random, size: int) -> str:
    """Return letters and digits with their CRC32 in the last six, as GitHub and npm write tokens."""
    body = filled(f"{{a{size - 6}}}", random)
    return body + base62(zlib.crc32(body.encode()), 6)


def _password(random: Random, size: int) -> str:
    """Return what a password manager makes: letters of both cases, digits and a sign, none that needs quotes."""
    must = [random.choice(letters) for letters in (string.ascii_lowercase, string.ascii_uppercase, string.digits)]
    sign = random.choice("!*^+.")
    rest = random.choices(ALPHABETS["a"], k=size - 4)
    random.shuffle(must)
    return "".join([must[0], *rest[: size // 2], sign, *rest[size // 2 :], must[1], must[2]])


def _uuid(random: Random, _: int) -> str:
    return filled("{h8}-{h4}-4{h3}-a{h3}-{h12}", random)


def _url_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _jwt(random: Random, signature: int) -> str:
    claims = {"sub": _uuid(random, 0), "iat": 1_790_000_000 + random.randrange(9999), "scope": "read write"}
    head = _url_base64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    return f"{head}.{_url_base64(json.dumps(claims).encode())}." + filled(f"{{w{signature or 43}}}", random)


def _json_claims(random: Random, size: int) -> str:
    """Return base64 of a JSON object, as Sentry, Grafana and 1Password write tokens."""
    claims = {
        "iat": 1_790_000_000.5 + random.randrange(9999),
        "url": "https://o.example",
        "k": filled(f"{{a{size}}}", random),
    }
    return base64.b64encode(json.dumps(claims).encode()).decode()


def _pair(random: Random, size: int) -> str:
    """Return base64 of `user:password`."""
    return base64.b64encode(f"deploy:{_password(random, size or 16)}".encode()).decode()


def _base64_of(random: Random, size: int) -> str:
    """Return base64 of random bytes, padded."""
    return base64.b64encode(random.randbytes(size)).decode()


def _lines(random: Random, count: int) -> str:
    """Return lines of 64 characters of base64, as a PEM block has."""
    return "\n".join(filled("{b64}", random) for _ in range(count)) + "\n" + filled("{b42}", random) + "=="


def _escaped_lines(random: Random, count: int) -> str:
    """Return the same with its line ends written as `\\n`, as JSON has them."""
    return _lines(random, count).replace("\n", "\\n")


_PIECES: Final[Mapping[str, Callable[[Random, int], str]]] = {
    "checked": _checked,
    "claims": _json_claims,
    "escapedlines": _escaped_lines,
    "jwt": _jwt,
    "lines": _lines,
    "p": _password,
    "pair": _pair,
    "padded": _base64_of,
    "uuid": _uuid,
}
