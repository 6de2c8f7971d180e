"""Logs of agents become spans: as many as the log tells, with what it tells and nothing more. Counted by hand from the raw files."""

from __future__ import annotations

import gzip
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.measures import run_figures
from otel_agenttrace.cassette.forms import form_of
from otel_agenttrace.checks.amounts import MaxDuration
from otel_agenttrace.errors import AgentTraceError, CassetteError, LogOfAnotherTool
from otel_agenttrace.ingest.formats import FORMATS, format_of
from otel_agenttrace.ingest.importing import IngestedFile, ingest
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.model import Span, Trace, Usage
from otel_agenttrace.redact import Redactor, redactor
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.node import text_of
from otel_agenttrace.report.terminal import trace_json
from otel_agenttrace.selectors import select
from otel_agenttrace.wire.recorded import asked_of, output_messages
from tests.support.corpus import CORPORA

TAU: Final = CORPORA / "traj-tau-bench" / "historical_trajectories" / "gpt-4o-airline.first6tasks.json"
SWE: Final = sorted((CORPORA / "traj-swe-agent").rglob("*.traj"))
CLAUDE: Final = sorted((CORPORA / "claude-code-jsonl").rglob("*.jsonl"))
CLAUDE_WEB: Final = CORPORA / "claude-code-jsonl-simonw" / "tests" / "sample_session.json"
EXPORTS: Final = sorted(CORPORA.glob("otel-*/**/*.json"))

pytestmark = pytest.mark.skipif(not TAU.exists(), reason="the logs stand in ../shared/corpora")


def imported(name: str, source: Path, output: Path, redact: Redactor | None = None) -> list[IngestedFile]:
    return list(ingest(format_of(name), source, output, redact or Redactor()))


def written(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def evaluations(trace: Trace) -> dict[str, Any]:
    """Return the score, or else the label, of each evaluation."""
    told = [
        event.attributes for span in trace.spans for event in span.events if event.name == "gen_ai.evaluation.result"
    ]
    return {
        str(each["gen_ai.evaluation.name"]): each.get(
            "gen_ai.evaluation.score.value", each.get("gen_ai.evaluation.score.label")
        )
        for each in told
    }


def tool_names(trace: Trace) -> Counter[Any]:
    return Counter(span.attributes[semconv.GEN_AI_TOOL_NAME] for span in trace.tool_calls)


def root_of(trace: Trace) -> Span:
    (root,) = [span for span in trace.spans if span.parent_span_id is None]
    return root


# --- tau-bench --------------------------------------------------------------------------------------------------------


def test_each_run_of_tau_bench_is_a_cassette_with_its_calls_tools_and_reward(tmp_path: Path) -> None:
    runs = json.loads(TAU.read_bytes())
    files = imported("tau-bench", TAU, tmp_path)
    assert len(files) == len(runs) == 24
    assert {file.path for file in files} == {TAU}
    for run, file in zip(runs, files, strict=True):
        assert file.cassette is not None
        assert file.cassette.name == f"{run['task_id']}-{run['trial']}.otlp.jsonl"
        trace = at.load(file.cassette)
        said = [message for message in run["traj"] if message["role"] == "assistant"]
        asked = [call for message in said for call in message.get("tool_calls") or ()]
        assert len(trace.inferences) == len(said)
        assert tool_names(trace) == Counter(call["function"]["name"] for call in asked)
        assert evaluations(trace) == {"reward": run["reward"]}
        root = root_of(trace)
        assert root.operation == "invoke_agent"
        assert root.attributes["agenttrace.task.id"] == str(run["task_id"])
        assert root.attributes["agenttrace.task.trial"] == run["trial"]
        assert root.attributes["agenttrace.task.description"] == run["info"]["task"]["instruction"]
        assert (trace.usage.total_tokens, trace.cost, trace.duration_ns) == (None, None, None)
        assert all(span.duration_ns is None for span in trace.spans)


def test_tools_of_tau_bench_are_told_with_arguments_results_and_errors(tmp_path: Path) -> None:
    run = json.loads(TAU.read_bytes())[3]
    trace = at.load(imported("tau-bench", TAU, tmp_path)[3].cassette or "")
    results = [message for message in run["traj"] if message["role"] == "tool"]  # in order: some ids come twice
    calls = [call["function"] for message in run["traj"] for call in message.get("tool_calls") or ()]
    assert len(trace.tool_calls) > 10
    for span, result, call in zip(trace.tool_calls, results, calls, strict=True):
        assert span.attributes[semconv.GEN_AI_TOOL_CALL_ID] == result["tool_call_id"]
        assert span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] == result["content"]
        assert json.loads(str(span.attributes[semconv.GEN_AI_TOOL_CALL_ARGUMENTS])) == json.loads(call["arguments"])
        assert span.is_error == result["content"].startswith("Error:")


