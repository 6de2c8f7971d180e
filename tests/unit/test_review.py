"""Facts about the report on a change: what others wrote stays text, it has a limit, and what is not known is not 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from otel_agenttrace.analyze.branches import Changes, Unreadable
from otel_agenttrace.analyze.changes import Change, Figures, change_of, figures_of, together
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from otel_agenttrace.analyze.trajectories import Divergence
from otel_agenttrace.checks.files import CheckedFile, checked_files_of
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.markdown import MARKER, review_markdown, suite_markdown
from otel_agenttrace.report.review import Review, change_line, review_json
from otel_agenttrace.report.review_terminal import review_renderables
from otel_agenttrace.report.screen import console

_PARSER: Final = MarkdownIt("commonmark", {"html": True}).enable("table")
_HOSTILE: Final = (
    "@octocat",
    "[click](https://example.test)",
    "![seen](https://example.test/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<!-- otel-agenttrace report -->",
    "`@octocat`",
    "```\n@octocat\n```",
    "~~~\n</details>\n#1",
    "a | b | c",
    "\\`@octocat",
    "\n\n# heading\n\n- @octocat",
    "/close\r/merge",
    "\u202egnp.exe",
    "https://example.test",
)


def _everywhere(text: str) -> Review:
    """Return a report in which a text stands wherever others may write."""
    finding = Finding(text, text)
    case = CaseResult(text, "failed", text, findings=(finding,))
    change = Change(text, Figures(1), Figures(2), Divergence(1, text, text, text), (text,), (text,))
    return Review(
        SuiteResult((case, replace(case, findings=())), (text,), (text,)),
        (CheckedFile(text, findings=(finding,)), CheckedFile(text, problem=text or "x")),
        Changes(True, (Figures(1),), (Figures(2),), (change,), 0, (Unreadable(text, text),)),
    )


def _outside_code(markdown: str) -> Iterator[Token]:
    """Yield all there is but the content of code."""
    for token in _PARSER.parse(markdown):
        for part in token.children or [token]:
            if part.type not in ("code_inline", "fence"):
                yield part


@pytest.mark.parametrize("text", _HOSTILE)
def test_hostile_text_is_nothing_but_code(text: str) -> None:
    assert _told(_everywhere(text)) == _told(_everywhere("harmless"))


@given(st.text(alphabet=st.sampled_from("`~@a|\\<>[]()!#*_\n\r\t -$&"), max_size=40) | st.text(max_size=40))
def test_any_text_is_nothing_but_code(text: str) -> None:
    assert _told(_everywhere(text)) == _told(_everywhere("harmless"))


def _told(review: Review) -> list[tuple[str, str]]:
    return [
        (token.type, token.content if token.type != "inline" else "")
        for token in _outside_code(review_markdown(review))
    ]


def test_the_marker_is_the_first_line_and_the_only_html() -> None:
    markdown = review_markdown(_everywhere("<b>x</b>"))
    assert markdown.startswith(f"{MARKER}\n")
    assert [token.content for token in _outside_code(markdown) if token.type.startswith("html")] == [f"{MARKER}\n"]


def test_hostile_text_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for each in review_renderables(_everywhere("\x1b[31mred\u202e\r[bold]x[/bold]")):
        console().print(each)
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert {character for character in shown if not character.isprintable()} == {"\n"}


# --- its limit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["x", "🦊", "`"])
def test_a_comment_is_bounded_and_says_what_it_leaves_out(letter: str) -> None:
    findings = tuple(Finding("budget", letter * 5_000) for _ in range(3))
    cases = tuple(CaseResult(f"test_{number}", "failed", findings=findings) for number in range(400))
    changes = tuple(Change(f"{number}.otlp.jsonl", None, Figures()) for number in range(7))
    review = Review(SuiteResult(cases, orphans=("a",) * 900), changes=Changes(True, changes=changes))
    markdown = review_markdown(review)
    assert len(markdown.encode()) < 65_536
    shown = markdown.count("**failed** `test_")
    last = markdown.splitlines()[-1]
    assert shown > 1
    assert last.startswith(
        f"_Left out, for a comment may be no larger: {400 - shown} tests, 1 list, 7 changed cassettes."
    )
    assert list(_outside_code(markdown))[-1].type == "paragraph_close"


def test_what_fits_is_told_whole() -> None:
    suite = SuiteResult((CaseResult("a", "failed", findings=(Finding("drift", "x" * 1_900),)),))
    assert "x" * 1_900 in suite_markdown(suite)
    assert "Left out" not in suite_markdown(suite)


def test_a_list_that_is_cut_says_how_many_more_there_are() -> None:
    markdown = suite_markdown(SuiteResult(orphans=tuple(f"{number}.otlp.jsonl" for number in range(23))))
    assert "- `19.otlp.jsonl`\n- `… 3 more`\n" in markdown


# --- what is not known --------------------------------------------------------------------------------------------------


def _chat(number: int) -> Span:
    told = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10 * number, "gen_ai.request.model": "m"}
    return Span("a" * 32, f"{number:016x}", "chat m", number, number + 1, attributes=told)


def test_a_call_without_a_price_is_counted_and_no_cost_is_none() -> None:
    trace = Trace((_chat(1), _chat(2)), cost_of=lambda span: 0.5 if span.start_ns == 1 else None)
    assert figures_of(trace) == Figures(2, 0, 30, 0.5, 1)
    assert figures_of(replace(trace, cost_of=lambda _: None)) == Figures(2, 0, 30, None, 2)
    refused = replace(
        _chat(3), attributes={**_chat(3).attributes, "error.type": "429", "gen_ai.usage.input_tokens": None}
    )
    assert figures_of(replace(trace, spans=(*trace.spans, refused))) == Figures(3, 0, 30, 0.5, 1)
    assert together([Figures(1, 0, None, None, 1), Figures(1, 0, 5, 0.25)]) == Figures(2, 0, 5, 0.25, 1)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (Figures(1, 0, 5, 0.5), Figures(1, 0, 5, 0.5), "calls 1 · tools 0 · tokens 5 · cost $0.5000"),
        (
            Figures(1, 0, 5, 0.5),
            Figures(1, 0, 5, None, 1),
            "calls 1 · tools 0 · tokens 5 · cost $0.5000 → unknown (unknown)",
        ),
        (Figures(1, 0, 5, None, 1), Figures(1, 0, 5, None, 1), "calls 1 · tools 0 · tokens 5 · cost unknown"),
        (
            Figures(2, 0, 5, 0.5, 1),
            Figures(2, 1, 6, 0.6, 1),
            "calls 2 · tools 0 → 1 · tokens 5 → 6 (+1, +20.0 %) · cost $0.5000 (1 of 2 calls without a price) → $0.6000 (1 of 2 calls without a price) (unknown)",
        ),
        (
            Figures(1, 0, None, 0.0),
            Figures(1, 0, 7, 1.5),
            "calls 1 · tools 0 · tokens ? → 7 (unknown) · cost $0 → $1.50 (+$1.50)",
        ),
        (Figures(), Figures(1, 0, 7, 1.5), "calls 0 → 1 · tools 0 · tokens 0 → 7 (+7) · cost $0 → $1.50 (+$1.50)"),
        (None, Figures(1, 0, None, None, 1), "calls 1 · tools 0 · tokens ? · cost unknown"),
    ],
)
def test_a_change_is_told_where_both_sides_are_known(before: Figures | None, now: Figures, told: str) -> None:
    assert change_line(Change("a", before, now)) == told


def test_tests_without_a_price_are_counted_and_those_without_a_call_are_not() -> None:
    cases = (
        CaseResult("a", "passed", llm_calls=1, cost=0.25),
        CaseResult("b", "passed", llm_calls=1),
        CaseResult("c", "passed"),
    )
    assert "- **cost** $0.2500 (1 of 2 tests without a price)\n" in suite_markdown(SuiteResult(cases))
    assert "- **cost** unknown\n" in suite_markdown(SuiteResult(cases[1:]))
    assert "- **cost** $0\n" in suite_markdown(SuiteResult(cases[2:]))


# --- changes ------------------------------------------------------------------------------------------------------------


def test_a_run_beside_itself_is_the_same() -> None:
    trace = Trace((_chat(1), _chat(2)))
    change = change_of("a", trace, trace)
    assert (change.kind, change.divergence, change.added, change.removed) == ("same", None, (), ())


def test_runs_that_do_the_same_for_more_tokens_differ() -> None:
    change = change_of("a", Trace((_chat(1),)), Trace((_chat(2),)))
    assert (change.kind, change.divergence) == ("changed", None)


def test_a_run_of_one_side_only_is_new_or_removed_with_all_its_steps() -> None:
    trace = Trace((_chat(1),))
    assert (change_of("a", None, trace).kind, change_of("a", None, trace).added) == ("new", ("inference m",))
    assert (change_of("a", trace, None).kind, change_of("a", trace, None).removed) == ("removed", ("inference m",))


def test_checks_are_read_as_they_are_written() -> None:
    checks = (
        CheckedFile("a", ("all",), ("order",), (Finding("order", "x", "warning", ("b",)),)),
        CheckedFile("b", problem="not JSON"),
    )
    told = review_json(Review(checks=checks))["checks"]
    assert checked_files_of({"files": told}) == checks
    with pytest.raises(ValueError, match="no report of checks"):
        checked_files_of({"cases": []})
