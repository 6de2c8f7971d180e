"""Look for input that breaks a law: `make fuzz SECONDS=3600`. Each target gets its share, in a process of its own.

A corpus grows in a folder outside of the repository. What breaks a law is kept there, named, and run again by
`python -m tests.fuzz TARGET FILE`, which needs nothing that is not in `.venv`.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final

_TIMEOUT_S: Final = 20
_MEMORY_MB: Final = 2_048
_LONGEST: Final = 1 << 15
_FOUND: Final = re.compile(r"Test unit written to (\S+)")
_DONE: Final = re.compile(r"Done (\d+) runs in (\d+)")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", help="one of them; without it all, one after the other")
    parser.add_argument("file", nargs="?", type=Path, help="check this input only")
    parser.add_argument("--seconds", type=int, default=60, help="for all together")
    parser.add_argument("--corpus", type=Path, default=Path.home() / ".cache" / "otel-agenttrace" / "fuzz")
    return parser.parse_args()


def main() -> int:
    """Return 1 if anything was found."""
    told = _arguments()
    if told.file is not None:
        from tests.fuzz.targets import TARGETS

        TARGETS[told.target].check(told.file.read_bytes())
        return 0
    if told.target is not None:
        _fuzz(told.target, told.corpus, told.seconds)
    return _all(told.corpus, told.seconds)


def _all(corpus: Path, seconds: int) -> int:
    from tests.fuzz.targets import TARGETS

    share = max(1, seconds // len(TARGETS))
    return int(max([_found(name, corpus, share) for name in TARGETS]))


def _found(name: str, corpus: Path, seconds: int) -> bool:
    """Run one target and say what came of it."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--corpus", str(corpus)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    done = _DONE.search(result.stderr)
    runs = f"{int(done[1]):,} executions in {done[2]} s" if done else f"ended with {result.returncode}"
    print(f"{name:<10} {runs}", flush=True)
    if result.returncode == 0:
        return False
    kept = _FOUND.search(result.stderr)
    print(result.stderr[-4_000:])
    print(f"  to reproduce   python -m tests.fuzz {name} {kept[1] if kept else '(no input was kept)'}", flush=True)
    return True


def _fuzz(name: str, corpus: Path, seconds: int) -> None:
    """Fuzz one target until its time is over; never returns."""
    fuzzer: Any = import_module("atheris")  # stands apart, `make fuzz` installs it
    with fuzzer.instrument_imports(include=["otel_agenttrace"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.mutations import mutated

    logging.disable()
    target = TARGETS[name]
    folder = corpus / name
    (folder / "findings").mkdir(parents=True, exist_ok=True)
    inputs = folder / "inputs"
    inputs.mkdir(exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (inputs / f"seed-{number}").write_bytes(seed)

    def mutate(content: bytes, limit: int, seed: int) -> bytes:
        random = Random(seed)
        return mutated(content, random)[:limit] if random.random() < 0.5 else fuzzer.Mutate(content, limit)

    options = (
        f"-max_total_time={seconds}",
        f"-timeout={_TIMEOUT_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={folder / 'findings'}{os.sep}",
    )
    fuzzer.Setup([name, *options, str(inputs)], target.check, custom_mutator=mutate)
    fuzzer.Fuzz()


if __name__ == "__main__":
    raise SystemExit(main())
