"""The command `check`, as a user and a CI see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from otel_agenttrace.cassette.pack import pack
from tests.support.foreign_spans import genai_attributes, said

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_ANSI: Final = "\x1b"


def _check(*arguments: str, folder: Path, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "check", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    text = given.decode() if given is not None else None
    return subprocess.run(
        command, input=text, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with two cassettes, one of them packed, and a file of rules that both keep."""
    cassettes = tmp_path / "tests" / "cassettes"
    (cassettes / "weather").mkdir(parents=True)
    (cassettes / "weather" / "a.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    (cassettes / "b.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    pack(cassettes / "b.otlp.jsonl")
    (cassettes / "b.otlp.jsonl").unlink()
    (tmp_path / "agent-checks.yaml").write_text(
        "max_cost_usd: 0.01\ncalled: weather\nno_errors: true\n", encoding="utf-8"
    )
    return tmp_path


def _rules(folder: Path, text: str, name: str = "agent-checks.yaml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def _foreign(folder: Path, name: str, answer: str) -> None:
    attributes = genai_attributes([said("user", "hi")], [said("assistant", answer)])
    span = {"name": name, "trace_id": "t", "span_id": "5", "start_time": 1, "end_time": 2, "attributes": attributes}
    (folder / "foreign.json").write_text(json.dumps([span]), encoding="utf-8")


def test_files_that_keep_the_rules_are_clean(folder: Path) -> None:
    result = _check("tests/cassettes", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "tests/cassettes/b.otlp.jsonl.zst: clean · 3 rules",
        "tests/cassettes/weather/a.otlp.jsonl: clean · 3 rules",
        "no finding · 2 files checked",
    ]


def test_each_finding_is_told_below_its_file_with_what_to_do(folder: Path) -> None:
    _rules(folder, "called: [serch]\nllm_calls: 2\n")
    result = _check("tests/cassettes/weather", folder=folder)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        "tests/cassettes/weather/a.otlp.jsonl: 1 finding · 2 rules",
        "  called: serch was not called; called weather",
        "    to fix   see why the agent did not call it, or name the tool that it calls",
        "1 finding in 1 file · 1 file checked",
    ]


def test_a_rule_that_checks_nothing_fails(folder: Path) -> None:
    _rules(folder, "called: []\noutput_json: {}\nmax_tokens:\n")
    result = _check("tests/cassettes/weather", folder=folder)
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if "vacuous" in line] == [
        "  called: vacuous: [] checks nothing",
        "  output_json: vacuous: {} checks nothing",
        "  max_tokens: vacuous: None checks nothing",
    ]


@pytest.mark.parametrize("text", ["", "{}", "checks: []", "checks:\n- rules:\n"])
def test_a_file_without_rules_fails(folder: Path, text: str) -> None:
    _rules(folder, text)
    result = _check("tests/cassettes/weather", folder=folder)
    assert result.returncode == 1
    assert "  rules: vacuous: {} checks nothing" in result.stdout.splitlines()


_SEVERAL: Final = """
checks:
  - name: weather agent
    files: ["weather/*.otlp.jsonl"]
    rules: {called: weather, similar_to: {baseline: tests/cassettes/b.otlp.jsonl.zst, threshold: 1}}
  - name: booking agent
    files: ["booking/*"]
    rules: {called: book}
"""


def test_checks_are_for_the_files_they_name_and_baselines_stand_beside_the_rules(folder: Path) -> None:
    _rules(folder, _SEVERAL)
    (folder / "elsewhere").mkdir()
    result = _check("../tests/cassettes", "--rules", "../agent-checks.yaml", folder=folder / "elsewhere")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "../tests/cassettes/b.otlp.jsonl.zst: not checked, no check is for it",
        "../tests/cassettes/weather/a.otlp.jsonl: clean · 2 rules",
        "../agent-checks.yaml: booking agent is for none of these files",
        "no finding · 1 file checked · 1 not checked",
    ]


def test_a_file_with_brackets_in_its_name_is_meant_as_it_is_spelt(folder: Path) -> None:
    cassette = "test_sky[Lisbon-*].otlp.jsonl"
    (folder / cassette).write_bytes(_GOLDEN.read_bytes())
    _rules(folder, f'checks: [{{files: ["{cassette}"], rules: {{not_called: weather}}}}]')
    result = _check(cassette, "tests/cassettes", folder=folder)
    assert result.returncode == 1
    assert f"{cassette}: 1 finding · 1 rule" in result.stdout.splitlines()


