"""The plugin beside other plugins, and in every form a test may have."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

import pytest

from tests.plugin.conftest import Project

_MANY: Final = """
import agent, pytest

@pytest.mark.parametrize("number", range(12))
def test_many(cassette, number):
    assert agent.ask(f"question {number}") and agent.ask("the same")
"""


def test_several_workers_record_and_replay_one_folder(project: Project) -> None:
    project.write(test_a=_MANY)
    recorded = project.pytest("-n", "4", "--record")
    assert recorded.returncode == 0, recorded.stdout
    assert len(project.cassettes()) == 12
    assert project.provider.hits == 24
    result = project.pytest(
        "-n", "4", "--agenttrace-report", "r.json", "--agenttrace-fail-on=unplayed", unreachable=True
    )
    assert result.returncode == 0, result.stdout
    assert "12 tests, 24 calls: 24 hit, 0 drift, 0 miss" in result.stdout
    alone = project.pytest("--agenttrace-report", "one.json")
    assert alone.returncode == 0
    left, right = ((project.folder / name).read_text(encoding="utf-8") for name in ("r.json", "one.json"))
    assert left.count('"hit": 2') == right.count('"hit": 2') == 12


def test_a_miss_on_a_worker_fails_there(project: Project) -> None:
    project.write(test_a=_MANY)
    project.pytest("--record")
    project.write(test_a=_MANY.replace("question {number}", "other {number}"))
    result = project.pytest("-n", "2")
    assert "12 failed" in result.stdout
    assert "12 miss" in result.stdout


def test_a_test_that_is_run_again_replays_from_the_beginning_and_counts_once(project: Project) -> None:
    project.write(
        test_a="""
import agent
seen = []

def test_flaky(cassette):
    seen.append(agent.ask("one"))
    assert len(seen) == 3
    assert len(set(seen)) == 1
"""
    )
    recorded = project.pytest("--record", "--reruns", "2")
    assert "1 passed, 2 rerun" in recorded.stdout, recorded.stdout
    result = project.pytest("--reruns", "2", unreachable=True)
    assert "1 passed, 2 rerun" in result.stdout, result.stdout
    assert "1 test, 1 call: 1 hit, 0 drift, 0 miss" in result.stdout


def test_coroutines_of_asyncio_and_anyio(project: Project) -> None:
    project.write(
        test_a="""
import agent, asyncio, pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.asyncio
async def test_asyncio(cassette):
    answers = await asyncio.gather(*(agent.ask_later(f"question {n}") for n in range(4)))
    assert len(set(answers)) == 4

@pytest.mark.anyio
async def test_anyio(cassette):
    assert await agent.ask_later("one")

@pytest.mark.asyncio
@pytest.mark.cassette
async def test_marked():
    try:
        await agent.ask_later("marked")
    except Exception:
        pass
"""
    )
    recorded = project.pytest("--record")
    assert recorded.returncode == 0, recorded.stdout
    result = project.pytest(unreachable=True)
    assert "3 passed" in result.stdout, result.stdout
    assert "6 calls: 6 hit, 0 drift, 0 miss" in result.stdout
    text = (project.folder / "tests/test_a.py").read_text(encoding="utf-8")
    project.write(test_a=text.replace('"marked"', '"another"'))
    assert "FAILED tests/test_a.py::test_marked - Failed: miss" in project.pytest().stdout


def test_classes_of_unittest(project: Project) -> None:
    test = """
import agent, pytest, unittest

@pytest.mark.cassette
@pytest.mark.budget(max_llm_calls=1)
class TestAgent(unittest.TestCase):
    def test_one(self):
        self.assertTrue(agent.ask("one"))

    def test_swallows(self):
        try:
            agent.ask("QUESTION")
        except Exception:
            pass

    def test_over(self):
        agent.advise("Lisbon")
