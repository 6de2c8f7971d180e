"""What a replayed test costs under pytest, next to the same test with a client whose transport is stubbed."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.figures import Figure
from tests.support.provider import Provider

__all__ = ["replayed_tests"]

_TESTS: Final = 1_000
_ROUNDS: Final = 3
_ASKING: Final = """
import os
import httpx2, openai, pytest

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a stubbed answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
}

@pytest.fixture(scope="session")
def client():
    with openai.OpenAI(api_key="none", base_url=os.environ["PROVIDER_URL"], CLIENT) as made:
        yield made

@pytest.mark.parametrize("number", range(COUNT))
def test_three_calls(FIXTURE, client, number):
    for turn in range(3):
        question = [{"role": "user", "content": f"question {turn} of test {number}"}]
        assert client.chat.completions.create(model="gpt-4o-mini", messages=question).choices[0].message.content
"""
_STUB: Final = "http_client=httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER)))"


def replayed_tests() -> Sequence[Figure]:
    """1,000 tests of 3 calls each: what the fixture `cassette` adds to a test; a yardstick, nothing bounds it."""
    with TemporaryDirectory() as folder, Provider() as provider:
        root = Path(folder)
        (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", encoding="utf-8")
        for name, fixture, client in (("test_ours", "cassette", "max_retries=0"), ("test_stub", "request", _STUB)):
            text = _ASKING.replace("COUNT", str(_TESTS)).replace("FIXTURE", fixture).replace("CLIENT", client)
            (root / f"{name}.py").write_text(text, encoding="utf-8")
        _seconds(root, "test_ours.py", provider.openai_url, "--record")
        pairs = [
            (_seconds(root, "test_stub.py", provider.openai_url), _seconds(root, "test_ours.py", provider.openai_url))
            for _ in range(_ROUNDS)
        ]
    bare, ours = (statistics.median(side) * 1e3 / _TESTS for side in zip(*pairs, strict=True))
    added = statistics.median(other - one for one, other in pairs) * 1e3 / _TESTS
    what = f"a replayed test of 3 calls, of {_TESTS:,}, beside a stubbed client, adds"
    return [Figure(what, added, None, "ms", f"{bare:.2f} ms", f"{ours:.2f} ms")]


def _seconds(root: Path, name: str, url: str, *arguments: str) -> float:
    dropped = ("OTEL_", "PYTEST")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name, *arguments]
    begin = time.perf_counter()
    subprocess.run(command, cwd=root, env={**environment, "PROVIDER_URL": url}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin
