"""Take out of a cassette what one run added to it. Cassette and id of the run in, the cassette as it was and a partial out."""

from __future__ import annotations

from pathlib import Path

from otel_agenttrace.cassette.appending import AppendedFile, kept_still
from otel_agenttrace.cassette.held import recordable
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.cassette.recording import Recording

__all__ = ["set_aside"]


def set_aside(path: Path, run_id: str) -> Path | None:
    """Move the lines of a run into the partial beside their cassette, and return it; None where the run wrote none.

    Other lines stay byte-identical. A cassette that has no others is gone.

    Raises:
        CassetteInaccessible: If a file cannot be written; no line is lost.
    """
    of_run = f'"{run_id}"'.encode()  # each line tells its run, and no other has drawn the same number
    recording = Recording(path)
    try:
        with recordable(path), kept_still(path) as content:
            lines = content.splitlines(keepends=True)
            own = [line for line in lines if of_run in line]
            partial = AppendedFile(recording.partial, create=True)
            for line in own:
                partial.append(line)
            others = b"".join(line for line in lines if of_run not in line)
            if own and others:
                write_private(path, others, durable=True)
            elif own:
                path.unlink()
    finally:
        recording.leave()
    return recording.partial if own else None