def test_each_call_is_asked_with_all_that_was_said_before_it_though_a_file_holds_it_once(tmp_path: Path) -> None:
    runs = json.loads(TAU.read_bytes())
    files = imported("tau-bench", TAU, tmp_path)
    for run, file in zip(runs, files, strict=True):
        assert file.cassette is not None
        places = [at for at, message in enumerate(run["traj"]) if message["role"] == "assistant"]
        for span, place in zip(at.load(file.cassette).inferences, places, strict=True):
            asked = asked_of(span).input_messages
            assert [message.role for message in asked] == [message["role"] for message in run["traj"][:place]]
            (answer,) = output_messages(span)
            texts = [part["content"] for part in answer.parts if part["type"] == "text"]
            assert texts == ([run["traj"][place]["content"]] if run["traj"][place]["content"] else [])
    stored = sum(file.cassette.stat().st_size for file in files if file.cassette is not None)
    whole = sum(len(str(span.attributes["gen_ai.input.messages"])) for span in at.load(TAU).inferences)
    assert stored < 3 * TAU.stat().st_size < whole / 2


def test_runs_of_one_file_do_not_mix_when_it_is_looked_at() -> None:
    order = [span.trace_id for span in at.load(TAU).spans]
    assert sum(one != other for one, other in pairwise(order)) == 23


def test_no_time_is_told_that_the_log_does_not_tell() -> None:
    trace = at.load(TAU)
    (finding,) = MaxDuration(5).findings(trace)
    assert "how long the run took is not known: no span tells a time" in finding.message
    assert run_figures(trace).amounts["duration_s"] is None
    assert trace_json(trace)["duration_ns"] is None
    assert select(trace, "age>1d", 2**62) == select(trace, "duration>=0s") == ()


def test_two_runs_of_one_name_are_two_cassettes(tmp_path: Path) -> None:
    run = {"task_id": "a/b", "trial": 0, "reward": 1, "traj": [{"role": "assistant", "content": "x"}]}
    (tmp_path / "t.json").write_text(json.dumps([run, run, {"task_id": 9}]))
    files = imported("tau-bench", tmp_path / "t.json", tmp_path / "out")
    made = [file.cassette.relative_to(tmp_path / "out").as_posix() for file in files if file.cassette is not None]
    assert made == ["t/a_b-0.otlp.jsonl", "t/a_b-0-2.otlp.jsonl"]
    assert [file.left_out for file in files] == [(LeftOut(3, "its 'traj' is no list of messages, but nothing"),), ()]


# --- SWE-agent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SWE, ids=lambda path: f"{path.stem[:12]}-{path.parent.name[-60:-40]}")
def test_a_trajectory_has_a_call_for_each_answer_and_a_tool_for_each_command(path: Path, tmp_path: Path) -> None:
    told = json.loads(path.read_bytes())
    (file,) = imported("swe-agent", path, tmp_path)
    assert file.cassette is not None
    assert file.left_out == ()
    trace = at.load(file.cassette)
    answers = [message["content"] for message in told["history"] if message["role"] == "assistant"]
    assert [part["content"] for span in trace.inferences for part in output_messages(span)[0].parts] == answers
    assert tool_names(trace) == Counter(step["action"].split()[0] for step in told["trajectory"])
    observed = [step["observation"] for step in told["trajectory"]]
    assert [span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] for span in trace.tool_calls] == observed
    assert evaluations(trace) == {"exit_status": told["info"]["exit_status"]}
    assert trace.usage.total_tokens is None
    assert root_of(trace).usage.total_tokens is None  # `api_calls` is 0 in all of them: nobody counted


def test_tokens_that_a_trajectory_counted_stand_on_its_run(tmp_path: Path) -> None:
    stats = {"api_calls": 2, "tokens_sent": 30, "tokens_received": 4}
    step = {"action": "ls", "observation": "a", "response": "look", "thought": ""}
    path = written(tmp_path / "x.traj", {"trajectory": [step], "info": {"model_stats": stats}})
    trace = at.load(path)
    assert root_of(trace).usage.total_tokens == 34
    assert trace.usage.total_tokens is None
    assert [span.name for span in trace.spans] == ["invoke_agent", "chat", "execute_tool ls"]


# --- Claude Code ------------------------------------------------------------------------------------------------------


def claude_records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        return json.loads(path.read_bytes())["loglines"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if isinstance(line, dict)]


@pytest.mark.parametrize("path", [*CLAUDE, CLAUDE_WEB], ids=lambda path: path.stem)
def test_a_transcript_has_a_call_for_each_message_id_and_a_tool_for_each_tool_use(path: Path, tmp_path: Path) -> None:
    said = [record["message"] for record in claude_records(path) if record.get("type") == "assistant"]
    used = [block for message in said for block in message["content"] if block["type"] == "tool_use"]
    (file,) = imported("claude-code", path, tmp_path)
    assert file.cassette is not None
    trace = at.load(file.cassette)
    assert len(trace.inferences) == len({message.get("id", id(message)) for message in said})
    assert tool_names(trace) == Counter(block["name"] for block in used)
    counted = {message["id"]: message["usage"] for message in said if "usage" in message}
    tokens = [usage.get(name, 0) for usage in counted.values() for name in ("input_tokens", "output_tokens")]
    assert trace.usage.total_tokens == (sum(tokens) if tokens else None)
    results = [
        block
        for record in claude_records(path)
        if record.get("type") == "user" and isinstance(record["message"], dict)
        for block in record["message"].get("content", ())
        if isinstance(block, dict) and block["type"] == "tool_result"
    ]
    assert sum(span.is_error for span in trace.spans) == sum(block["is_error"] for block in results)
    assert sum(span.end_ns is not None for span in trace.tool_calls) == len(results)


