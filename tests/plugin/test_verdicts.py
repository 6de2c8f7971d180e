"""What fails a test whose agent would have passed it: misses, drift, what is blocked, too old or over budget."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Final

import pytest

from tests.plugin.conftest import Project

_SWALLOWS: Final = """
import agent

def test_one(cassette):
    try:
        agent.ask({question!r})
    except Exception:
        pass
"""


def test_a_miss_that_the_agent_swallows_fails_the_test(project: Project) -> None:
    project.write(test_a=_SWALLOWS.format(question="one"))
    assert project.pytest("--record").returncode == 0
    project.write(test_a=_SWALLOWS.format(question="another"))
    result = project.pytest()
    assert result.returncode == 1
    assert "1 failed" in result.stdout
    assert "differs at /messages/0/content" in result.stdout
    assert "to fix   if the call was added, record it: pytest --record tests/test_a.py::test_one" in result.stdout


def test_a_miss_in_a_child_process_fails_the_test(project: Project) -> None:
    run = "import subprocess, sys\ndef test_one(cassette):\n    subprocess.run([sys.executable, '-c', 'import agent; agent.ask(\"{}\")'])\n"
    project.write(test_a=run.format("one"))
    recorded = project.pytest("--record", PYTHONPATH=str(project.folder))
    assert recorded.returncode == 0, recorded.stdout
    assert project.pytest(PYTHONPATH=str(project.folder)).returncode == 0
    project.write(test_a=run.format("two"))
    result = project.pytest(PYTHONPATH=str(project.folder))
    assert result.returncode == 1
    assert "miss: 1 call had no recording" in result.stdout


_ASIDE: Final = """
import agent, pytest, unittest

def asks(question):
    try:
        return agent.ask(question)
    except Exception:
        return None

@pytest.fixture
def cleaned(cassette):
    yield
    asks("QUESTION 1")

def test_teardown(cleaned):
    agent.ask("one")

class TestClass:
    def test_one(self, used):
        pass

@pytest.fixture(scope="class")
def used(class_cassette):
    agent.ask("two")
    yield
    asks("QUESTION 2")

def test_skip(cassette):
    asks("QUESTION 3") or pytest.skip("the provider is down")

@pytest.fixture
def skipping(cassette):
    asks("QUESTION 4") or pytest.skip("the provider is down")

def test_skip_in_fixture(skipping):
    pass

class TestUnit(unittest.TestCase):
    @pytest.mark.cassette
    def test_skip(self):
        asks("QUESTION 5") or self.skipTest("the provider is down")
"""


def test_a_miss_in_a_teardown_or_before_a_skip_fails_too(project: Project) -> None:
    project.write(test_a=_ASIDE)
    recorded = project.pytest("--record", "-W", "ignore")
    assert "5 passed" in recorded.stdout, recorded.stdout
    project.write(test_a=_ASIDE.replace("QUESTION", "another"))
    result = project.pytest("-rs", "-W", "ignore", "--agenttrace-report", "r.json")
    assert "2 failed, 2 passed, 3 errors in" in result.stdout, result.stdout
    assert "SKIPPED" not in result.stdout
    cases = json.loads((project.folder / "r.json").read_bytes())["cases"]
    told = {case["id"].rpartition("py::")[2]: case["outcome"] for case in cases}
    assert told == dict.fromkeys(
        ("test_teardown", "TestClass::test_one", "test_skip", "test_skip_in_fixture", "TestUnit::test_skip"), "failed"
    )


def test_a_miss_in_a_teardown_at_the_end_of_pytest_does_not_end_it_otherwise(project: Project) -> None:
    test = """
import agent, pytest

@pytest.fixture(scope="module")
def used(module_cassette):
    agent.ask("two")
    yield
    try:
        agent.ask("QUESTION")
    except Exception:
        pass

def test_one(used):
    {}
"""
    project.write(test_a=test.format("pass"))
    project.pytest("--record")
    project.write(test_a=test.format("raise KeyboardInterrupt").replace("QUESTION", "another"))
    result = project.pytest()
    assert result.returncode == 2
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("fixture", ["cassette", "module_cassette"])
def test_a_session_that_is_asked_for_while_a_test_runs_is_judged(project: Project, fixture: str) -> None:
    test = f"import agent\ndef test_one(request):\n    request.getfixturevalue('{fixture}')\n    {{}}\n"
    swallows = "try: agent.ask('{}')\n    except Exception: pass"
    project.write(test_a=test.format(swallows.format("one")))
    missing = project.pytest()
    assert missing.returncode == 1
    assert "No cassette at" in missing.stdout
    project.pytest("--record")
    assert project.pytest().returncode == 0
    project.write(test_a=test.format(swallows.format("two")))
    assert project.pytest().returncode == 1


def test_the_traceback_of_a_miss_ends_in_the_agent(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    project.pytest("--record")
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('two')\n")
    told = project.pytest().stdout
    assert "ReplayMiss: No recording answers this call." in told
    assert "_base_client.py" not in told
    assert told.count("nearest  recording 1") == 1


def test_a_traceback_has_no_frames_of_ours(project: Project) -> None:
    project.write(
        test_a="""
