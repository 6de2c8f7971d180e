"""Every analyzer on real files of others: imported by the command line, and as they are; answers held against plain counting."""

from __future__ import annotations

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import pytest

from otel_agenttrace.cli import main
from tests.support.corpus import CORPORA

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora of real files are not here")

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "corpora"
_WIDTH: Final = 100
_TERMINAL: Final = {"COLUMNS": str(_WIDTH), "LINES": "50", "TERM": "dumb", "FORCE_COLOR": "1"}
_SWE: Final = "traj-swe-agent/trajectories/demonstrations"
_MARSHMALLOW: Final = (
    f"{_SWE}/replay__marshmallow-code__marshmallow-1867__xml_sys-env_window100__t-0.20__p-0.95__c-2.00__install-1"
    "/marshmallow-code__marshmallow-1867.traj"
)
_VERCEL: Final = "otel-spans-vercel-ai-v6/js/packages/openinference-vercel/test/__fixtures__/v6-spans"
_FILES: Final[Mapping[str, tuple[str, str, str]]] = {
    "tau-bench": (
        "tau-bench",
        "traj-tau-bench/historical_trajectories/gpt-4o-airline.first6tasks.json",
        "gpt-4o-airline.first6tasks/0-1",
    ),
    "google": ("otlp", "otel-traces-any-agent/docs/traces/GOOGLE_trace.json", "GOOGLE_trace"),
    "llama-index": ("otlp", "otel-traces-any-agent/docs/traces/LLAMA_INDEX_trace.json", "LLAMA_INDEX_trace"),
    "swe-agent": ("swe-agent", _MARSHMALLOW, "marshmallow-code__marshmallow-1867"),
    "vercel": ("vercel", f"{_VERCEL}/all-spans.json", "all-spans"),
    "claude-code": (
        "claude-code",
        "claude-code-jsonl/test/test_data/representative_messages.jsonl",
        "representative_messages",
    ),
    "claude-code-web": ("claude-code", "claude-code-jsonl-simonw/tests/sample_session.json", "sample_session"),
}
"""By a name of ours: the format, the file, the cassette of it (of tau-bench: of one run) without its ending."""

_LOOKING: Final = ("show", "tree", "timeline", "tokens", "stats", "explain", "cost", "patterns", "retrieval", "ls")
_WIDE: Final = ("guidance", "fingerprint")
"""What is written into a file, or is meant for a program, is not cut to the terminal."""
_JSON: Final = (*_LOOKING, "fingerprint", "diff", "gaps", "why")


@dataclass(frozen=True, slots=True)
class _Ended:
    code: object
    stdout: str
    stderr: str


def _run(*words: str | Path) -> _Ended:
    """Run the command as its script does, on a terminal of 100 columns; in this process, for there are hundreds of runs."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", ["otel-agenttrace", *map(str, words)])
        for name, value in _TERMINAL.items():
            patched.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return _Ended(ended.value.code or 0, out.getvalue(), err.getvalue())


def _told(*words: str | Path) -> str:
    ended = _run(*words)
    assert ended.code == 0, (words, ended.stderr)
    return ended.stdout


def _json(*words: str | Path) -> Any:
    told = _told(*words, "--json")
    assert told, words
    return json.loads(told)


def _raw(name: str) -> Any:
    return json.loads((CORPORA / _FILES[name][1]).read_bytes())


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folders of the cassettes that `ingest` made, by name."""
    folders = {name: tmp_path_factory.mktemp(name) for name in _FILES}
    for name, (form, file, _) in _FILES.items():
        _told("ingest", form, CORPORA / file, "-o", folders[name])
    return folders


def _cassette(imported: Mapping[str, Path], name: str) -> Path:
    return imported[name] / f"{_FILES[name][2]}.otlp.jsonl"


def _commands(file: str, folder: Path) -> Iterator[tuple[str, ...]]:
    for name in (*_LOOKING, "fingerprint", "guidance"):
        yield name, file
    yield "diff", file, file
    yield "gaps", file, file
    yield "why", file, "last"
    for form in ("openai", "csv"):
        yield "dataset", file, "--format", form, "-o", str(folder / f"set.{form}")
    for form in ("otlp", "json", "ndjson", "csv"):
        yield "export", file, "--format", form, "-o", str(folder / f"out.{form}")


@pytest.mark.parametrize("is_raw", [False, True], ids=["imported", "as it is"])
@pytest.mark.parametrize("name", _FILES)
def test_every_analyzer_reads_the_file(
    name: str, *, is_raw: bool, imported: Mapping[str, Path], tmp_path: Path
) -> None:
    run = "#0-1" if name == "tau-bench" else ""
    file = f"{CORPORA / _FILES[name][1]}{run}" if is_raw else str(_cassette(imported, name))
    for words in _commands(file, tmp_path):
        ended = _run(*words)
        assert ended.code == 0, (words, ended.stderr)
        assert max(map(len, ended.stdout.splitlines()), default=0) <= _WIDTH or words[0] in _WIDE, words
        if words[0] in _JSON:
            _json(*words)
    if not is_raw:
        _told("slice", file, "inference[1]", "-o", tmp_path / "sliced.otlp.jsonl")
        assert _json("stats", tmp_path / "sliced.otlp.jsonl")["total"]["llm_calls"] == 1


