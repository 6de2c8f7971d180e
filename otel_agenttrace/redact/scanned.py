"""A text as detectors look at it: in bytes, in lower case, and by its long runs. Text in, cheap views of it out.

What holds no secret is told so by searches for a few fixed strings, each some microseconds for 4 KB; an expression looks
only where one of them was found. Letters lose their accents, other characters beyond ASCII count as `?`, so that places in the bytes are places in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final, TypeAlias

__all__ = ["GLUED", "PARTED", "RUN", "Row", "Scanned"]

RUN: Final = 16
"""The shortest unbroken run of letters, digits, `-` and `_` that a token may be or hold."""

GLUED: Final = re.compile(rb"(?<=\\)(?:u[0-9a-fA-F]{4}|[nrtbf])|(?<=%)[0-9a-fA-F]{2}|(?<=[\[;])[0-9]{1,3}m")
"""What may stand before a word in the dress of letters and digits: escapes of JSON, of a URL, of a terminal."""

_ACCENTED: Final = bytes(range(256)).translate(
    bytes.maketrans(
        "áàâäãåéèêëíìîïóòôöõúùûüñçÁÀÂÄÃÅÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇ\u00a0".encode("latin-1"),
        b"aaaaaaeeeeiiiiooooouuuuncAAAAAAEEEEIIIIOOOOOUUUUNC ",
    )
)
_LATIN: Final = bytes(byte if byte < 128 else ord("?") for byte in _ACCENTED)
"""Letters as they are without their accents: `contraseña` is a name, too."""

_IN_RUN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_CLASSES: Final = bytes(ord("a") if byte in _IN_RUN else ord(" ") for byte in range(256))
_LONG: Final = b"a" * RUN
_IN_NAME: Final = _IN_RUN | frozenset(b".$")
_ESCAPES: Final = re.compile(rb"\\(?:[nrt]|u[0-9a-f]{4})")
PARTED: Final = bytes(byte if chr(byte).isalnum() and byte < 128 else ord(" ") for byte in range(256))
"""Letters and digits as they are, a space for anything else: what parts a text into its words."""

_NAMES: Final = bytes(ord("a") if byte in _IN_NAME else ord(" ") for byte in range(256))


Row: TypeAlias = "list[tuple[int, int]]"
"""Where each cell of a table's row begins and ends."""


class Scanned:
    """A text, and what is worked out of it once for all detectors.

    `tables` are the heads and rows of tables by the beginning of the head's line, and `walked` where the last one ends;
    `judged` is where the last long value ends that was looked at.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.walked = self.judged = 0
        self.tables: dict[int, tuple[Row, list[Row]]] = {}
        self.raw = (
            text.encode("ascii")
            if text.isascii()
            else text.replace("：", ":").encode("latin-1", "replace").translate(_LATIN)
        )

    @cached_property
    def lowered(self) -> bytes:
        """The text in lower case."""
        return self.raw.lower()

    @cached_property
    def words(self) -> frozenset[bytes]:
        """The words of the text in lower case, digits among them. To look a word up costs next to nothing."""
        text = self.lowered
        if b"\\" in text:
            text = _ESCAPES.sub(b" ", text)
        return frozenset(text.translate(PARTED).split())

    @cached_property
    def names(self) -> bytes:
        """An `a` for each character that may stand in a name, a space for any other."""
        return self.raw.translate(_NAMES)

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield start and end of each run of `RUN` or more letters, digits, `-` and `_`."""
        classes = self.raw.translate(_CLASSES)
        start = classes.find(_LONG)
        while start >= 0:
            end = classes.find(b" ", start)
            end = len(classes) if end < 0 else end
            yield start, end
            start = classes.find(_LONG, end)

    def places(self, literal: bytes) -> Iterator[int]:
        """Yield each place of a string in lower case."""
        place = self.lowered.find(literal)
        while place >= 0:
            yield place
            place = self.lowered.find(literal, place + len(literal))