import agent, otel_agenttrace as at
from otel_agenttrace.testing import assert_called

@at.agent
def failing():
    raise LookupError("of the agent")

def test_own(agent_trace):
    failing()

def test_check(agent_trace):
    assert_called(agent_trace, "search")
"""
    )
    result = project.pytest()
    assert "2 failed" in result.stdout
    assert "LookupError: of the agent" in result.stdout
    assert "annotate.py" not in result.stdout
    assert "testing.py" not in result.stdout
    assert "FAILED tests/test_a.py::test_check - CheckFailed: called: " in result.stdout


def test_drift_fails_where_it_is_asked_for(project: Project) -> None:
    project.write(test_a="import agent, uuid\ndef test_one(cassette):\n    agent.ask(f'run {uuid.uuid4()}')\n")
    project.pytest("--record")
    passed = project.pytest()
    assert passed.returncode == 0
    assert "0 hit, 1 drift" in passed.stdout
    failed = project.pytest("--agenttrace-fail-on", "drift")
    assert failed.returncode == 1
    assert "drift: 1 call was answered by a recording that is not quite the same" in failed.stdout
    assert "/messages/0/content" in failed.stdout
    project.ini('agenttrace_fail_on = ["drift"]')
    assert project.pytest().returncode == 1


def test_recordings_that_nobody_asks_for_are_listed_and_fail_where_it_is_asked_for(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one'), agent.ask('two')\n")
    project.pytest("--record")
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    listed = project.pytest()
    assert listed.returncode == 0
    line = "never asked for: 1 recording of tests/cassettes/test_a/test_one.otlp.jsonl: inference[2] chat gpt-4o-mini"
    assert line in listed.stdout
    failed = project.pytest("--agenttrace-fail-on=unplayed")
    assert failed.returncode == 1
    assert failed.stdout.count("inference[2] chat gpt-4o-mini") == 1


def test_a_cassette_that_is_too_old_fails_with_the_command_that_records_it_anew(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    project.pytest("--record")
    assert project.pytest("--agenttrace-expire", "30d").returncode == 0
    (path,) = (project.folder / name for name in project.cassettes())
    recorded = json.loads(path.read_bytes())
    for span in (span for each in recorded["resourceSpans"] for scope in each["scopeSpans"] for span in scope["spans"]):
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            span[name] = str(int(span[name]) - 40 * 86_400 * 10**9)
    path.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    assert project.pytest().returncode == 0
    result = project.pytest("--agenttrace-expire", "30d")
    assert result.returncode == 1
    assert "was recorded 40 days ago; 30d is the limit" in result.stdout
    assert "pytest --agenttrace-record-mode all tests/test_a.py::test_one" in result.stdout
    assert "expired: tests/cassettes/test_a/test_one.otlp.jsonl" in result.stdout


def test_what_is_blocked_fails_the_test_though_the_agent_swallows_it(project: Project) -> None:
    test = "import agent, socket\ndef test_one(cassette):\n    agent.ask('one')\n    {}\n"
    project.write(test_a=test.format("pass"))
    project.pytest("--record")
    leak = "try: socket.create_connection(('198.51.100.7', 80), 1)\n    except OSError: pass"
    project.write(test_a=test.format(leak))
    result = project.pytest(unreachable=True)
    assert result.returncode == 1
    assert "egress: kept from reaching 198.51.100.7:80" in result.stdout


# --- budgets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ("max_usd=1e-7", "allow it: max_usd=0.0"),
        ("max_cost_usd=1e-7", "allow it: max_cost_usd=0.0"),
        ("max_tokens=3", "allow it: max_tokens="),
        ("max_llm_calls=1", "max_llm_calls"),
        ("max_tool_calls=0", "max_tool_calls"),
        ("max_duration_s=1e-9", "max_duration_s"),
        ("max_consecutive_same_tool=1", "max_consecutive_same_tool"),
        ("max_usdd=1", "Did you mean"),
    ],
)
def test_a_test_over_its_budget_fails_and_the_others_go_on(project: Project, budget: str, told: str) -> None:
    project.write(
        test_a=f"""
import agent, pytest

@pytest.mark.budget({budget})
def test_over(cassette):
    agent.advise("Lisbon"), agent.weather("Porto"), agent.weather("Faro")

@pytest.mark.budget(max_usd=1, max_tokens=10_000, max_llm_calls=5, max_tool_calls=1, max_duration_s=60, max_consecutive_same_tool=3)
def test_under(cassette):
    agent.advise("Lisbon")
