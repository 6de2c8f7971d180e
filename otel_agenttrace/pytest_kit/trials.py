"""Keep how a test varies: the trials of a run of pytest in, one envelope beside its cassette out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from otel_agenttrace.analyze.envelopes import Envelope, Trial, envelope_from, envelope_of
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.judging import judge, judge_success
from otel_agenttrace.analyze.suite import CaseResult
from otel_agenttrace.api import load
from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.errors import AgentTraceError
from otel_agenttrace.model import Trace
from otel_agenttrace.pytest_kit.places import told
from otel_agenttrace.report.envelopes import envelope_lines
from otel_agenttrace.report.text import escaped

__all__ = ["envelope_path", "kept", "outside", "trial_path"]

_FOLDER: Final = ".agenttrace/trials"
"""Where trials are recorded, below the root of the project: they are looked at, and not kept in git."""


def envelope_path(cassette: Path) -> Path:
    """Return where the envelope of a test stands: beside its cassette."""
    return cassette.with_name(f"{_bare(cassette.name)}.envelope.json")


def trial_path(root: Path, cassette: Path, number: int) -> Path:
    """Return where a trial of a test is recorded."""
    inside = told(cassette, root) if cassette.is_relative_to(root) else cassette.name
    return root / _FOLDER / _bare(inside) / f"{number}{ENDINGS[0]}"


def _bare(name: str) -> str:
    return name.removesuffix(".zst").removesuffix(ENDINGS[0])


def outside(envelope_file: Path, trace: Trace) -> Iterator[Finding]:
    """Yield in what a run that passed is outside the envelope of its test, if it has one."""
    try:
        envelope = _read(envelope_file)
    except AgentTraceError as error:
        yield Finding("envelope", str(error))
        return
    if envelope is not None:
        yield from judge(envelope, trace)


def _read(path: Path) -> Envelope | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        document = None  # `envelope_of` says what it misses
    return envelope_of(document, str(path))


def kept(root: Path, trials: Mapping[str, Sequence[CaseResult]]) -> Iterator[str]:
    """Write the envelopes of tests, by the path that each stands at, and yield the lines that tell of them.

    Raises:
        OSError: If one cannot be written.
    """
    for name, cases in sorted(trials.items()):
        path = root / name
        envelope = envelope_from([Trial(_trace(root, case), case.outcome == "passed") for case in cases])
        yield f"{escaped(name)}"
        try:
            before = _read(path)
        except AgentTraceError as error:
            before = None
            yield f"  the envelope that was there is replaced: {error}"
        yield from (f"  {line}" for line in envelope_lines(envelope))
        if before is not None:
            yield from (f"  {finding}" for finding in judge_success(before, envelope.successes, envelope.trials))
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{path.name}.{os.getpid()}")
        written.write_text(json.dumps(envelope.to_json(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.replace(path)


def _trace(root: Path, case: CaseResult) -> Trace:
    """Return what a trial did; nothing, if it failed before it did anything."""
    path = root / case.cassette
    return load(path) if path.exists() else Trace()