def test_odd_lines_of_a_transcript_are_named_each(tmp_path: Path) -> None:
    (file,) = imported("claude-code", next(path for path in CLAUDE if "edge" in path.name), tmp_path)
    assert [each.index for each in file.left_out] == [10, 11, 13, 14, 15, 16, 18]


class Session:
    """Writes the records of a transcript, a second apart."""

    def __init__(self, **more: Any) -> None:
        self.records: list[dict[str, Any]] = []
        self._more = more

    def add(self, kind: str, message: Any = None, **more: Any) -> Session:
        count = len(self.records)
        head = {"type": kind, "uuid": f"u{count}", "parentUuid": f"u{count - 1}" if count else None, "sessionId": "s1"}
        stamp = f"2026-01-01T00:00:{count:02}Z"
        held = {} if message is None else {"message": message}
        self.records.append({**head, "timestamp": stamp, **held, **self._more, **more})
        return self

    def ask(self, content: Any, **more: Any) -> Session:
        return self.add("user", {"role": "user", "content": content}, **more)

    def answer(
        self, *blocks: Any, key: str = "", tokens: int = 7, model: str = "claude-sonnet-4-5", **more: Any
    ) -> Session:
        told = {
            "id": key or f"m{len(self.records)}{self._more.get('agentId', '')}",
            "model": model,
            "role": "assistant",
            "content": list(blocks),
        }
        return self.add("assistant", {**told, "usage": {"input_tokens": 5, "output_tokens": tokens}}, **more)


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def use(key: str, name: str = "Bash", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": key, "name": name, "input": given}


def result(key: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": key, "content": content, **more}


def told(tmp_path: Path, session: Session) -> Trace:
    return at.load(written(tmp_path / "session.jsonl", *session.records))


def heard(span: Span) -> list[str]:
    """Return what a call was asked, one text for each message."""
    return [
        str(part.get("content", part.get("response", part.get("name"))))
        for message in asked_of(span).input_messages
        for part in message.parts
    ]


def test_an_answer_in_pieces_is_one_call_and_counts_once(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("I look"), key="m", tokens=1).answer(use("t1"), key="m", tokens=9)
    session.ask([result("t1")]).answer(use("t2"), key="m", tokens=9).ask([result("t2", [words("a"), words("b")])])
    trace = told(tmp_path, session.answer(words("done"), tokens=3))
    first, second = trace.inferences
    assert [part["type"] for part in output_messages(first)[0].parts] == ["text", "tool_call", "tool_call"]
    assert (first.usage.output_tokens, trace.usage.output_tokens, trace.usage.input_tokens) == (9, 12, 10)
    assert heard(second) == [
        "go",
        "I look",
        "Bash",
        "Bash",
        "ok",
        "[{'type': 'text', 'content': 'a'}, {'type': 'text', 'content': 'b'}]",
    ]
    assert [span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] for span in trace.tool_calls] == ["ok", "a\nb"]
    assert [span.duration_ns for span in trace.tool_calls] == [10**9, 10**9]


def test_what_the_cache_keeps_for_an_hour_is_told_and_priced(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("yes"))
    session.records[-1]["message"]["usage"] |= {
        "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    }
    trace = told(tmp_path, session)
    assert trace.usage == Usage(305, 7, None, 300, None, 200)
    assert trace.cost == pytest.approx((5 * 3 + 100 * 3.75 + 200 * 6 + 7 * 15) / 1e6)


def test_a_session_that_was_gone_on_with_says_nothing_twice(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("yes"))
    session.records += session.records
    trace = told(tmp_path, session)
    assert len(trace.inferences) == 1
    assert trace.usage.total_tokens == 12


@pytest.mark.parametrize("packed", [False, True])
def test_a_subagent_in_a_file_of_its_own_stands_below_the_tool_that_began_it(tmp_path: Path, *, packed: bool) -> None:
    main = Session().ask("go").answer(use("t1", "Task", prompt="dig", subagent_type="digger"))
    main.ask([result("t1", "dug")], toolUseResult={"agentId": "a1"}).answer(words("done"))
    below = (
        Session(isSidechain=True, agentId="a1").ask("dig").answer(use("t9")).ask([result("t9")]).answer(words("dug"))
    )
    session = written(tmp_path / "in" / "s1.jsonl", *main.records)
    written(tmp_path / "in" / "s1" / "subagents" / "agent-a1.jsonl", *below.records)
    if packed:
        session.with_suffix(".jsonl.gz").write_bytes(gzip.compress(session.read_bytes()))
        session.unlink()
    (file,) = imported("claude-code", tmp_path / "in", tmp_path / "out")
    assert file.cassette is not None
    trace = at.load(file.cassette)
    (agent,) = [span for span in trace.spans if span.name == "invoke_agent digger"]
    (task,) = [span for span in trace.tool_calls if span.name == "execute_tool Task"]
    assert agent.parent_span_id == task.span_id
    assert agent.attributes[semconv.GEN_AI_AGENT_ID] == "a1"
    assert [span.name for span in trace.spans if span.parent_span_id == agent.span_id] == [
        "chat claude-sonnet-4-5",
        "execute_tool Bash",
        "chat claude-sonnet-4-5",
    ]
    assert len(trace.inferences) == 4
    above = [span for span in trace.inferences if span.parent_span_id == root_of(trace).span_id]
    assert heard(above[-1])[-1] == "dug"


def test_subagents_without_an_id_are_found_by_their_prompt(tmp_path: Path) -> None:
    session = Session().ask("go").answer(use("t1", "Task", prompt="dig"), use("t2", "Task", prompt="dive"))
    for number, prompt in ((1, "dive"), (2, "dig")):
        session.ask(prompt, isSidechain=True, parentUuid=None, uuid=f"p{number}")
        session.answer(words(prompt), isSidechain=True, parentUuid=f"p{number}")
    trace = told(tmp_path, session.ask([result("t1"), result("t2")]))
    named = {span.span_id: span.attributes.get(semconv.GEN_AI_TOOL_CALL_ID) for span in trace.tool_calls}
    asked = {
        span.attributes["agenttrace.task.description"]: named[span.parent_span_id or ""]
        for span in trace.spans
        if span.operation == "invoke_agent" and span.parent_span_id
    }
    assert asked == {"dig": "t1", "dive": "t2"}


def test_what_the_client_notes_neither_speaks_nor_begins_an_agent(tmp_path: Path) -> None:
    session = Session().add("queue-operation", agentId="a9").ask("go").add("progress", agentId="a9").add("system")
    trace = told(tmp_path, session.answer(words("yes")))
    assert [span.name for span in trace.spans] == ["invoke_agent claude-code", "chat claude-sonnet-4-5"]
    assert (trace.inferences[0].duration_ns, root_of(trace).attributes[semconv.GEN_AI_CONVERSATION_ID]) == (
        3 * 10**9,
        "s1",
    )


def test_an_error_of_the_API_is_a_failed_call_and_what_the_client_says_none(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("API Error: 529"), model="<synthetic>", isApiErrorMessage=True)
    session.ask("again").answer(words("No response requested."), model="<synthetic>").ask("and again")
    trace = told(tmp_path, session.answer(words("yes")))
    failed, answered = trace.inferences
    assert (failed.is_error, failed.status_message, failed.attributes["error.type"]) == (
        True,
        "API Error: 529",
        "api_error",
    )
    assert semconv.GEN_AI_REQUEST_MODEL not in failed.attributes
    assert failed.usage.total_tokens is None
    assert heard(answered) == ["go", "again", "No response requested.", "and again"]


def test_a_compaction_begins_the_conversation_anew(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("yes")).add("system", subtype="compact_boundary")
    session.ask("we said yes", isCompactSummary=True).ask("on")
    trace = told(tmp_path, session.answer(words("ok")))
    assert [heard(span) for span in trace.inferences] == [["go"], ["we said yes", "on"]]


def test_who_goes_back_has_not_said_what_came_after(tmp_path: Path) -> None:
    session = Session().ask("go").answer(words("yes")).ask("left").answer(words("wrong")).ask("right", parentUuid="u1")
    trace = told(tmp_path, session.answer(words("ok")))
    assert heard(trace.inferences[-1]) == ["go", "yes", "right"]


def test_what_the_client_says_for_the_user_is_heard_and_is_no_task(tmp_path: Path) -> None:
    trace = told(tmp_path, Session().ask("Caveat: …", isMeta=True).ask("go").answer(words("yes")))
    assert root_of(trace).attributes["agenttrace.task.description"] == "go"
    assert heard(trace.inferences[0]) == ["Caveat: …", "go"]


# --- exported spans ---------------------------------------------------------------------------------------------------


def plain(attributes: Any) -> Any:
    return json.loads(json.dumps(attributes))


def raw_spans(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and "attributes" in value and "name" in value:
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from raw_spans(member)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_exported_spans_are_imported_as_they_are(path: Path, tmp_path: Path) -> None:
    raw = list(raw_spans(json.loads(path.read_bytes())))
    (file,) = imported("vercel" if "vercel" in str(path) else "otlp", path, tmp_path)
    assert file.cassette is not None
    assert file.left_out == ()
    trace, direct = at.load(file.cassette), at.load(path)
    assert Counter(span.name for span in trace.spans) == Counter(span["name"] for span in raw)
    assert [plain(span.attributes) for span in trace.spans] == [plain(span.attributes) for span in direct.spans]
    assert [span.span_id for span in trace.spans] == [span.span_id for span in direct.spans]
    told = {span["resource_attributes"]["service.name"] for span in raw if "resource_attributes" in span}
    assert told <= {str(span.resource.get("service.name")) for span in trace.spans}
    assert trace.usage == direct.usage


def test_a_name_says_what_is_expected_and_what_is_not_so_is_named(tmp_path: Path) -> None:
    traces = [path for path in EXPORTS if "any-agent" in str(path)]
    for name in ("openinference", "vercel"):
        (file,) = imported(name, traces[0], tmp_path)
        assert file.cassette is None
        assert "otel-agenttrace ingest otlp reads it" in file.left_out[0].reason


def test_a_line_of_exported_spans_that_is_damaged_is_left_out_and_the_rest_read(tmp_path: Path) -> None:
    golden = (Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl").read_bytes()
    (refused,) = imported("otlp", _file(tmp_path / "ours.jsonl", golden), tmp_path / "out")
    assert refused.left_out == (LeftOut(None, "a cassette, which need not be imported"),)
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "2", "name": "n"}
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    (file,) = imported("otlp", _file(tmp_path / "a.jsonl", line + b'\n{"x"\n' + line + b"\n"), tmp_path / "out")
    assert (file.spans, [each.index for each in file.left_out]) == (2, [2])


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# --- tool calls -------------------------------------------------------------------------------------------------------


def test_tool_calls_are_read_as_Assay_documents_them(tmp_path: Path) -> None:
    at_s = "2025-12-27T10:00:0{}Z"
    path = written(
        tmp_path / "run.jsonl",
        {
            "type": "tool_call",
            "id": "call_001",
            "tool": "get_customer",
            "arguments": {"id": "c"},
            "timestamp": at_s.format(0),
        },
        {
            "type": "tool_call",
            "id": "call_002",
            "tool": "get_order",
            "arguments": {"id": "o"},
            "timestamp": at_s.format(1),
        },
        {"type": "tool_result", "id": "call_002", "result": {"total": 3}, "timestamp": at_s.format(2)},
        {"type": "tool_result", "id": "call_001", "result": {"name": "Alice"}, "timestamp": at_s.format(4)},
    )
    first, second = at.load(path).tool_calls
    assert (first.name, first.duration_ns, second.duration_ns) == ("execute_tool get_customer", 4 * 10**9, 10**9)
    assert json.loads(str(first.attributes[semconv.GEN_AI_TOOL_CALL_RESULT])) == {"name": "Alice"}


def test_tool_calls_that_a_person_wrote_are_read_and_each_odd_line_is_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "run.jsonl",
        {"tool": "send", "args": {"to": "x"}, "result": "sent", "time": 1766829600, "duration_ms": 50},
        {"type": "tool_call", "id": 1, "name": "cut", "input": "all"},
        {"type": "tool_result", "id": 1, "error": "too sharp"},
        {"hello": "world"},
        {"type": "tool_result", "id": 9, "result": 1},
    )
    path.write_bytes(path.read_bytes() + b'{"type": "tool_ca')
    (file,) = imported("tool-calls", path, tmp_path / "out")
    assert {each.index: each.reason for each in file.left_out} == {
        4: "no tool call, no result: there is no 'type' that says so, and no tool with arguments",
        5: "a result to which there is no call before it",
        6: "the file is cut off in this line",
    }
    assert file.cassette is not None
    sent, cut = sorted(at.load(file.cassette).tool_calls, key=lambda span: span.name, reverse=True)
    assert (sent.duration_ns, sent.attributes[semconv.GEN_AI_TOOL_CALL_RESULT]) == (50 * 10**6, "sent")
    assert (cut.status_message, cut.duration_ns, cut.end_ns is None) == ("too sharp", None, False)


ASSAY: Final = r"""
{"episode_id":"e1","input":{"prompt":"find x"},"meta":{"test_id":"t1"},"timestamp":1796031870297,"type":"episode_start"}
{"content":"let me look","episode_id":"e1","idx":0,"kind":"model","meta":{"gen_ai.request.model":"gpt-4o","gen_ai.response.model":"gpt-4o-1","gen_ai.usage":{"completion_tokens":2,"prompt_tokens":5}},"name":"openai","step_id":"step_001","timestamp":1796031870298,"type":"step"}
{"args":{"q":"x"},"call_index":0,"episode_id":"e1","error":null,"meta":{"tool_call_id":"c1"},"result":null,"step_id":"step_001","timestamp":1796031870298,"tool_name":"search","type":"tool_call"}
{"args":{"q":"x"},"call_index":0,"episode_id":"e1","error":null,"meta":{"tool_call_id":"c1"},"result":{"r":1},"step_id":"step_001","timestamp":1796031870298,"tool_name":"search","type":"tool_call"}
{"content":"","episode_id":"e1","idx":1,"kind":"model","meta":{},"name":"agent","step_id":"step_002","timestamp":1796031870298,"type":"step"}
{"args":{"k":1},"call_index":0,"episode_id":"e1","error":"disk full","meta":{},"result":null,"step_id":"step_002","timestamp":1796031870298,"tool_name":"save","type":"tool_call"}
{"episode_id":"e1","meta":{},"outcome":"pass","timestamp":1796031870298,"type":"episode_end"}
"""
"""What assay-it 1.0.0 wrote of an episode. Its tool loop tells a call twice; a step without content only holds a call."""


def test_an_episode_that_Assay_wrote_is_one_run(tmp_path: Path) -> None:
    trace = at.load(_file(tmp_path / "run.jsonl", ASSAY.encode()))
    (call,) = trace.inferences
    assert (call.usage.input_tokens, call.usage.output_tokens) == (5, 2)
    assert call.attributes[semconv.GEN_AI_REQUEST_MODEL] == "gpt-4o"
    assert heard(call) == ["find x"]
    assert tool_names(trace) == {"search": 1, "save": 1}
    assert [span.status_message for span in trace.errors] == ["disk full"]
    assert evaluations(trace) == {"outcome": "pass"}


# --- the predecessors -------------------------------------------------------------------------------------------------

TRACEOPS: Final = """
version: '1'
trace_id: 37cc46e4e0634dda
metadata: {recorded_at: 1796030819.337461, trace_ops_version: 0.5.0, description: find x, tags: [a]}
events:
- {event_type: llm_request, timestamp: 1796030819.0, event_id: a, provider: openai, model: gpt-4o, messages: [{role: user, content: find x}],
   temperature: 0.5, tools: [{type: function, function: {name: search, parameters: {type: object}}}]}
- {event_type: llm_response, timestamp: 1796030820.0, event_id: b, provider: openai, model: gpt-4o, duration_ms: 2.5, input_tokens: 12, output_tokens: 9,
   response: {id: c1, model: gpt-4o-2024, usage: {prompt_tokens: 12, completion_tokens: 9}, choices: [{index: 0, finish_reason: tool_calls,
   message: {role: assistant, content: null, tool_calls: [{id: call_1, type: function, function: {name: search, arguments: '{"q":"x"}'}}]}}]}}
- {event_type: tool_call, timestamp: 1796030820.1, event_id: c, tool_name: search, tool_input: {q: x}, metadata: {tool_call_id: call_1}}
- {event_type: llm_request, timestamp: 1796030821.0, event_id: d, provider: openai, model: gpt-4o, messages: [{role: user, content: find x},
   {role: assistant, content: null, tool_calls: [{id: call_1, type: function, function: {name: search, arguments: '{"q":"x"}'}}]},
   {role: tool, tool_call_id: call_1, content: found}]}
- {event_type: error, timestamp: 1796030822.0, event_id: e, provider: openai, model: gpt-4o, error_type: RateLimitError, error_message: slow down}
- {event_type: tool_call, timestamp: 1796030823.0, event_id: f, tool_name: save, tool_input: {k: 1}}
- {event_type: tool_result, timestamp: 1796030823.5, event_id: g, tool_name: save, tool_input: {k: 1}, tool_output: {ok: true}, duration_ms: 3.2}
- {event_type: agent_decision, timestamp: 1796030824.0, event_id: h, decision: stop, reasoning: enough}
- {event_type: retrieval, timestamp: 1796030825.0, event_id: i, query: q, chunks: [{id: d1, text: body, score: 0.9}], vector_store: chroma, top_k: 3, duration_ms: 8.0}
- {event_type: mcp_server_connect, timestamp: 1796030826.0, event_id: j, server_name: files}
summary: {total_llm_calls: 2, trajectory: [], fingerprint: 93f4a4f37ad0e394}
"""
"""A cassette of TraceOps 0.5.0, in the form that its recorder writes."""


def test_a_cassette_of_TraceOps_is_one_run(tmp_path: Path) -> None:
    path = _file(tmp_path / "run.yaml", TRACEOPS.encode())
    (file,) = imported("traceops", path, tmp_path / "out")
    assert file.left_out == (LeftOut(10, "an event of the kind 'mcp_server_connect', which tells no step"),)
    trace = at.load(path)
    first, second = trace.inferences
    assert (first.name, first.duration_ns, first.usage.total_tokens) == ("chat gpt-4o", 10**9, 21)
    assert json.loads(str(first.attributes[semconv.GEN_AI_TOOL_DEFINITIONS]))[0]["name"] == "search"
    assert (second.attributes["error.type"], second.status_message, len(asked_of(second).input_messages)) == (
        "RateLimitError",
        "slow down",
        3,
    )
    results = {span.name: span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] for span in trace.tool_calls}
    assert results == {"execute_tool search": "found", "execute_tool save": '{"ok":true}'}
    (found,) = [span for span in trace.spans if span.operation == "retrieval"]
    assert json.loads(str(found.attributes[semconv.GEN_AI_RETRIEVAL_DOCUMENTS])) == [
        {"id": "d1", "content": "body", "score": 0.9}
    ]
    assert found.duration_ns == 8 * 10**6
    assert "stop" in text_of(conversation(trace))


TRACEFORGE: Final = r"""
{"span_id":"F","parent_id":null,"run_id":"E","span_type":"llm_call","name":"openai/gpt-4o","started_at":"2026-11-30T09:44:30.239247","ended_at":null,"latency_ms":120,"llm_data":{"provider":"openai","model":"gpt-4o","system_prompt":"be brief","messages":[{"role":"user","content":"hi"}],"response":"hello","input_tokens":3,"output_tokens":2,"latency_ms":120,"temperature":null,"seed":null,"cost_usd":0.0000275},"tool_data":null,"metadata":{},"error":null}
{"span_id":"G","parent_id":"F","run_id":"E","span_type":"tool_call","name":"search","started_at":"2026-11-30T09:44:30.239271","ended_at":null,"latency_ms":10,"llm_data":null,"tool_data":{"tool_name":"search","tool_input":{"q":"x"},"tool_output":{"hits":1},"latency_ms":10,"error":null},"metadata":{},"error":null}
{"span_id":"H","parent_id":null,"run_id":"E","span_type":"tool_call","name":"save","started_at":"2026-11-30T09:44:30.239290","ended_at":null,"latency_ms":null,"llm_data":null,"tool_data":{"tool_name":"save","tool_input":{"q":"x"},"tool_output":null,"latency_ms":null,"error":"disk full"},"metadata":{},"error":"disk full"}
{"span_id":"K","parent_id":null,"run_id":"E","span_type":"error","name":"error","started_at":"2026-11-30T09:44:30.239312","ended_at":null,"latency_ms":null,"llm_data":null,"tool_data":null,"metadata":{},"error":"boom"}
{"span_id":"M","parent_id":null,"run_id":"E","span_type":"llm_call","name":"openai/gpt-4o","started_at":"2026-11-30T09:44:30.239328","ended_at":null,"latency_ms":null,"llm_data":{"provider":"openai","model":"gpt-4o","system_prompt":"be brief","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"more"}],"response":"bye","input_tokens":null,"output_tokens":null,"cost_usd":0.0},"tool_data":null,"metadata":{},"error":null}
"""
"""What TraceForge 0.2.0 wrote of a run, without the members that are always null."""


def test_a_run_of_TraceForge_is_one_run(tmp_path: Path) -> None:
    trace = at.load(_file(tmp_path / "run.jsonl", TRACEFORGE.encode()))
    first, second = trace.inferences
    assert (first.duration_ns, second.duration_ns) == (120 * 10**6, None)
    assert heard(second) == ["be brief", "hi", "hello", "more"]
    assert first.attributes["agenttrace.cost.amount"] == 0.0000275
    assert "agenttrace.cost.amount" not in second.attributes  # it says 0.0 where it counted no tokens
    assert trace.usage.total_tokens == 5
    (search,) = [span for span in trace.tool_calls if span.name == "execute_tool search"]
    assert search.parent_span_id == first.span_id
    assert [span.status_message for span in trace.errors] == ["disk full", "boom"]


STRACE: Final = r"""
{"event_type":"session_start","timestamp":1796031870.25,"event_id":"ad","session_id":"6b","data":{"agent_name":"helper"}}
{"event_type":"user_prompt","timestamp":1796031870.26,"event_id":"ae","session_id":"6b","data":{"prompt":"go"}}
{"event_type":"llm_request","timestamp":1796031870.5,"event_id":"5e","session_id":"6b","data":{"method":"ask","message_count":1,"model":"gpt-4o"},"prev_hash":"da"}
{"event_type":"llm_response","timestamp":1796031870.75,"event_id":"6e","session_id":"6b","parent_id":"5e","duration_ms":250,"data":{"content_preview":"'hello'"},"prev_hash":"6c"}
{"event_type":"tool_call","timestamp":1796031871.0,"event_id":"fe","session_id":"6b","data":{"tool_name":"search","arguments":{"q":"'x'"}},"prev_hash":"35"}
{"event_type":"tool_result","timestamp":1796031871.5,"event_id":"8c","session_id":"6b","parent_id":"fe","duration_ms":0.5,"data":{"content_preview":"{'hits': 'x'}"},"prev_hash":"c8"}
{"event_type":"decision","timestamp":1796031871.75,"event_id":"b5","session_id":"6b","data":{"choice":"wait","reason":"why not","alternatives":["stay"]},"prev_hash":"2d"}
{"event_type":"tool_call","timestamp":1796031872.0,"event_id":"5f","session_id":"6b","data":{"tool_name":"bad","arguments":{"q":"'y'"}},"prev_hash":"2a"}
{"event_type":"error","timestamp":1796031872.5,"event_id":"b7","session_id":"6b","parent_id":"5f","duration_ms":0.25,"data":{"message":"no y","exception_type":"ValueError"},"prev_hash":"2e"}
{"event_type":"assistant_response","timestamp":1796031873.0,"event_id":"b8","session_id":"6b","data":{"text":"done"}}
{"event_type":"session_end","timestamp":1796031873.5,"event_id":"7b","session_id":"6b","data":{"duration_ms":21.3,"tool_calls":2,"errors":1},"prev_hash":"90"}
"""
"""What agent-strace 0.103.0 wrote of a session, with a prompt and an answer as its hooks add them."""


def test_a_session_of_agent_strace_is_one_run(tmp_path: Path) -> None:
    trace = at.load(_file(tmp_path / "events.ndjson", STRACE.encode()))
    root = root_of(trace)
    assert (root.name, root.attributes[semconv.GEN_AI_CONVERSATION_ID]) == ("invoke_agent helper", "6b")
    asked, said = trace.inferences
    assert (asked.name, asked.duration_ns, output_messages(asked)) == ("chat gpt-4o", 250 * 10**6, ())
    assert (heard(said), output_messages(said)[0].parts[0]["content"]) == (["go"], "done")
    search, bad = trace.tool_calls
    assert search.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] == "{'hits': 'x'}"
    assert (bad.attributes["error.type"], bad.status_message) == ("ValueError", "no y")
    assert "wait" in text_of(conversation(trace))