def test_rules_that_no_file_is_held_to_fail_and_are_told_in_every_form(folder: Path) -> None:
    _rules(folder, _SEVERAL.replace("weather/", "whether/"))
    result = _check("tests", "--junit", "j.xml", "--sarif", "s.json", folder=folder)
    assert result.returncode == 1
    assert "  files: vacuous: no file is held to a rule" in result.stdout.splitlines()
    assert ET.parse(folder / "j.xml").getroot().get("failures") == "1"
    (found,) = json.loads((folder / "s.json").read_text())["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "agent-checks.yaml"


def test_the_standard_input_and_traces_of_others_are_checked_too(folder: Path) -> None:
    _foreign(folder, "chat gpt-4o", "It is blue.")
    _rules(folder, "output_contains: blue\nllm_calls: 1\n")
    given = (folder / "foreign.json").read_bytes()
    result = _check("-", "foreign.json", folder=folder, given=given)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:2] == ["-: clean · 2 rules", "foreign.json: clean · 2 rules"]


def test_machines_read_the_results_from_JSON(folder: Path) -> None:
    _rules(folder, "llm_calls: 1\n")
    result = _check("tests/cassettes/weather", "--json", folder=folder)
    report = json.loads(result.stdout)
    (file,) = report["files"]
    assert (result.returncode, report["findings"], report["unused"]) == (1, 1, [])
    assert (file["path"], file["rules"], file["problem"]) == (
        "tests/cassettes/weather/a.otlp.jsonl",
        ["llm_calls"],
        None,
    )
    assert [(each["rule"], each["severity"], len(each["span_ids"])) for each in file["findings"]] == [
        ("llm_calls", "critical", 2)
    ]


# --- wrong use, unreadable files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("max_cost: 1", "agent-checks.yaml has no rule 'max_cost'.\n  to fix   Did you mean 'max_cost_usd'?"),
        ("called: [a]\ncalled: [b]\n", "a mapping has the key 'called' twice, line 1"),
        ("called: [", "not readable as YAML"),
        ("- called", "the file is ['called'].\n  to fix   rules by their names"),
        ("checks: [{rule: {}}]", "Did you mean 'rules'?"),
        ("checks: [{rules: {max_cost: 1}, name: mine}]", "agent-checks.yaml: mine has no rule 'max_cost'"),
        ("checks: []\ncalled: a", "has no key 'called'"),
        ("called: !!python/name:os.system", "write keys and values in quotes"),
        ("called_with: {tool: a, args: {1: b}}", "write keys and values in quotes"),
        ("has_span: toll=weather", "agent-checks.yaml: has_span: The selector cannot be read"),
        ("similar_to: {threshold: 1}", "lacks baseline"),
    ],
)
def test_a_file_of_rules_that_has_no_meaning_is_wrong_use(folder: Path, rules: str, told: str) -> None:
    _rules(folder, rules)
    result = _check("tests", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert told in result.stderr


def test_no_file_of_rules_and_no_place_to_write_to_are_wrong_use(folder: Path) -> None:
    result = _check("tests", "--rules", "mine.yaml", folder=folder)
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        2,
        "otel-agenttrace: mine.yaml cannot be read: No such file or directory.",
    )
    assert _check("tests", "--sarif", "nowhere/s.json", folder=folder).returncode == 2
    assert _check(folder=folder).returncode == 2


