"""Bring cassettes to the format of this release. Path in, what had to be done out.

There is one version yet. A next one adds its step here, from a line of the version before to one of its own, and the
reader of the version before stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import FORMAT_VERSION
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.errors import CassetteError

__all__ = ["Migration", "migrated"]


@dataclass(frozen=True, slots=True)
class Migration:
    """The format of a cassette: `before` and `after` are the same where nothing had to be done."""

    path: Path
    before: int
    after: int


def migrated(path: Path) -> Migration:
    """Return what was done to a cassette; where that is nothing, it stays byte for byte.

    Raises:
        CassetteTooNew: If a later release wrote it.
        CassetteError: If it cannot be read, or others exported it.
    """
    cassette = open_cassette(path, strict=True)
    is_current = all(
        span.resource.get(semconv.AGENTTRACE_FORMAT_VERSION) == FORMAT_VERSION for span in cassette.spans()
    )
    cassette.close()
    if not is_current:
        raise CassetteError(
            f"{path} has lines without a format version: it is a trace that others exported, which has none.\n"
            f"  to fix   read it as it is: otel-agenttrace show {quote(str(path))}"
        )
    return Migration(path, FORMAT_VERSION, FORMAT_VERSION)