# --- all of them ------------------------------------------------------------------------------------------------------

LOGS: Final[dict[str, Callable[[], bytes]]] = {
    "agent-strace": STRACE.encode,
    "claude-code": CLAUDE_WEB.read_bytes,
    "swe-agent": SWE[0].read_bytes if SWE else bytes,
    "tau-bench": lambda: json.dumps(json.loads(TAU.read_bytes())[:3]).encode(),
    "tool-calls": ASSAY.encode,
    "traceforge": TRACEFORGE.encode,
    "traceops": TRACEOPS.encode,
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_known_by_its_content_and_is_what_its_import_is(name: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "any", LOGS[name]())
    assert form_of(path) == name
    files = imported(name, path, tmp_path / "out")
    loaded = [span for file in files if file.cassette for span in at.load(file.cassette).spans]
    direct = at.load(path)
    assert sorted(span.span_id for span in loaded) == sorted(span.span_id for span in direct.spans)
    held = {span.span_id: span for span in loaded}
    for span in direct.spans:
        assert dict(held[span.span_id].attributes) == dict(span.attributes)
        assert held[span.span_id].parent_span_id == span.parent_span_id
    roots = [span for span in direct.spans if span.parent_span_id is None]
    assert {str(span.attributes.get("agenttrace.ingest.format")) for span in roots} == {name}


@pytest.mark.parametrize("name", LOGS)
def test_the_same_log_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "any", LOGS[name]())
    made = [
        [file.cassette.read_bytes() for file in imported(name, path, tmp_path / folder) if file.cassette is not None]
        for folder in ("a", "b")
    ]
    assert made[0] == made[1] != []


