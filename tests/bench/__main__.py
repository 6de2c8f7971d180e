"""What a call costs, next to the bare SDK in the same run: `make bench`.

Every figure is a median of interleaved rounds; the machine may be noisy, so read differences and ratios, not times.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from tests.bench import calls, causes, diffing, files, library, matching, predecessor, redaction, start, suite
from tests.bench.figures import Figure

_BENCHES: Sequence[Callable[[], Sequence[Figure]]] = (
    calls.one_sdk_span,
    calls.recording,
    calls.instrumentation_alone,
    calls.replaying,
    calls.first_chunk,
    matching.hashing,
    matching.matching,
    redaction.conversation,
    redaction.exchange,
    causes.growing,
    diffing.diffing,
    files.loading,
    files.sizes,
    library.many_files,
    library.growing,
    library.large_files,
    predecessor.beside_traceops,
    start.importing,
    start.starting,
    suite.replayed_tests,
)


def main() -> int:
    """Print the table; the exit code is 1 if a bound is not kept."""
    table = Table("what", "bare", "ours", "figure", "bound", "")
    missed = 0
    for bench in _BENCHES:
        for figure in bench():
            missed += not figure.is_kept
            colour = "green" if figure.is_kept else "red"
            mark = f"[{colour}]{figure.verdict}[/]"
            table.add_row(figure.what, figure.bare, figure.ours, figure.told, figure.bound_told, mark)
    Console(width=130).print(table)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
