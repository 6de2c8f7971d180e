"""What runs took: sums by hand, subagents apart and counted in, and what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_agenttrace import semconv
from otel_agenttrace.analyze.stats import Stats, stats_of
from otel_agenttrace.analyze.streams import streamed
from otel_agenttrace.model import Span
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.stats import stats_page
from tests.support.agent_runs import agent_run, traced
from tests.support.made_runs import Made


def _stats(*files: tuple[Span, ...], include_subagents: bool = False) -> Stats:
    streams = [streamed(traced(file), f"file{number}") for number, file in enumerate(files)]
    return stats_of(streams, include_subagents=include_subagents)


def test_calls_tokens_cost_and_errors_are_summed_by_file_and_in_all() -> None:
    report = _stats(agent_run(0), agent_run(1, [("search", {})], tokens=(50, 5), failing={0}, failing_model={1}))
    assert (report.runs, report.total.llm_calls, report.total.tool_calls) == (2, 5, 3)
    assert (report.total.llm_errors, report.total.tool_errors) == (1, 1)
    assert (report.total.input_tokens.total, report.total.output_tokens.total) == (400, 40)
    assert report.total.cost_usd.total == pytest.approx(0.44)
    assert [
        (each.file, each.runs, each.figures.llm_calls, each.figures.input_tokens.total) for each in report.files
    ] == [
        ("file0", 1, 3, 300),
        ("file1", 1, 2, 100),
    ]
    assert [(each.tool, each.calls, each.errors) for each in report.tools] == [("search", 2, 1), ("answer", 1, 0)]
    assert report.tools[0].time_s.p50 == pytest.approx(0.1)


def test_cached_and_reasoning_tokens_are_known_only_where_they_are_told() -> None:
    first, *rest = agent_run(0)
    more = {semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 60, semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 4}
    total = _stats((replace(first, attributes={**first.attributes, **more}), *rest)).total
    assert (total.cached_tokens.total, total.cached_tokens.n, total.cached_tokens.unknown) == (60, 1, 2)
    assert (total.reasoning_tokens.total, total.reasoning_tokens.unknown) == (4, 2)


def test_what_subagents_did_is_apart_unless_it_is_asked_for() -> None:
    files = (agent_run(0), agent_run(1, subagent="digger"))
    apart, counted = _stats(*files), _stats(*files, include_subagents=True)
    assert (apart.total.llm_calls, apart.subagents.llm_calls, counted.total.llm_calls) == (3, 3, 6)
    assert (apart.total.tool_calls, apart.subagents.tool_calls, counted.total.tool_calls) == (2, 2, 4)
    assert apart.subagents == counted.subagents
    assert [(each.agent, each.is_subagent, each.invocations, each.figures.llm_calls) for each in apart.agents] == [
        ("digger", True, 1, 3),
        ("helper", False, 2, 3),
    ]
    assert "not counted in: --include-subagents does" in page_markdown(stats_page(apart))


def test_an_agent_that_two_libraries_tell_is_no_subagent() -> None:
    assert _stats(agent_run(0, subagent="helper")).subagents.llm_calls == 0


def test_an_agent_that_is_its_own_parent_is_one_agent() -> None:
    spans = [span if span.parent_span_id else replace(span, parent_span_id=span.span_id) for span in agent_run(0)]
    report = _stats(tuple(spans))
    assert report.total.llm_calls == 3
    assert [(each.agent, each.is_subagent) for each in report.agents] == [("helper", False)]


def test_how_long_a_call_took_is_known_where_only_its_start_is_not() -> None:
    run = Made()
    run.chat("m1", told={"agenttrace.time.unknown": "start"})
    run.chat("m2", told={"agenttrace.time.unknown": "end"})
    latency = stats_of([streamed(run.trace)]).total.latency_s
    assert (latency.n, latency.total, latency.unknown) == (1, 0.01, 1)


def test_calls_without_tokens_have_unknown_cost_and_the_page_says_so() -> None:
    report = _stats((*agent_run(0), *agent_run(1, tokens=None)))
    assert (report.total.cost_usd.n, report.total.cost_usd.unknown) == (3, 3)
    told = page_markdown(stats_page(report))
    assert "3 of 6 calls to models have no known cost" in told
    assert "300+" in told


def test_a_file_of_two_instrumentations_counts_each_call_once() -> None:
    spans = [
        replace(span, attributes={**span.attributes, semconv.GEN_AI_RESPONSE_ID: f"r{place}"})
        if span.is_inference
        else span
        for place, span in enumerate(agent_run(0))
    ]
    doubled = [replace(span, span_id=f"{place:016x}") for place, span in enumerate(spans) if span.is_inference]
    assert _stats((*spans, *doubled)).total == _stats(tuple(spans)).total