@pytest.mark.parametrize("name", LOGS)
def test_what_is_to_be_replayed_says_how_to_import_it(name: str, tmp_path: Path) -> None:
    path = _file(tmp_path / "any", LOGS[name]())
    with pytest.raises(LogOfAnotherTool, match=f"otel-agenttrace ingest {name} "), at.replay(path, quiet=True):
        pass


def test_a_secret_in_a_log_is_not_written(tmp_path: Path) -> None:
    secret = "-".join(str(n * 7919) for n in range(1, 6))
    session = (
        Session().ask(f"my key is {secret}").answer(use("t1", command=f"curl -H {secret}")).ask([result("t1", secret)])
    )
    (file,) = imported(
        "claude-code",
        written(tmp_path / "s.jsonl", *session.records),
        tmp_path / "out",
        redactor({"OPENAI_API_KEY": secret}),
    )
    assert file.cassette is not None
    assert secret not in file.cassette.read_text()
    assert file.cassette.read_text().count("[REDACTED:") >= 3


def test_a_trace_is_no_log(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
    assert [form_of(path) for path in (golden, *EXPORTS)] == [None] * (1 + len(EXPORTS))
    assert form_of(_file(tmp_path / "a", b'[\n{"name": "x", "attributes": {\n"tool": "t", "args": "u"}\n}]')) is None
    assert form_of(_file(tmp_path / "b", b"")) is None


def test_a_log_that_only_looks_like_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="looks like a file of the format swe-agent, but cannot be read"):
        at.load(_file(tmp_path / "x", b'{"trajectory": 5}'))


