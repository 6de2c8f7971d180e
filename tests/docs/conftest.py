"""What the blocks of README and docs find around them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture
def reader_environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a reader who has installed the package: our commands on PATH, an empty home, no key."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**kept, "PATH": commands, "HOME": str(home)}