"""
    )
    for argument in ("--record", "-rA"):
        result = project.pytest(argument)
        assert "1 failed, 1 passed" in result.stdout, result.stdout
        assert told in result.stdout
        assert "INTERNALERROR" not in result.stdout


@pytest.mark.parametrize("mark", ["budget", "budget()", "budget(0.01)"])
def test_a_budget_that_limits_nothing_fails(project: Project, mark: str) -> None:
    project.write(test_a=f"import agent, pytest\n@pytest.mark.{mark}\ndef test_one():\n    agent.ask('one')\n")
    result = project.pytest()
    assert result.returncode == 1
    assert "@pytest.mark.budget limits nothing" in result.stdout


def test_a_budget_in_money_does_not_pass_where_the_price_is_unknown(project: Project) -> None:
    project.write(
        test_a="import agent, pytest\n@pytest.mark.budget(max_usd=1)\ndef test_one(cassette):\n    agent.ask('one', model='my-own-model')\n"
    )
    result = project.pytest("--record")
    assert result.returncode == 1
    assert "my-own-model" in result.stdout


# --- reports, orphans ----------------------------------------------------------------------------------------------------


def test_a_report_tells_each_test_and_properties_stand_in_junit(project: Project) -> None:
    project.write(
        test_a="import agent\ndef test_one(cassette):\n    agent.advise('Lisbon')\ndef test_plain():\n    pass\n"
    )
    project.pytest("--record")
    project.pytest("--agenttrace-report", "out/r.json", "--agenttrace-report", "out/r.md", "--junitxml", "out/j.xml")
    (case,) = json.loads((project.folder / "out/r.json").read_bytes())["cases"]
    assert case["id"] == "tests/test_a.py::test_one"
    assert (case["outcome"], case["mode"]) == ("passed", "none")
    assert case["calls"] == {"hit": 2, "drift": 0, "miss": 0, "live": 0}
    assert (case["llm_calls"], case["tool_calls"]) == (2, 1)
    assert case["cost"] > 0
    assert case["input_tokens"] > 0
    found = {each.get("name"): each.get("value") for each in ET.parse(project.folder / "out/j.xml").iter("property")}
    assert found["agenttrace.hit"] == "2"
    assert found["agenttrace.cassette"] == "tests/cassettes/test_a/test_one.otlp.jsonl"
    assert "### ✓ 1 test, none failed" in (project.folder / "out/r.md").read_text(encoding="utf-8")


def test_a_cost_of_which_a_part_is_not_known_is_told_as_not_known(project: Project) -> None:
    project.write(
        test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n    agent.ask('two', model='my-own-model')\n"
    )
    project.pytest("--record", "--agenttrace-report", "r.json")
    (case,) = json.loads((project.folder / "r.json").read_bytes())["cases"]
    assert (case["llm_calls"], case["cost"]) == (2, None)


def test_cassettes_that_no_test_uses_are_listed(project: Project) -> None:
    two = "import agent\ndef test_one(cassette):\n    agent.ask('one')\ndef test_two(cassette):\n    agent.ask('two')\n"
    project.write(test_a=two, test_gone=two, test_plain="def test_plain():\n    pass\n")
    project.pytest("--record")
    (project.folder / "tests/test_gone.py").unlink()
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    orphans = ["test_a/test_two", "test_gone/test_one", "test_gone/test_two"]
    for arguments in ([], ["-k", "one"], ["-n", "2"], ["tests"]):
        told = project.pytest(*arguments).stdout
        assert "orphaned: 3 cassettes" in told, told
        assert all(f"  tests/cassettes/{name}.otlp.jsonl" in told for name in orphans)
    assert "test_two" not in project.pytest("tests/test_a.py::test_one").stdout


def test_a_cassette_that_a_module_beside_may_use_is_no_orphan(project: Project) -> None:
    project.write(
        test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n",
        test_b="import agent, pytest\n@pytest.mark.cassette('cassettes/shared/b.otlp.jsonl')\ndef test_b():\n    agent.ask('b')\n",
    )
    project.pytest("--record")
    assert "orphaned" not in project.pytest("tests/test_a.py").stdout
    (project.folder / "tests/test_b.py").unlink()
    assert "orphaned: 1 cassette" in project.pytest().stdout


def test_the_agent_trace_fixture_leaves_no_file_and_reaches_no_other_machine(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest
from otel_agenttrace.errors import EgressBlocked

def test_here(agent_trace):
    agent.advise("Lisbon")
    assert len(agent_trace.trace.inferences) == 2
    assert [span.name for span in agent_trace.trace.tool_calls] == ["execute_tool weather"]

def test_there(agent_trace, monkeypatch):
    monkeypatch.setenv("PROVIDER_URL", "https://api.example.test/v1")
    with pytest.raises(EgressBlocked):
        agent.ask("one")

@pytest.mark.budget(max_llm_calls=1)
def test_budget():
    agent.advise("Lisbon")
"""
    )
    result = project.pytest("-rA", unreachable=False)
    assert "PASSED tests/test_a.py::test_here" in result.stdout, result.stdout
    assert (
        "FAILED tests/test_a.py::test_there - Failed: egress: kept from reaching api.example.test:443" in result.stdout
    )
    assert "FAILED tests/test_a.py::test_budget - Failed: max_llm_calls" in result.stdout
    assert project.cassettes() == {}
