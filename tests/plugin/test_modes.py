"""Which cassette a test has, and when it is recorded: the default is never to spend money."""

from __future__ import annotations

from typing import Final

import pytest

from tests.plugin.conftest import Project

_TWO: Final = """
import agent, pytest

def test_one(cassette):
    assert agent.ask("one")

@pytest.mark.parametrize("city", ["Lisbon", "a/b ?"])
@pytest.mark.cassette
def test_city(city):
    assert agent.advise(city)
"""


def test_a_test_without_a_cassette_fails_with_the_command_that_records_it(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    raise SystemExit('it ran')\n")
    result = project.pytest(CI="true")
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout
    assert "No cassette at tests/cassettes/test_a/test_one.otlp.jsonl." in result.stdout
    assert "to fix   record it: pytest --record tests/test_a.py::test_one" in result.stdout
    assert "it ran" not in result.stdout
    assert project.provider.hits == 0


@pytest.mark.parametrize(("ci", "mode"), [("", ""), ("", "all"), ("true", "")])
def test_nothing_is_recorded_unasked(project: Project, ci: str, mode: str) -> None:
    project.write(test_a=_TWO)
    assert project.pytest(CI=ci, OTEL_AGENTTRACE_MODE=mode).returncode == 1
    assert (project.provider.hits, project.cassettes()) == (0, {})


def test_what_was_recorded_is_replayed_without_a_network(project: Project) -> None:
    project.write(test_a=_TWO)
    recorded = project.pytest("--record")
    assert recorded.returncode == 0, recorded.stdout
    lisbon, other, one = project.cassettes()
    assert lisbon == "tests/cassettes/test_a/test_city[Lisbon].otlp.jsonl"
    assert other.startswith("tests/cassettes/test_a/test_city[a_b_]-")
    assert one == "tests/cassettes/test_a/test_one.otlp.jsonl"
    hits = project.provider.hits
    result = project.pytest(unreachable=True, PROVIDER_URL="https://api.openai.com/v1")
    assert result.returncode == 0, result.stdout
    assert "3 tests, 5 calls: 5 hit, 0 drift, 0 miss" in result.stdout
    assert project.provider.hits == hits


def test_recording_adds_what_is_missing_and_keeps_the_rest(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    project.pytest("--record")
    ((name, before),) = project.cassettes().items()
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one'), agent.ask('two')\n")
    assert project.pytest().returncode == 1
    assert project.pytest("--record").returncode == 0
    assert project.cassettes()[name].startswith(before)
    assert project.provider.hits == 2
    assert project.pytest(unreachable=True).returncode == 0


def test_all_records_anew_and_once_only_where_there_is_none(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('one')\n")
    for mode, hits in (("once", 1), ("once", 1), ("all", 2), ("none", 2)):
        assert project.pytest("--agenttrace-record-mode", mode).returncode == 0
        assert project.provider.hits == hits


def test_the_option_comes_before_the_mark_the_mark_before_the_fixture_and_that_before_the_ini_file(
    project: Project,
) -> None:
    project.write(
        test_a="""
import agent, pytest

@pytest.fixture
def cassette_options():
    return {"mode": "once"}

def test_fixture(cassette):
    assert cassette.mode == "all"  # once, without a cassette

@pytest.mark.cassette(mode="none")
def test_mark(cassette):
    raise SystemExit("it ran")
""",
        test_b="import agent\ndef test_ini(cassette):\n    assert cassette.mode == 'new' and agent.ask('one')\n",
    )
    project.ini('agenttrace_record_mode = "new"')
    told = project.pytest("-rA").stdout
    assert "No cassette at tests/cassettes/test_a/test_mark.otlp.jsonl" in told
    assert "test_fixture: " not in told.replace("nothing_recorded", "")
    assert "PASSED tests/test_b.py::test_ini" in told
    told = project.pytest("--agenttrace-record-mode", "none").stdout
    assert told.count("FAILED") == 3


def test_a_mark_names_a_cassette_that_tests_share_and_all_keeps_the_calls_of_each(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest

@pytest.mark.cassette("shared/calls.otlp.jsonl")
class TestBoth:
    def test_one(self):
        agent.ask("one")

    def test_two(self):
        agent.ask("two")
"""
    )
    for _ in range(2):
        assert project.pytest("--agenttrace-record-mode", "all").returncode == 0
    assert list(project.cassettes()) == ["tests/shared/calls.otlp.jsonl"]
    assert project.provider.hits == 4
    result = project.pytest("--agenttrace-fail-on", "unplayed", unreachable=True)
    assert result.returncode == 0, result.stdout
    assert "never asked for" not in result.stdout


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("mode='sometimes'", "@pytest.mark.cassette, mode is 'sometimes'"),
        ("freze='tools'", "Did you mean 'freeze'?"),
        ("'a', 'b'", "@pytest.mark.cassette has 2 paths"),
        ("match=[{'ponter': '/x'}]", "is no rule"),
        ("match=3", "@pytest.mark.cassette, match: 3 is no rule"),
        ("match={'pointer': 3, 'action': 'ignore'}", "is no rule"),
        ("freeze='everything'", "freeze has no 'everything'"),
        ("allow=3", "@pytest.mark.cassette, allow is 3"),
        ("faults=[3]", "@pytest.mark.cassette, faults is [3]"),
        ("seed='x'", "@pytest.mark.cassette, seed is 'x'"),
        ("timing=3", "@pytest.mark.cassette, timing is 3"),
    ],
)
def test_a_mark_without_a_meaning_is_named(project: Project, mark: str, told: str) -> None:
    project.write(test_a=f"import pytest\n@pytest.mark.cassette({mark})\ndef test_one():\n    pass\n")
    result = project.pytest()
    assert result.returncode == 1
    assert told in result.stdout
    assert "INTERNALERROR" not in result.stdout


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--agenttrace-expire=old", "'old' is no age"),
        ("--agenttrace-report=r.xml", "--junitxml"),
        ("--agenttrace-trials=1", "1 trials tell nothing"),
    ],
)
def test_an_option_without_a_meaning_is_wrong_use(project: Project, argument: str, told: str) -> None:
    project.write(test_a="def test_one(cassette):\n    pass\n")
    result = project.pytest(argument)
    assert result.returncode == 4
    assert told in result.stderr + result.stdout


@pytest.mark.parametrize("fixture", ["cassette", "module_cassette"])
@pytest.mark.parametrize("mode", ["all", "new"])
def test_a_test_that_makes_no_call_is_not_recorded_in_silence(project: Project, mode: str, fixture: str) -> None:
    project.write(test_a=f"def test_one({fixture}):\n    pass\n")
    result = project.pytest("--agenttrace-record-mode", mode)
    assert result.returncode == 1
    assert "the test made no call that can be recorded" in result.stdout


def test_a_damaged_cassette_fails_its_test_and_no_other(project: Project) -> None:
    project.write(test_a=_TWO)
    project.pytest("--record")
    path = project.folder / "tests/cassettes/test_a/test_one.otlp.jsonl"
    path.write_bytes(b"no JSON\n" + path.read_bytes())
    result = project.pytest()
    assert "1 failed, 2 passed" in result.stdout
    assert "test_one.otlp.jsonl:1: not JSON" in result.stdout


def test_the_command_that_records_is_told_for_the_folder_where_pytest_was_started(project: Project) -> None:
    project.write(test_a="def test_one(cassette):\n    pass\n")
    (project.folder / "docs").mkdir()
    result = project.pytest("../tests", cwd="docs")
    assert "record it: pytest --record ../tests/test_a.py::test_one" in result.stdout, result.stdout


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_long_name_in_another_script_is_a_name_that_file_systems_take(project: Project) -> None:
    project.write(test_a=f"import agent\ndef test_{'長' * 90}(cassette):\n    agent.ask('one')\n")
    assert project.pytest("--record").returncode == 0
    result = project.pytest()
    assert result.returncode == 0, result.stdout


def test_a_mark_on_one_parameter_holds_for_that_one_only(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest

@pytest.mark.parametrize("question", ["", pytest.param("two", marks=pytest.mark.cassette("two.otlp.jsonl"))])
def test_one(question):
    assert not question or agent.ask(question)
"""
    )
    assert project.pytest("--record").returncode == 0
    assert list(project.cassettes()) == ["tests/two.otlp.jsonl"]
    assert project.pytest().returncode == 0


def test_parameters_that_are_called_like_trials_have_cassettes_of_their_own(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest

@pytest.mark.parametrize("question", ["one", "two"], ids=["trial-1", "trial-2"])
def test_one(cassette, question):
    agent.ask(question)
"""
    )
    project.pytest("--record")
    assert list(project.cassettes()) == [f"tests/cassettes/test_a/test_one[trial-{n}].otlp.jsonl" for n in (1, 2)]
    project.pytest("--agenttrace-trials", "2")
    envelopes = sorted(path.name for path in project.folder.rglob("*.envelope.json"))
    assert envelopes == [f"test_one[trial-{n}].envelope.json" for n in (1, 2)]


# --- what was recorded is not lost ---------------------------------------------------------------------------------------


def test_a_cassette_that_two_folders_name_by_different_paths_is_one(project: Project) -> None:
    for name in ("a", "b"):
        (project.folder / "tests" / name).mkdir(parents=True)
        (project.folder / "tests" / name / f"test_{name}.py").write_text(
            "import agent, pytest\n@pytest.mark.cassette('../shared.otlp.jsonl')\n"
            f"def test_one():\n    agent.ask('{name}')\n",
            encoding="utf-8",
        )
    assert project.pytest("--agenttrace-record-mode", "all").returncode == 0
    result = project.pytest()
    assert "2 passed" in result.stdout, result.stdout


def test_a_recording_that_is_interrupted_leaves_the_older_one(project: Project) -> None:
    test = "import agent\ndef test_one(cassette):\n    agent.ask('one')\n    {}\n    agent.ask('two')\n"
    project.write(test_a=test.format("pass"))
    project.pytest("--record")
    ((name, before),) = project.cassettes().items()
    project.write(test_a=test.format("raise KeyboardInterrupt"))
    assert project.pytest("--agenttrace-record-mode", "all").returncode == 2
    assert project.cassettes()[name] == before
    assert list(project.cassettes()) == [name, f"{name}.partial"]


def test_all_records_a_test_anew_that_is_run_again(project: Project) -> None:
    project.write(
        test_a="""
import agent
seen = set()

def test_flaky(cassette):
    seen.add(agent.ask("one"))
    assert len(seen) == 2
"""
    )
    result = project.pytest("--agenttrace-record-mode", "all", "--reruns", "1")
    assert "1 passed, 1 rerun" in result.stdout, result.stdout
    assert project.provider.hits == 2
