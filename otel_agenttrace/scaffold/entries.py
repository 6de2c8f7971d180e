"""Lines that are added to a file of lines, `.gitignore` or `.gitattributes`. Its bytes in, its bytes with the lines out."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["attributes_of", "newline_of", "with_ignored", "with_lines"]


def newline_of(content: bytes) -> bytes:
    """Return how the lines of a file end."""
    return b"\r\n" if b"\r\n" in content else b"\n"


def with_lines(content: bytes, lines: Sequence[str]) -> bytes:
    """Return a file with lines at its end, which end as its others do."""
    newline = newline_of(content)
    gap = b"" if not content or content.endswith(b"\n") else newline
    return content + gap + b"".join(line.encode() + newline for line in lines)


def with_ignored(content: bytes, patterns: Sequence[str]) -> bytes:
    """Return a .gitignore with those patterns at its end that it lacks; `/name` and `name/` are as good as `name`."""
    known = {line.strip().strip("/") for line in _lines(content)}
    missing = [pattern for pattern in patterns if pattern.strip("/") not in known]
    return with_lines(content, missing) if missing else content


def attributes_of(content: bytes, pattern: str) -> tuple[str, ...]:
    """Return the attributes that a .gitattributes gives a pattern."""
    rows = (line.split() for line in _lines(content))
    return tuple(word for row in rows if row and row[0] == pattern for word in row[1:])


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "surrogateescape").splitlines()
