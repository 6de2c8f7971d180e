"""A project with an agent and its tests, run by a pytest of its own in a process of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.provider import Provider
from tests.support.unreachable import alone

AGENT: Final = """
import os
import openai
import otel_agenttrace as at

@at.tool
def weather(city):
    return {"city": city, "sky": "sunny"}

def client():
    return openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)

def ask(text, model="gpt-4o-mini"):
    with client() as asked:
        answer = asked.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content

async def ask_later(text):
    async with openai.AsyncOpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0) as asked:
        answer = await asked.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content

@at.agent("advisor")
def advise(city):
    first = ask(f"hello from {city}")
    weather(city)
    return ask(f"and in {city}? {first}")
"""
_DROPPED: Final = ("OTEL_", "_OTEL_", "OPENAI_", "ANTHROPIC_", "CI", "PYTEST", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@dataclass
class Project:
    """A folder with an agent; `write` adds files, `pytest` runs its tests."""

    folder: Path
    provider: Provider

    def write(self, **files: str) -> None:
        """Write modules: `test_a="…"` stands in tests/, all else beside the agent."""
        for name, text in files.items():
            path = self.folder / ("tests" if name.startswith(("test_", "conftest")) else ".") / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def ini(self, *lines: str) -> None:
        """Write what the project tells pytest."""
        told = [
            "[tool.pytest.ini_options]",
            'pythonpath = ["."]',
            'testpaths = ["tests"]',
            "asyncio_default_fixture_loop_scope = 'function'",
        ]
        (self.folder / "pyproject.toml").write_text("\n".join([*told, *lines, ""]), encoding="utf-8")

    def pytest(
        self, *arguments: str, unreachable: bool = False, cwd: str = ".", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the tests, from a folder of the project, and where it is asked for without any network."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
        told = {"PROVIDER_URL": self.provider.openai_url, "OPENAI_API_KEY": secrets.token_hex(8), "COLUMNS": "150"}
        command = [
            *(alone() if unreachable else ()),
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        return subprocess.run(
            command,
            cwd=self.folder / cwd,
            env={**kept, **told, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def cassettes(self) -> dict[str, bytes]:
        """Return the cassettes there are, by their path below the project."""
        found = sorted(self.folder.rglob("*.otlp.jsonl*"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Provider() as provider:
        made = Project(tmp_path, provider)
        made.ini()
        made.write(agent=AGENT)
        yield made
