"""Make foreign text safe to show. Text that anybody may have written in, text that cannot steer a terminal out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["escaped", "escaped_lines"]

_CONTROLS: Final = r"\x7f-\x9f\ud800-\udfff"
"""Controls above ASCII, DEL, and halves of characters that no terminal can show."""
_DIRECTIONS: Final = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
_INVISIBLE: Final = r"\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
"""What takes no room: two names that look the same are not. The joiners that emoji and some scripts need are left out."""
_UNSAFE: Final = re.compile(rf"[\x00-\x1f{_CONTROLS}{_DIRECTIONS}{_INVISIBLE}]")
_UNSAFE_IN_LINES: Final = re.compile(rf"[\x00-\x08\x0b-\x1f{_CONTROLS}{_DIRECTIONS}{_INVISIBLE}]")


def escaped(text: str) -> str:
    """Return a text for one line: whatever moves the cursor, changes the direction or cannot be seen is its escape."""
    return _UNSAFE.sub(_escape, text)


def escaped_lines(text: str) -> str:
    """Return a text of several lines: as `escaped`, but line ends and tabs stay."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