def test_an_unreadable_file_or_baseline_and_a_folder_without_cassettes_are_unreadable_input(folder: Path) -> None:
    (folder / "tests" / "cassettes" / "c.otlp.jsonl").write_text("{", encoding="utf-8")
    result = _check("tests", "--junit", "j.xml", "--sarif", "s.json", folder=folder)
    assert result.returncode == 3
    assert "no finding · 2 files checked · 1 not readable" in result.stdout
    assert "c.otlp.jsonl" in result.stderr
    assert ET.parse(folder / "j.xml").getroot().get("errors") == "1"
    (invocation,) = json.loads((folder / "s.json").read_text())["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (folder / "empty").mkdir()
    assert _check("empty", folder=folder).returncode == 3
    _rules(folder, "similar_to: nowhere.otlp.jsonl")
    assert _check("tests", folder=folder).returncode == 3


def test_without_its_libraries_it_names_what_to_install(folder: Path) -> None:
    hide = "import sys; sys.modules[{!r}] = None; from otel_agenttrace.cli import main; sys.argv[0] = 'otel-agenttrace'; main()"
    for module, rules in (("yaml", "llm_calls: 2"), ("jsonschema", "output_json: {type: object}")):
        _rules(folder, rules)
        command = [sys.executable, "-c", hide.format(module), "check", "tests"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert "pip install 'otel-agenttrace[checks]'" in result.stderr


# --- reports for machines ---------------------------------------------------------------------------------------------


def test_JUnit_has_a_test_for_each_rule_and_takes_any_text(folder: Path) -> None:
    _foreign(folder, "chat \ufffe<&>\x1b", "\x00\x1b[31m]]> \ud800 \uffff 👋")
    _rules(folder, "output_contains: x\nllm_calls: 1\nhas_span: y\n")
    result = _check("foreign.json", "--junit", "j.xml", folder=folder)
    assert result.returncode == 1
    assert _ANSI not in result.stdout
    (suite,) = ET.parse(folder / "j.xml").getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        "foreign.json",
        "3",
        "2",
        "0",
    )
    assert [(case.get("name"), len(case)) for case in suite] == [
        ("output_contains", 1),
        ("llm_calls", 0),
        ("has_span", 1),
    ]
    failure = suite[0][0]
    assert (failure.get("message"), failure.get("type")) == ("the answer does not contain 'x'", "critical")
    assert "to fix" in (failure.text or "")
    assert "<&>" in (suite[2][0].text or "")


def test_SARIF_names_the_file_and_the_line_of_the_span_and_has_the_members_of_its_schema(folder: Path) -> None:
    _rules(folder, "max_tool_calls: 0\ncalled: [search]\nnot_called: []\n")
    result = _check("tests", "--sarif", "s.json", folder=folder)
    assert result.returncode == 1
    told = json.loads((folder / "s.json").read_text())
    import_module("jsonschema").Draft7Validator(_SARIF).validate(told)
    (run,) = told["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(ids[found["ruleIndex"]] == found["ruleId"] for found in run["results"])
    levels = {found["ruleId"]: found["level"] for found in run["results"]}
    assert levels == {"max_tool_calls": "error", "called": "error", "not_called": "warning"}
    lines = {
        (place["artifactLocation"]["uri"], place.get("region", {}).get("startLine"))
        for found in run["results"]
        for place in (each["physicalLocation"] for each in found["locations"])
        if found["ruleId"] == "max_tool_calls"
    }
    number = next(
        number
        for number, line in enumerate(_GOLDEN.read_text(encoding="utf-8").splitlines(), 1)
        if "execute_tool weather" in line
    )
    assert lines == {("tests/cassettes/weather/a.otlp.jsonl", number), ("tests/cassettes/b.otlp.jsonl.zst", None)}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


_TEXT: Final = {"type": "string"}
_MESSAGE: Final = _object({"text": _TEXT})
_LOCATIONS: Final = {
    "type": "array",
    "items": _object(
        {
            "physicalLocation": _object(
                {"artifactLocation": _object({"uri": {"type": "string", "pattern": r"^[^ \\]+$"}})},
                region=_object({"startLine": {"type": "integer", "minimum": 1}}),
            )
        }
    ),
}
_LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}
_SARIF: Final = _object(
    {
        "$schema": _TEXT,
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": _object(
                {
                    "tool": _object(
                        {
                            "driver": _object(
                                {
                                    "name": _TEXT,
                                    "semanticVersion": _TEXT,
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": _object({"id": _TEXT, "shortDescription": _MESSAGE}),
                                    },
                                }
                            )
                        }
                    ),
                    "results": {
                        "type": "array",
                        "items": _object(
                            {
                                "ruleId": _TEXT,
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": _LEVEL,
                                "message": _MESSAGE,
                                "locations": _LOCATIONS,
                            }
                        ),
                    },
                    "invocations": {
                        "type": "array",
                        "items": _object(
                            {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": _object({"level": _LEVEL, "message": _MESSAGE, "locations": _LOCATIONS}),
                                },
                            }
                        ),
                    },
                }
            ),
        },
    }
)
"""What of SARIF 2.1.0 is written: names, types and required members as in the schema of OASIS."""