@pytest.mark.parametrize("name", _FILES)
def test_what_is_imported_says_the_same_as_the_file_itself(name: str, imported: Mapping[str, Path]) -> None:
    file = f"{CORPORA / _FILES[name][1]}{'#0-1' if name == 'tau-bench' else ''}"
    both = (_json("fingerprint", each)["runs"][0]["fingerprint"] for each in (file, _cassette(imported, name)))
    assert next(both) == next(both)


# --- questions whose answers stand in the files ------------------------------------------------------------------------


def _tau() -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", _raw("tau-bench"))


def test_which_trials_of_each_task_passed(imported: Mapping[str, Path]) -> None:
    """The file has a reward of 1 or 0 for each run."""
    passed = {f"{run['task_id']}-{run['trial']}" for run in _tau() if run["reward"] == 1}
    report = _json("stats", imported["tau-bench"])
    told = {Path(each["file"]).name.split(".")[0] for each in report["files"] if each["passed"]}
    assert (told, report["passed"], report["evaluated"]) == (passed, len(passed), 24)
    patterns = _json("patterns", CORPORA / "traj-tau-bench")
    assert (patterns["passed"], patterns["evaluated"], patterns["trace_count"]) == (len(passed), 24, 24)


@pytest.mark.parametrize("command", ["show", "tree"])
def test_the_root_of_a_run_names_its_task_and_trial(command: str, imported: Mapping[str, Path]) -> None:
    for run in _tau():
        told = _told(command, _cassette(imported, "tau-bench").with_name(f"{run['task_id']}-{run['trial']}.otlp.jsonl"))
        assert f"invoke_agent  task {run['task_id']}, trial {run['trial']}  " in told


def test_which_tools_fail_in_tau_bench(imported: Mapping[str, Path]) -> None:
    """A tool of it failed where its message begins with `Error:`."""
    failed = Counter(
        message["name"]
        for run in _tau()
        for message in run["traj"]
        if message["role"] == "tool" and message["content"].startswith("Error:")
    )
    report = _json("stats", imported["tau-bench"])
    assert {each["tool"]: each["errors"] for each in report["tools"] if each["errors"]} == dict(failed)
    retries = _json("patterns", imported["tau-bench"])["retries"]
    assert {each["tool"]: each["failed"] for each in retries} == dict(failed)


def test_how_the_trials_of_two_halves_differ(imported: Mapping[str, Path], tmp_path: Path) -> None:
    """The first two trials of each task against the last two: rewards counted in the file."""
    for run in (imported["tau-bench"] / "gpt-4o-airline.first6tasks").glob("*.otlp.jsonl"):
        half = tmp_path / ("early" if run.name.split(".")[0][-1] in "01" else "late")
        half.mkdir(exist_ok=True)
        (half / run.name).write_bytes(run.read_bytes())
    rewards = [sum(run["reward"] == 1 for run in _tau() if (run["trial"] < 2) == early) for early in (True, False)]
    report = _json("diff", tmp_path / "early", tmp_path / "late", "--runs")
    assert [report["old_successes"], report["new_successes"]] == rewards
    assert [report["old_evaluated"], report["new_evaluated"]] == [12, 12]
    gaps = _json("gaps", tmp_path / "early", tmp_path / "late")
    told = [each["candidate"] for each in gaps["gaps"] if each["rule"] == "success_rate"]
    assert told in ([], [round(rewards[1] / 12, 9)])


def test_tokens_of_a_transcript_are_counted_once_for_each_message(imported: Mapping[str, Path]) -> None:
    """A message stands on a line for each of its blocks, each with the usage of all."""
    lines = (CORPORA / _FILES["claude-code"][1]).read_text(encoding="utf-8").splitlines()
    usage: dict[str, dict[str, int]] = {}
    for record in map(json.loads, lines):
        if record.get("type") == "assistant" and record["message"].get("usage"):
            usage[record["message"]["id"]] = record["message"]["usage"]
    report = _json("stats", imported["claude-code"])["total"]
    given = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert report["input_tokens"]["total"] == sum(each.get(name) or 0 for each in usage.values() for name in given)
    assert report["output_tokens"]["total"] == sum(each["output_tokens"] for each in usage.values())
    assert report["llm_calls"] == len(usage)


def _blocks(kind: str) -> Iterator[dict[str, Any]]:
    for line in _raw("claude-code-web")["loglines"]:
        content = line["message"]["content"]
        yield from (block for block in content if isinstance(content, list) and block["type"] == kind)


