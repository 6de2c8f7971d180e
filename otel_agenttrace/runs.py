"""What the processes of one run share: which file they write to, which recordings are taken, what each of them saw.

The root makes the run and hands it on by environment. Small files under the temporary folder, named by the run's
secret id, carry what has to travel between processes; the root removes them when it ends.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from otel_agenttrace.cassette.held import HeldFile
from otel_agenttrace.cassette.private import open_private
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.config import RecordMode
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.playback.plan import ReplayPlan

try:
    import fcntl
except ImportError:  # no advisory locks on this system: processes may take the same recording
    fcntl = None

__all__ = ["Run", "SharedClaims", "SharedSwitch", "note_begun"]

_log = logging.getLogger("otel_agenttrace")
_ID_SIZE: Final = 16
_APPEND: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Run:
    """A run and what its processes share.

    Attributes:
        id: Its secret name.
        mode: The mode in force.
        file: Where its processes write.
        cassette: The cassette it was asked for: what it records or replays.
        target: The cassette that `file` becomes; another one than `cassette` if a replay is forked.
        root_pid: The process that began it and ends it.
        plan: How it deals with each call.
        begun_ns: When it began; ages count to then, in all its processes.
        known: In mode `new`, how many bytes of the cassette were there when it began, None without one: what a run records
            itself does not answer it.
    """

    id: str
    mode: RecordMode
    file: str
    cassette: str
    target: str
    root_pid: int
    plan: ReplayPlan = field(default_factory=ReplayPlan)
    begun_ns: int = 0
    known: int | None = None

    @staticmethod
    def begun(path: Path, mode: RecordMode, plan: ReplayPlan, *, fork: Path | None, in_place: bool) -> Run:
        """Return a new run of which this process is the root. `in_place`: it writes to its cassette from the beginning.

        Raises:
            ConfigError: If a fork would replace the cassette that is replayed.
        """
        if mode == "once":
            mode = "none" if path.exists() else "all"
        if fork is not None and fork.resolve() == path.resolve():
            raise ConfigError(
                f"{fork} is the cassette that is replayed, and a fork would replace it.\n  to fix   name another file"
            )
        target = fork.absolute() if fork is not None else path
        has_partial = fork is not None or (mode == "all" and not in_place) or bool(plan.only)
        return Run(
            id=secrets.token_hex(8),
            mode=mode,
            file=str(partial_path(target) if has_partial else target),
            cassette=str(path),
            target=str(target),
            root_pid=os.getpid(),
            plan=plan,
            begun_ns=time.time_ns(),
            known=path.stat().st_size if mode == "new" and path.exists() else None,
        )

    @staticmethod
    def inherited(environ: Mapping[str, str]) -> Run | None:
        """Return the run this process was started in: by another one, or by itself before it replaced its program."""
        told = environ.get(RUN)
        if not told:
            return None
        members: dict[str, Any] = json.loads(told)
        plan = ReplayPlan.from_json(members.pop("plan"))
        run = Run(**members, plan=plan)
        return run if run.root_pid != os.getpid() or run.id not in _begun_here else None

    @property
    def is_root(self) -> bool:
        """Whether this process began the run and ends it: a forked one did not."""
        return self.root_pid == os.getpid()

    @property
    def is_replaying(self) -> bool:
        """Whether recorded calls are served, in `none` and `new`: then nothing is hidden from the application."""
        return self.mode in ("none", "new")

    @property
    def is_fork(self) -> bool:
        """Whether a replay goes on into a cassette of its own."""
        return self.mode == "none" and self.target != self.cassette

    @property
    def writes(self) -> bool:
        """Whether live calls are written: in every mode but `none`, unless it is forked."""
        return self.mode != "none" or self.is_fork

    def to_environment(self) -> str:
        """Return the text that children inherit."""
        return json.dumps(asdict(self))

    def shared_file(self, purpose: str) -> Path:
        """Return the path of a file that all processes of the run know."""
        return Path(gettempdir(), f"otel-agenttrace-{self.id}.{purpose}")

    def remove_shared(self) -> None:
        """Remove the files that its processes share: it is over."""
        for purpose in ("additions", "claims", "facts", "tools", "live"):
            self.shared_file(purpose).unlink(missing_ok=True)

    def tell(self, fact: Mapping[str, object]) -> None:
        """Tell the root something; it counts when the root ends."""
        try:
            descriptor = open_private(self.shared_file("facts"), _APPEND)
            try:
                os.write(descriptor, json.dumps(fact).encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            if self.id not in _unheard:
                _unheard.add(self.id)
                _log.warning("the root of the run does not hear of this process: %s", error)

    def hear(self, offset: int = 0) -> tuple[tuple[Mapping[str, Any], ...], int]:
        """Return what the other processes have told from a place on, and the place where that ends.

        A line that is torn is no fact yet.
        """
        try:
            with self.shared_file("facts").open("rb") as file:
                file.seek(offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return (), offset
        facts = tuple(fact for line in whole.splitlines() if (fact := _fact(line)) is not None)
        return facts, offset + len(whole) + len(newline)


_begun_here: set[str] = set()
_unheard: set[str] = set()
"""Runs whose root does not hear all, which was said."""


def note_begun(run: Run) -> None:
    """Take note that this program, not one that this process ran before, has sessions of a run."""
    _begun_here.add(run.id)


def _fact(line: bytes) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return None


class SharedClaims:
    """Which recorded calls have been given away by any process of a run. Its user holds a lock of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: HeldFile | None = None
        self._taken: set[str] = set()
        self._known = 0

    def take(self, span_id: str) -> bool:
        """Return whether a recording was still free; now it is taken."""
        descriptor = self._open()
        _lock(descriptor)
        try:
            self._catch_up(descriptor)
            if span_id in self._taken:
                return False
            self._known += os.write(descriptor, span_id.encode("ascii"))
            self._taken.add(span_id)
            return True
        finally:
            _unlock(descriptor)

    def taken(self) -> frozenset[str]:
        """Return the recordings that are taken."""
        if self._path.exists():
            self._catch_up(self._open())
        return frozenset(self._taken)

    def _catch_up(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size > self._known:
            told = os.pread(descriptor, size - self._known, self._known).decode("ascii")
            self._taken.update(told[at : at + _ID_SIZE] for at in range(0, len(told), _ID_SIZE))
            self._known = size

    def _open(self) -> int:
        if self._held is None:
            self._held = HeldFile(self._path, _APPEND)
        return self._held.descriptor()

    def after_fork(self) -> None:
        """Open the file anew: a lock on a descriptor that two processes share keeps neither out."""
        self.close()
        self._known = 0

    def close(self) -> None:
        """Release the file."""
        if self._held is not None:
            self._held.close()
            self._held = None


class SharedSwitch:
    """Something that any process of a run turns on for all of them, once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_on = False

    def is_on(self) -> bool:
        """Whether it was turned on."""
        self._is_on = self._is_on or self._path.exists()
        return self._is_on

    def turn_on(self) -> None:
        """Turn it on."""
        os.close(open_private(self._path, _APPEND))
        self._is_on = True


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
