"""The fixture `trace_snapshot`: where a snapshot stands, and how it is updated."""

from __future__ import annotations

from tests.plugin.conftest import Project

_TEST = """
import agent

def test_advice(cassette, trace_snapshot):
    agent.advise("Lisbon")
    trace_snapshot.assert_match(cassette.trace)
    trace_snapshot.assert_match(cassette, "named", answers="ignore")
"""


def test_a_snapshot_is_made_on_demand_and_holds_in_a_replay(project: Project) -> None:
    project.write(test_a=_TEST)
    missing = project.pytest("--record")
    assert missing.returncode == 1
    assert "pytest --agenttrace-update-snapshots tests/test_a.py::test_advice" in missing.stdout
    assert project.pytest("--agenttrace-update-snapshots").returncode == 0
    folder = project.folder / "tests/__snapshots__/test_a"
    assert sorted(path.name for path in folder.iterdir()) == ["named.txt", "test_advice.txt"]
    assert (
        "execute_tool" in (folder / "test_advice.txt").read_text()
        or "weather" in (folder / "test_advice.txt").read_text()
    )
    held = project.pytest()
    assert held.returncode == 0, held.stdout


def test_a_change_shows_where_in_the_tree_it_is(project: Project) -> None:
    project.write(test_a=_TEST)
    project.pytest("--record", "--agenttrace-update-snapshots")
    agent = (project.folder / "agent.py").read_text(encoding="utf-8")
    project.write(agent=agent.replace("    weather(city)\n", "    weather(city), weather('Porto')\n"))
    changed = project.pytest()
    assert changed.returncode == 1, changed.stdout
    assert any(line.lstrip("E ").startswith("+") and "weather" in line for line in changed.stdout.splitlines())
    assert "pytest --agenttrace-update-snapshots tests/test_a.py::test_advice" in changed.stdout


def test_the_folder_of_snapshots_can_be_named(project: Project) -> None:
    project.write(test_a=_TEST)
    project.pytest("--record", "--agenttrace-update-snapshots", "--agenttrace-snapshot-dir", "golden")
    assert (project.folder / "tests/golden/test_a/named.txt").exists()
    assert project.pytest("--agenttrace-snapshot-dir=golden").returncode == 0
    project.ini('agenttrace_snapshot_dir = "golden"')
    assert project.pytest().returncode == 0


def test_snapshots_that_no_test_asks_for_are_listed_after_a_whole_run(project: Project) -> None:
    two = f"{_TEST}\ndef test_two(cassette, trace_snapshot):\n    agent.ask('two')\n    trace_snapshot.assert_match(cassette)\n"
    project.write(test_a=two, test_gone=_TEST)
    assert project.pytest("--record", "--agenttrace-update-snapshots").returncode == 0
    (project.folder / "tests/test_gone.py").unlink()
    kept = two.replace('    trace_snapshot.assert_match(cassette, "named", answers="ignore")\n', "")
    project.write(test_a=kept)
    unused = ["test_a/named", "test_gone/named", "test_gone/test_advice"]
    for arguments in ([], ["-n", "2"]):
        told = project.pytest(*arguments).stdout
        assert "unused: 3 snapshots" in told, told
        assert all(f"  tests/__snapshots__/{name}.txt" in told for name in unused)
        assert "__snapshots__/test_a/test_two" not in told
    for arguments in (["-k", "advice"], ["tests/test_a.py::test_advice"], ["--deselect", "tests/test_a.py::test_two"]):
        assert "__snapshots__" not in project.pytest(*arguments).stdout
    assert "unused" not in project.pytest("--collect-only").stdout
    project.write(test_b="def test_fails():\n    raise ValueError\n")
    assert "unused" not in project.pytest().stdout
    project.write(
        test_b="import pytest\n", test_a=kept.replace("agent.ask('two')", "__import__('pytest').skip('later')")
    )
    assert "unused: 2 snapshots" in project.pytest("-W", "ignore").stdout