def test_which_files_a_session_of_claude_code_wrote(imported: Mapping[str, Path]) -> None:
    """`Write` and `Edit` name their file in `file_path`, `Bash` its command."""
    uses = list(_blocks("tool_use"))
    written = dict.fromkeys(each["input"]["file_path"] for each in uses if each["name"] in ("Write", "Edit"))
    files = _json("explain", imported["claude-code-web"])["runs"][0]["files"]
    assert files["written"] == list(written)
    assert files["run"] == [each["input"]["command"] for each in uses if each["name"] == "Bash"]


def test_what_any_agent_spent_on_one_task_in_three_frameworks() -> None:
    """Each call has its tokens in `gen_ai.usage.*`, and what the framework took it to cost in `gen_ai.usage.*_cost`."""
    folder = CORPORA / "otel-traces-any-agent/docs/traces"
    files = sorted(folder.glob("*.json"))
    report = _json("stats", *files)
    for told, file in zip(report["files"], files, strict=True):
        spans = [span["attributes"] for span in json.loads(file.read_bytes())["spans"]]
        for name in ("input_tokens", "output_tokens"):
            counted = [span[f"gen_ai.usage.{name}"] for span in spans if f"gen_ai.usage.{name}" in span]
            assert told["figures"][name]["total"] == sum(counted), file.name
        tools = [span for span in spans if span.get("gen_ai.operation.name") == "execute_tool"]
        assert told["figures"]["tool_calls"] == len(tools), file.name


def test_which_commands_swe_agent_ran(imported: Mapping[str, Path]) -> None:
    """The trajectory has an action for each step; the first word of it names the tool."""
    actions = [step["action"].strip() for step in _raw("swe-agent")["trajectory"]]
    report = _json("patterns", imported["swe-agent"])
    assert report["tool_counts"] == dict(Counter(each.split()[0] for each in actions))


def test_which_result_held_the_path_that_swe_agent_opened(imported: Mapping[str, Path]) -> None:
    """It opens `src/marshmallow/fields.py`: only the result of `find_file` before that has the path, told in full."""
    steps = _raw("swe-agent")["trajectory"]
    (opened,) = (step for step in steps if step["action"].startswith("open "))
    path = opened["action"].split()[1]
    (holder,) = (step for step in steps[: steps.index(opened)] if path in step["observation"])
    edges = _json("why", _cassette(imported, "swe-agent"), "open")["edges"]
    told = [each for each in edges if each["to"]["name"] == "execute_tool open"]
    held = {each["from"]["name"] for each in told if each["evidence"]["text"] == "marshmallow/fields.py"}
    assert held == {f"execute_tool {holder['action'].split()[0]}"}
    asked = [each["evidence"]["text"] for each in told if each["kind"] == "asked"]
    assert asked == [opened["action"].strip()]


def test_a_log_of_several_runs_is_not_taken_for_one() -> None:
    file = CORPORA / _FILES["tau-bench"][1]
    assert len(_json("explain", file)["runs"]) == len(_tau())
    ended = _run("diff", file, file)
    assert ended.code == 2
    assert "tells 24 runs, and one is meant" in ended.stderr
    assert _run("tree", f"{file}#9-9").code == 3


# --- what a reader sees -------------------------------------------------------------------------------------------------

_PAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "tau-bench.explain": ("explain", "{tau-bench}"),
    "tau-bench.diff": ("diff", "{tau-bench}#0-0", "{tau-bench}#0-2"),
    "tau-bench.why": ("why", "{tau-bench}#0-1", "last-error"),
    "tau-bench.patterns": ("patterns", "{tau-bench}"),
    "tau-bench.guidance": ("guidance", "{tau-bench}"),
    "tau-bench.stats": ("stats", "{tau-bench}"),
    "google.cost": ("cost", "{google}"),
    "google.tokens": ("tokens", "{google}"),
    "google.why": ("why", "{google}", "last"),
    "llama-index.timeline": ("timeline", "{llama-index}"),
    "frameworks.diff": ("diff", "{google}", "{llama-index}"),
    "swe-agent.explain": ("explain", "{swe-agent}"),
    "swe-agent.tree": ("tree", "{swe-agent}"),
    "vercel.stats": ("stats", "{vercel}"),
    "claude-code.explain": ("explain", "{claude-code}"),
    "claude-code-web.explain": ("explain", "{claude-code-web}"),
    "claude-code-web.why": ("why", "{claude-code-web}", "last"),
    "claude-code-web.fingerprint": ("fingerprint", "{claude-code-web}"),
}


@pytest.mark.parametrize("name", _PAGES)
def test_a_page_of_a_real_file_is_like_golden(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for short, (_, file, _) in _FILES.items():
        (tmp_path / short).symlink_to(CORPORA / file)
    monkeypatch.chdir(tmp_path)
    words = (
        "tau-bench#0-1" if word == "{tau-bench}" and name == "tau-bench.explain" else word for word in _PAGES[name]
    )
    told = _told(*(word.replace("{", "").replace("}", "") for word in words))
    golden = _GOLDEN / f"{name}.txt"
    text = "".join(f"{line.rstrip()}\n" for line in told.splitlines())
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text
    assert max(map(len, text.splitlines())) <= _WIDTH or _PAGES[name][0] in _WIDE
