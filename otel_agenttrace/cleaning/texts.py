"""Find secrets in any text. Pieces of a file in, leaks with their lines out; nothing of it is kept in memory but a block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from otel_agenttrace.cleaning.leaks import Leak, excerpt
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.findings import Finding

__all__ = ["leaks_of_text", "leaks_of_texts"]

_BLOCK: Final = 8 << 20
"""So much is read at once, and goes on to the end of its line if that is near."""

_OVERLAP: Final = 1 << 13
"""What is looked at twice where a line is longer than a block."""


def leaks_of_texts(file: BinaryIO, redactor: Redactor, block: int = _BLOCK) -> Iterator[Leak]:
    """Yield what leaks in a file, in order."""
    line = 1
    held = b""
    while piece := file.read(block):
        piece += file.readline(block)
        text = (held + piece).decode("utf-8", "replace")
        yield from leaks_of_text(text, redactor, line, len(held.decode("utf-8", "replace")))
        line += piece.count(b"\n")
        held = b"" if piece.endswith(b"\n") else piece[-_OVERLAP:].rpartition(b"\n")[2]


def leaks_of_text(text: str, redactor: Redactor, line: int = 1, told: int = 0) -> Iterator[Leak]:
    """Yield what leaks in a text that begins on this line; what ends in its first `told` characters was told before."""
    at = 0
    found = redactor.findings(text)
    for index, each in enumerate(found):
        line += text.count("\n", at, each.start)
        at = each.start
        if each.end > told and not each.continues:
            yield Leak(line, "", each.kind, _excerpt(text, found, index, redactor))


def _excerpt(text: str, found: list[Finding], index: int, redactor: Redactor) -> str:
    """Return what stands around a finding, up to those before and behind it."""
    each = found[index]
    begin = max(found[index - 1].end if index else 0, each.start - 200)
    end = min(found[index + 1].start if index + 1 < len(found) else len(text), each.end + 200)
    before = redactor.redact_text(text[begin : each.start])
    after = redactor.redact_text(text[each.end : end])
    return excerpt(before + each.placeholder + after, len(before), len(each.placeholder))
