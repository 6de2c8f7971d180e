"""Find the cassettes and snapshots that no test uses. Collected tests and the paths they use in, paths that are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.pytest_kit.places import one_name
from otel_agenttrace.snapshots import unused_snapshots

__all__ = ["Collected"]


class Collected:
    """Which tests were collected, and which cassettes they use.

    Only what was collected as a whole is judged: a module named with `::`, or left out by `--lf`, may have other tests,
    and beside a module that was named, others may use what has no module of its own.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._used: Counter[Path] = Counter()
        self._modules: set[Path] = set()
        self._partly: set[Path] = set()
        self._unsure: set[Path] = set()
        self._is_whole = True

    def take(
        self, items: Sequence[pytest.Item], used: Iterable[Path], arguments: Sequence[str], *, is_partial: bool
    ) -> None:
        """Take note of the tests, and of the cassettes of those that have one."""
        self._used.update(path.absolute() for path in used)
        if not is_partial:
            chosen = {Path(word.partition("::")[0]).resolve() for word in arguments if "::" in word}
            named = (Path(word.partition("::")[0]).resolve() for word in arguments)
            self._partly = {path.parent for path in named if not path.is_dir()}
            self._modules = {item.path for item in items if item.path.resolve() not in chosen}

    def use(self, path: Path) -> None:
        """Take note of a cassette that a test asked for while it ran."""
        if path not in self._used:
            self._used[path] = 1

    def uses_of(self, path: Path) -> int:
        """Return how many tests have this cassette."""
        return self._used[path]

    def leave_out(self, items: Iterable[pytest.Item]) -> None:
        """Take note of tests that will not run: which snapshots they have only a run shows."""
        self._is_whole = self._is_whole and not any(True for _ in items)

    def doubt(self, module: Path) -> None:
        """Take note that a test of a module did not come to its end."""
        self._unsure.add(module)

    def orphans(self) -> Iterator[Path]:
        """Yield the cassettes of the collected modules, and of modules that are gone, that belong to no test."""
        for _, folder in self._folders(self._folder):
            found = (path for path in sorted(folder.iterdir()) if path.name.endswith(ENDINGS))
            yield from (path for path in found if path.absolute() not in self._used)

    def unused_snapshots(self, name: str, used: Collection[Path]) -> Iterator[Path]:
        """Yield the snapshots of these modules that were not asked for; none where tests were left out.

        Args:
            name: The folder of snapshots beside each test file; one elsewhere may be that of other tests, too.
            used: The snapshots that were asked for.
        """
        if not self._is_whole or Path(name).is_absolute() or ".." in Path(name).parts:
            return
        for module, folder in self._folders(name):
            if module not in self._unsure:
                yield from unused_snapshots(folder, used)

    def _folders(self, name: str) -> Iterator[tuple[Path, Path]]:
        """Yield the modules that are judged, with their folders in those of this name."""
        for place in sorted({module.parent for module in self._modules}):
            for folder in sorted(path for path in one_name(place / name).glob("*") if path.is_dir()):
                module = place / f"{folder.name}.py"
                if module in self._modules or not (module.exists() or place.resolve() in self._partly):
                    yield module, folder
