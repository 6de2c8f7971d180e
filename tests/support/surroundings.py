"""Where a test stands: in a folder without settings, beside a provider that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_agenttrace.environment import RUN
from tests.support.provider import Provider

__all__ = ["home", "provider"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder without settings."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", RUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Run a provider for the time of a test."""
    with Provider() as running:
        yield running
