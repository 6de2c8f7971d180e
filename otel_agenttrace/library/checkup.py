"""Look for what is wrong with the cassettes of a folder. Files in, findings with what to do about each out; nothing is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.findings import Severity
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.cassette.sidecars import BODIES, NOTES, notes_path, other_forms, unnamed
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cleaning.scanning import scanned
from otel_agenttrace.library.finding import files_below, stem_of
from otel_agenttrace.library.pruning import PARTIAL, is_recording
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.pricing import is_deprecated
from otel_agenttrace.redact import Redactor
from otel_agenttrace.selectors import select

__all__ = ["CURES", "Checkup", "Rule", "Trouble", "checkup_of", "shelf_of", "troubles_of"]

Rule: TypeAlias = Literal[
    "damaged",
    "leak",
    "unread",
    "torn",
    "partial",
    "loose-bodies",
    "loose-notes",
    "stale",
    "orphan",
    "deprecated-model",
    "no-price",
]
CURES: Final[dict[Rule, str]] = {
    "damaged": "look, then record it again: otel-agenttrace validate FILE",
    "leak": "otel-agenttrace redact FILE; the secret is to be replaced where it is from",
    "unread": "look at the rights of the file",
    "torn": "nothing, the line is left out; record it again if the run matters to its end",
    "partial": "look what a killed run left: otel-agenttrace show FILE; then name it without .partial, or remove it",
    "loose-bodies": "remove those files: no cassette needs them",
    "loose-notes": "name the file like the cassette that its notes are of, or remove it",
    "stale": "otel-agenttrace refresh FILE --older-than AGE -- COMMAND",
    "orphan": "remove it: otel-agenttrace prune --unplayed REPORT.json, after a look",
    "deprecated-model": "ask another model, then record it again",
    "no-price": "a price of your own: [tool.otel-agenttrace.prices] in pyproject.toml",
}
"""What is to be done about each finding."""
_CRITICAL: Final = frozenset({"damaged", "leak"})
_CASSETTES: Final = "cassettes"
"""The folder that the pytest plugin keeps cassettes in, beside the tests."""
_TESTS: Final = ("test_*.py", "*_test.py")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One finding.

    Attributes:
        rule: What is wrong.
        severity: `critical` for what makes a cassette unsafe or useless, else `warning`.
        path: The file or folder.
        message: What was found.
        cure: What to do about it.
    """

    rule: Rule
    severity: Severity
    path: Path
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was looked at, and what was found: what is critical first."""

    cassettes: int
    findings: tuple[Trouble, ...]


def checkup_of(cassettes: int, findings: Iterable[Trouble]) -> Checkup:
    """Return findings in order."""
    order = list(CURES)
    return Checkup(
        cassettes, tuple(sorted(dict.fromkeys(findings), key=lambda each: (order.index(each.rule), each.path)))
    )


def _trouble(rule: Rule, path: Path, message: str) -> Trouble:
    cure = CURES[rule].replace("FILE", quote(str(path)))
    return Trouble(rule, "critical" if rule in _CRITICAL else "warning", path, message, cure)


# --- a folder ---------------------------------------------------------------------------------------------------------


def shelf_of(folder: Path) -> tuple[tuple[Path, ...], tuple[Trouble, ...]]:
    """Return the cassettes in and below a folder, and what is wrong with what stands beside them."""
    files, unread = files_below(folder)
    cassettes = tuple(sorted(path for path in files if path.name.endswith(ENDINGS)))
    partials = (path for path in files if path.name.endswith(f"{ENDINGS[0]}{PARTIAL}"))
    notes = (path for path in files if path.name.endswith(f"{ENDINGS[0]}{NOTES}") and not _is_beside(path))
    bodies = sorted({path.parent for path in files if path.parent.name.endswith(f"{ENDINGS[0]}{BODIES}")})
    return cassettes, (
        *(_trouble("unread", path, "the folder cannot be read") for path in unread),
        *(_trouble("partial", path, "a run that was killed left it") for path in partials if not is_recording(path)),
        *(_trouble("loose-notes", path, "the cassette that its notes are of is gone") for path in notes),
        *(found for path in bodies for found in _loose(path)),
        *(found for path in cassettes for found in _orphan(path)),
    )


def _is_beside(notes: Path) -> bool:
    owner = notes.with_name(notes.name.removesuffix(NOTES))
    return owner.exists() or next(other_forms(owner), None) is not None


def _loose(folder: Path) -> Iterator[Trouble]:
    owner = folder.with_name(folder.name.removesuffix(BODIES))
    loose = () if is_recording(owner) else sorted(unnamed(folder))
    if loose:
        yield _trouble(
            "loose-bodies", folder, f"no cassette names {', '.join(name[:12] for name in loose[:3])}{_more(loose, 3)}"
        )


def _more(items: Iterable[object], told: int) -> str:
    rest = len(tuple(items)) - told
    return f" and {rest:,} more" if rest > 0 else ""


def _orphan(path: Path) -> Iterator[Trouble]:
    """Yield a finding where the test that a cassette is named after is gone: `cassettes/test_x/test_y.otlp.jsonl`."""
    place = path.parent.parent.parent
    if path.parent.parent.name != _CASSETTES or not any(next(place.glob(each), None) for each in _TESTS):
        return
    module = place / f"{path.parent.name}.py"
    if not module.is_file():
        yield _trouble("orphan", path, f"there is no {module}")
        return
    name = stem_of(path)
    test = name.partition("[")[0].rpartition(".")[2]
    words = (name, test)
    source = module.read_text("utf-8", "replace")
    if name != module.stem and not any(re.search(rf"\b{re.escape(word)}(?!\w)", source) for word in words):
        yield _trouble("orphan", path, f"{module} has no {test}")


# --- one cassette -----------------------------------------------------------------------------------------------------


def troubles_of(
    path: Path, load: Callable[[Path], Trace], redactor: Redactor, *, now_ns: int, older_than: str
) -> Iterator[Trouble]:
    """Yield what is wrong with one cassette.

    Args:
        path: The cassette.
        load: Reads its trace.
        redactor: The rules for what leaks.
        now_ns: The time.
        older_than: From which age on a recorded span is stale, such as `90d`.
    """
    report = validated(path, str(path))
    yield from (_trouble("damaged", path, _damage(problem, path)) for problem in report.problems)
    if report.warnings:
        yield _trouble("torn", path, "the last line is torn: its run was killed")
    yield from _leaks(path, redactor)
    if not report.problems:
        yield from _of_trace(path, load(path), now_ns, older_than)


def _damage(problem: str, path: Path) -> str:
    """Return what is wrong without the path, which stands beside it."""
    told = problem.removeprefix(f"{path}:").strip()
    return f"line {told}" if told[:1].isdigit() else told


def _leaks(path: Path, redactor: Redactor) -> Iterator[Trouble]:
    """Yield what leaks in a cassette, and in the notes beside it."""
    notes = notes_path(path)
    for file in scanned((path, notes) if notes.is_file() else (path,), redactor):
        kinds = Counter(leak.kind for leak in file.leaks)
        for kind, count in sorted(kinds.items()):
            first = min(leak.line for leak in file.leaks if leak.kind == kind)
            yield _trouble("leak", file.path, f"{count:,} × {kind}, first in line {first:,}")


def _of_trace(path: Path, trace: Trace, now_ns: int, older_than: str) -> Iterator[Trouble]:
    old = select(trace, f"age>{older_than}", now_ns)
    if old:
        yield _trouble("stale", path, f"{len(old):,} of {len(trace.spans):,} spans are older than {older_than}")
    given_up = Counter(model for span in trace.inferences if (model := _given_up(span)))
    for model, calls in sorted(given_up.items()):
        yield _trouble("deprecated-model", path, f"{model}, {calls:,} × asked: its provider gives it up")
    unpriced = Counter(model_of(span) or "?" for span in trace.inferences if _lacks_price(trace, span))
    for model, calls in sorted(unpriced.items()):
        yield _trouble("no-price", path, f"{model}, {calls:,} × asked: no price is known")


def _given_up(span: Span) -> str | None:
    """Return the model of a call that its provider gives up, by the name it has or was asked for; None where it does not."""
    provider = span.attributes.get(semconv.GEN_AI_PROVIDER_NAME)
    names = (span.attributes.get(name) for name in (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL))
    told = (name for name in names if isinstance(name, str))
    return next((name for name in told if is_deprecated(provider if isinstance(provider, str) else None, name)), None)


def _lacks_price(trace: Trace, span: Span) -> bool:
    """Whether a call tells its tokens, and nobody knows what they cost."""
    return None not in tokens_of(span) and cost_of_call(trace, span) is None
