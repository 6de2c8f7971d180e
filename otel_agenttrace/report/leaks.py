"""Show what leaks, and what was removed. Leaks in, lines of text and JSON values out; a secret is in neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from otel_agenttrace.cleaning.files import CleanedFile
from otel_agenttrace.cleaning.leaks import Leak
from otel_agenttrace.cleaning.scanning import ScannedFile
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.report.text import counted, escaped

__all__ = ["cleaned_json", "cleaned_lines", "scanned_json", "scanned_lines"]


def cleaned_lines(files: Sequence[CleanedFile]) -> Iterator[str]:
    """Yield what was removed from each file that could be cleaned, by kind and line, and what became of it."""
    for file in (file for file in files if not file.problem):
        name = escaped(str(file.path))
        if not file.leaks:
            yield f"{name}: clean" + (f" → {escaped(str(file.written))}" if file.written else "")
            continue
        done = f"removed → {escaped(str(file.written))}" if file.written else "would be removed"
        yield f"{name}: {counted(len(file.leaks), 'secret')} {done}"
        for kind, leaks in _by_kind(file.leaks).items():
            lines = Counter(leak.line for leak in leaks)
            yield f"  {kind}: {len(leaks)}, line {', '.join(map(str, lines))}"
        for body in file.left:
            yield f"  left with a secret, for another file shares it: {escaped(str(body))}"
        if file.left:
            yield "  to fix   clean or remove that file (the partial, the packed form), then this body"


def _by_kind(leaks: Sequence[Leak]) -> dict[str, list[Leak]]:
    found: dict[str, list[Leak]] = {}
    for leak in sorted(leaks, key=lambda leak: leak.kind):
        found.setdefault(leak.kind, []).append(leak)
    return found


def cleaned_json(files: Sequence[CleanedFile]) -> JsonObject:
    """Return what was removed as JSON with stable keys: `secrets`, a number, and `files`.

    Of each file: `path`, `written` (null if nothing was), `kinds`, `problem` (null if it could be cleaned), `kinds`, numbers
    by kind, `leaks`, and `left`, large bodies that hold a secret still.
    """
    return {
        "secrets": sum(len(file.leaks) for file in files),
        "files": [
            {
                "path": str(file.path),
                "written": None if file.written is None else str(file.written),
                "problem": file.problem or None,
                "kinds": dict(sorted(Counter(leak.kind for leak in file.leaks).items())),
                "leaks": list(map(_leak_json, file.leaks)),
                "left": list(map(str, file.left)),
            }
            for file in files
        ],
    }


def scanned_lines(files: Sequence[ScannedFile]) -> Iterator[str]:
    """Yield each leak as `path:line: kind place excerpt`, what could not be looked at, the commands that clean, and a sum."""
    for file in files:
        name = escaped(str(file.path))
        if file.problem:
            yield f"{name}: not looked at: {escaped(file.problem)}"
        for leak in file.leaks:
            place = f" {escaped(leak.place)}" if leak.place else ""
            yield f"{name}:{leak.line}: {leak.kind}{place}: {escaped(leak.excerpt)}"
    leaking = [file for file in files if file.leaks]
    for file in leaking:
        yield f"  to fix   {escaped(file.cure or f'take it out of {file.path}')}"
    yield _sum(files, leaking)


def _sum(files: Sequence[ScannedFile], leaking: Sequence[ScannedFile]) -> str:
    binary, failed = sum(file.is_binary for file in files), sum(bool(file.problem) for file in files)
    left_out = f" · {counted(binary, 'file')} left out: no text" if binary else ""
    not_looked_at = f" · {failed} not looked at" if failed else ""
    secrets = sum(len(file.leaks) for file in leaking)
    told = f"{counted(secrets, 'secret')} in {counted(len(leaking), 'file')}" if leaking else "no secret found"
    return f"{told} · {counted(len(files) - binary - failed, 'file')} looked at{not_looked_at}{left_out}"


def scanned_json(files: Sequence[ScannedFile]) -> JsonObject:
    """Return what leaks as JSON with stable keys: `secrets`, `looked_at`, `left_out` (no texts), and `files`.

    Of each file that leaks, or could not be looked at: `path`, `problem` and `cure` (null if there is none), and `leaks`.
    """
    return {
        "secrets": sum(len(file.leaks) for file in files),
        "looked_at": sum(not (file.is_binary or file.problem) for file in files),
        "left_out": [str(file.path) for file in files if file.is_binary],
        "files": [
            {
                "path": str(file.path),
                "problem": file.problem or None,
                "cure": (file.cure or None) if file.leaks else None,
                "leaks": list(map(_leak_json, file.leaks)),
            }
            for file in files
            if file.leaks or file.problem
        ],
    }


def _leak_json(leak: Leak) -> JsonObject:
    return {"line": leak.line, "place": leak.place or None, "kind": leak.kind, "excerpt": leak.excerpt}
