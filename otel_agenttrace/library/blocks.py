"""Keep a block of ours in a file of others, such as AGENTS.md. Content and lines in, content out; the rest stays byte for byte."""

from __future__ import annotations

import re
from typing import Final

from otel_agenttrace.errors import ConfigError

__all__ = ["BEGIN", "END", "with_block"]

BEGIN: Final = "<!-- otel-agenttrace:begin guidance (written by otel-agenttrace; a later run replaces this block) -->"
END: Final = "<!-- otel-agenttrace:end guidance -->"

_MARK: Final = re.compile(rb"(?:^|(?<=[\r\n]))[ \t]*<!--[ \t]*otel-agenttrace:(begin|end)\b[^\r\n]*")


def with_block(content: bytes, lines: tuple[str, ...], name: str) -> bytes:
    """Return a file with these lines in its block, or with a block at its end where it had none.

    Line ends are those of the file's first line.

    Raises:
        ConfigError: If the file has several blocks, or one that is not whole, or is no UTF-8.
    """
    _check_text(content, name)
    first_end = re.search(rb"\r\n|\n|\r", content)
    end = first_end[0] if first_end is not None else b"\n"
    block = end.join(line.encode() for line in (BEGIN, *lines, END))
    marks = [(found[1], found.start(), found.end()) for found in _MARK.finditer(content)]
    if not marks:
        gap = b"" if not content else end if content.endswith(end) else end + end
        return content + gap + block + end
    if [kind for kind, _, _ in marks] != [b"begin", b"end"]:
        raise _damaged(content, marks, name)
    return content[: marks[0][1]] + block + content[marks[1][2] :]


def _check_text(content: bytes, name: str) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name} is no UTF-8 text: {error.reason} at byte {error.start}.\n  to fix   name another file"
        ) from None


def _damaged(content: bytes, marks: list[tuple[bytes, int, int]], name: str) -> ConfigError:
    lines = ", ".join(f"{kind.decode()} on line {content.count(bytes([10]), 0, at) + 1}" for kind, at, _ in marks)
    return ConfigError(
        f"{name} has no whole single block of otel-agenttrace: {lines}.\n"
        "  to fix   leave one begin and one end, in this order, or remove all of them"
    )