def test_what_is_left_out_when_a_log_is_looked_at_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "s.jsonl", *Session().ask("go").answer(words("yes")).records)
    path.write_bytes(path.read_bytes() + b'{"type": "\x1b')
    with caplog.at_level(logging.WARNING):
        assert len(at.load(path).inferences) == 1
    (record,) = caplog.records
    assert "1 entry is left out, the first: 3, the file is cut off in this line" in record.getMessage()


@pytest.mark.parametrize("name", LOGS)
def test_whatever_is_damaged_in_a_log_no_other_error_than_ours_is_raised(name: str, tmp_path: Path) -> None:
    random, whole, path = Random(7), LOGS[name]()[:60_000], tmp_path / "log"
    for _ in range(60):
        content = bytearray(whole[: random.randrange(1, len(whole)) if random.random() < 0.3 else len(whole)])
        for _ in range(random.randrange(4)):
            place = random.randrange(len(content))
            content[place : place + random.randrange(9)] = random.choice(
                [b"", b"\0", b"null", b'"', b"}", b"[", b"7", b"\xff"]
            )
        path.write_bytes(content)
        with suppress(NotReadable, AgentTraceError):
            list(format_of(name).read(bytes(content), Redactor()))
        with suppress(AgentTraceError):
            at.load(path)


def test_each_format_of_the_table_can_be_read() -> None:
    assert all(format_of(name).suffixes for name in FORMATS)


def test_messages_of_a_call_whose_forerunner_is_gone_say_that_something_came_before(tmp_path: Path) -> None:
    (file,) = imported("claude-code", CLAUDE_WEB, tmp_path)
    assert file.cassette is not None
    first, _, third, *_ = at.load(file.cassette).inferences
    lines = file.cassette.read_bytes().splitlines(keepends=True)
    file.cassette.write_bytes(b"".join(line for line in lines if f'"spanId":"{first.span_id}"'.encode() not in line))
    _, torn, *_ = at.load(file.cassette).inferences
    assert torn.span_id == third.span_id
    assert "agenttrace.input.after" not in third.attributes
    assert "agenttrace.input.after" in torn.attributes
    assert len(asked_of(third).input_messages) == 5
    assert len(asked_of(torn).input_messages) == 1
