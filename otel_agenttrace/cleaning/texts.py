"""Find secrets in any text. Pieces of a file in, leaks with their lines out; nothing of it is kept in memory but a block."""

from __future__ import annotations

from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO, Final

from otel_agenttrace.cleaning.leaks import Leak, excerpt
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.findings import Finding

__all__ = ["leaks_of_text", "leaks_of_texts"]

_BLOCK: Final = 8 << 20
"""So much is read at once, and goes on to the end of its line if that is near."""

_OVERLAP: Final = 1 << 13
"""What is looked at twice where a line is longer than a block."""


def leaks_of_texts(file: BinaryIO, redactor: Redactor, encoding: str = "utf-8", block: int = _BLOCK) -> Iterator[Leak]:
    """Yield what leaks in a file, in order."""
    line = 1
    held = ""
    read = TextIOWrapper(file, encoding, "replace", newline="\n")
    while piece := read.read(block):
        piece += read.readline(block)
        goes_on = len(piece) == 2 * block and not piece.endswith("\n")
        yield from leaks_of_text(held + piece, redactor, line, told=len(held), goes_on=goes_on)
        line += piece.count("\n")
        held = piece[-_OVERLAP:].rpartition("\n")[2] if goes_on else ""
    read.detach()  # the file is its owner's to close


def leaks_of_text(
    text: str, redactor: Redactor, line: int = 1, *, told: int = 0, goes_on: bool = False
) -> Iterator[Leak]:
    """Yield what leaks in a text.

    Args:
        text: The text.
        redactor: The rules.
        line: Its first line.
        told: What ends within so many characters was told before.
        goes_on: Whether what stands at its end may be the beginning of something longer, which is told later.
    """
    at = 0
    found = redactor.findings(text)
    for index, each in enumerate(found):
        line += text.count("\n", at, each.start)
        at = each.start
        is_whole = each.end >= told and not (goes_on and each.end == len(text))
        if is_whole and not each.continues:
            yield Leak(line, "", each.kind, _excerpt(text, found, index, redactor))


def _excerpt(text: str, found: list[Finding], index: int, redactor: Redactor) -> str:
    """Return what stands around a finding, up to those before and behind it."""
    each = found[index]
    begin = max(found[index - 1].end if index else 0, each.start - 200)
    end = min(found[index + 1].start if index + 1 < len(found) else len(text), each.end + 200)
    before = redactor.redact_text(text[begin : each.start])
    after = redactor.redact_text(text[each.end : end])
    return excerpt(before + each.placeholder + after, len(before), len(each.placeholder))