"""
    project.write(test_a=test)
    recorded = project.pytest("--record")
    assert "1 failed, 2 passed" in recorded.stdout, recorded.stdout
    assert len(project.cassettes()) == 3
    project.write(test_a=test.replace("QUESTION", "another"))
    told = project.pytest().stdout
    assert "2 failed, 1 passed" in told, told
    assert re.search(r"test_swallows - .*miss", told)


def test_a_class_and_a_module_may_share_one_session(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest

class TestAdvice:
    @pytest.fixture(scope="class")
    def advice(self, class_cassette):
        return agent.advise("Lisbon")

    def test_answer(self, advice):
        assert advice

    def test_calls(self, advice, class_cassette):
        assert len(class_cassette.trace.inferences) == 2

def test_module(module_cassette):
    assert agent.ask("one")

def test_module_again(module_cassette):
    assert agent.ask("two")
"""
    )
    assert project.pytest("--record").returncode == 0
    assert list(project.cassettes()) == [
        "tests/cassettes/test_a/TestAdvice.otlp.jsonl",
        "tests/cassettes/test_a/test_a.otlp.jsonl",
    ]
    hits = project.provider.hits
    assert hits == 4
    result = project.pytest(unreachable=True)
    assert result.returncode == 0, result.stdout
    assert "4 tests, 4 calls: 4 hit" in result.stdout
    assert "never asked for" not in result.stdout
    assert "orphaned" not in result.stdout


# --- options that others have ------------------------------------------------------------------------------------------


def test_beside_pytest_recording_its_option_is_its_own(project: Project) -> None:
    project.write(
        test_a="""
import agent, httpx, os, pytest

def test_ours(cassette):
    assert agent.ask("one")

@pytest.mark.vcr
def test_theirs():
    assert httpx.get(os.environ["PROVIDER_URL"] + "/models").status_code == 200
"""
    )
    result = project.pytest("--record-mode=once", "--agenttrace-record-mode=once")
    assert result.returncode == 0, result.stdout + result.stderr
    hits = project.provider.hits
    assert hits == 2
    assert (project.folder / "tests/cassettes/test_a/test_theirs.yaml").exists()
    result = project.pytest("--block-network", "--allowed-hosts=none")
    assert result.returncode == 0, result.stdout
    assert "orphaned" not in result.stdout
    assert project.provider.hits == hits
    assert "VCR.py record mode" in project.pytest("--help").stdout


@pytest.mark.parametrize("arguments", [["--record-mode", "new"], ["--record-mode=new"], ["--record"]])
def test_without_it_the_short_option_is_ours(project: Project, arguments: list[str]) -> None:
    project.write(test_a="import agent\ndef test_one(cassette, own):\n    agent.ask('one')\n")
    project.write(
        conftest="import pytest\ndef pytest_addoption(parser):\n    parser.addoption('--own', default='1')\n@pytest.fixture\ndef own(request):\n    return request.config.getoption('--own')\n"
    )
    result = project.pytest("-p", "no:recording", *arguments, "--own", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(project.cassettes()) == 1
    workers = project.pytest("-p", "no:recording", "-n", "2", *arguments)
    assert workers.returncode == 0, workers.stdout + workers.stderr


def test_an_option_of_the_projects_own_stays_its_own(project: Project) -> None:
    project.write(
        conftest="def pytest_addoption(parser):\n    parser.addoption('--record', action='store_true')\n    parser.addoption('--record-mode', choices=['fast', 'slow'])\n",
        test_a="def test_one(request):\n    assert (request.config.getoption('record'), request.config.getoption('record_mode')) == (True, 'fast')\n",
    )
    result = project.pytest("-p", "no:recording", "--record", "--record-mode", "fast")
    assert result.returncode == 0, result.stdout + result.stderr


# --- a session that uses nothing of ours ---------------------------------------------------------------------------------

_LOADED: Final = "import sys; print(sorted(name for name in sys.modules if name.startswith('otel_agenttrace')))"


def test_a_session_that_does_not_use_it_loads_the_plugin_module_only(project: Project) -> None:
    project.write(
        test_a=f"def test_one():\n    {_LOADED}\n    assert 'openai' not in sys.modules and 'opentelemetry' not in sys.modules\n"
    )
    told = project.pytest("-s").stdout
    assert "['otel_agenttrace', 'otel_agenttrace.pytest_plugin']" in told, told
    assert "otel-agenttrace ==" not in told


def test_it_costs_that_session_at_most_two_milliseconds(project: Project) -> None:
    project.write(test_a="def test_one():\n    pass\n")
    costs: list[int] = []
    for _ in range(5):
        result = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "pytest", "-q"],
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line for line in result.stderr.splitlines() if re.search(r"\| +otel_agenttrace", line)]
        costs.append(sum(int(line.removeprefix("import time:").split("|")[0]) for line in lines))
    assert min(costs) <= 2_000, costs
