"""Whose a file is, told by its first line. Path in, its kind out, or the refusal to put another file in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import resources
from otel_agenttrace.cassette.index import LONGEST
from otel_agenttrace.errors import CassetteInaccessible
from otel_agenttrace.jsonvalue import parse

__all__ = ["check_may_be_replaced", "is_ours"]

_LOOKED_AT: Final = 4096
_SUFFIX: Final = ".otlp.jsonl"
_MARK: Final = semconv.AGENTTRACE_FORMAT_VERSION
_FORK_MARK: Final = semconv.AGENTTRACE_FORK_OF
_TRACE: Final = re.compile(rb'\s*\{\s*"(?:resourceSpans|resource_spans)"')
_Kind: TypeAlias = Literal["empty", "recording", "fork", "trace", "another"]


def is_ours(path: Path) -> bool:
    """Whether a file is a cassette that this project wrote, be it damaged.

    Raises:
        OSError: If it cannot be read.
    """
    return _kind(path) in {"recording", "fork"}


def check_may_be_replaced(path: Path, purpose: str, *, is_fork: bool = False) -> None:
    """Refuse a file that is no cassette: whoever forgot to name one named the program, its data, or another's trace.

    What is named like a cassette may be damaged. A fork replaces no more than an older fork.

    Raises:
        CassetteInaccessible: If what stands there is not to be lost; `purpose` says what cannot be done then.
        OSError: If it cannot be read.
    """
    if not path.exists():
        return
    if not (path.is_file() or path.is_dir()):
        raise CassetteInaccessible(path, purpose, "it is no file but a pipe, a socket or a device")
    kind = _kind(path)
    if kind == "trace":
        raise CassetteInaccessible(path, purpose, "it is a trace that others exported, which would be replaced")
    if kind == "another" and not path.name.endswith(_SUFFIX):
        raise CassetteInaccessible(path, purpose, "it is a file of another kind, which would be replaced")
    if kind == "recording" and is_fork:
        raise CassetteInaccessible(path, purpose, "it is a recording, which a fork would replace")


def _kind(path: Path) -> _Kind:
    with path.open("rb") as file:
        first = file.read(_LOOKED_AT)
        is_trace = _TRACE.match(first) is not None
        if is_trace:
            file.seek(len(first) - len(first.lstrip()))
            first = file.readline(LONGEST)
    if not first:
        return "empty"
    marks = _marks(first)
    if _MARK in marks:
        return "fork" if _FORK_MARK in marks else "recording"
    return "trace" if is_trace else "another"


def _marks(line: bytes) -> Mapping[str, object] | frozenset[str]:
    """Return what the resource of a line tells; of a damaged one, what of ours it names anywhere."""
    named = frozenset(mark for mark in (_MARK, _FORK_MARK) if mark.encode() in line)
    if not named or not line.lstrip().startswith(b"{"):
        return frozenset()
    try:
        document = parse(line)
    except ValueError:
        return named
    return {name: value for resource in resources(document) for name, value in resource.items()}
