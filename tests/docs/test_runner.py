"""The runner of the pages finds what a reader would try, and fails where a reader would be stuck."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import blocks_of, follow


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


def test_blocks_share_a_folder_and_run_in_order(page: Path, tmp_path: Path, reader_environment: dict[str, str]) -> None:
    page.write_text(
        "<!-- file: agent.py -->\n```python\nprint('from the agent')\n```\n"
        "text\n\n<!-- run -->\n\n```sh\npython agent.py > said\n```\n"
        "<!-- run -->\n```python\nprint(open('said').read(), end='')\n```\n"
    )
    assert follow(page, tmp_path, reader_environment) == ["", "from the agent\n"]


def test_an_indented_block_runs_without_its_indent(
    page: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    page.write_text("1. do this\n\n   <!-- run -->\n   ```python\n   if True:\n       print(1)\n   ```\n")
    assert follow(page, tmp_path, reader_environment) == ["1\n"]


def test_a_failing_block_is_named_with_its_line_and_its_output(
    page: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    page.write_text("one\ntwo\n<!-- run -->\n```sh\necho before\nfalse\necho after\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:4: exit code 1") as caught:
        follow(page, tmp_path, reader_environment)
    assert caught.match("printed\nbefore\n$")


@pytest.mark.parametrize(
    ("comment", "fault"),
    [
        ("", "no comment"),
        ("<!-- run: fast -->\n", "takes nothing"),
        ("<!-- shown -->\n", "is empty"),
        ("<!-- file: -->\n", "is empty"),
        ("<!-- run -->\nwords between\n", "no comment"),
    ],
)
def test_a_block_without_a_valid_comment_fails(
    comment: str, fault: str, page: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    page.write_text(f"{comment}```python\nprint(1)\n```\n")
    with pytest.raises(AssertionError, match=fault):
        follow(page, tmp_path, reader_environment)


def test_a_shown_block_and_other_languages_do_not_run(
    page: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    page.write_text("<!-- shown: needs an account -->\n```sh\nfalse\n```\n```json\n{}\n```\n```\nplain\n```\n")
    assert follow(page, tmp_path, reader_environment) == []


def test_a_fence_inside_a_longer_fence_is_text() -> None:
    text = "````markdown\n```python\nprint(1)\n```\n````\n\n<!-- run -->\n```sh\ntrue\n```\n"
    assert [(block.line, block.language, block.mark) for block in blocks_of(text)] == [(8, "sh", "run")]


def test_a_block_sees_no_key_of_the_developer(
    page: Path, tmp_path: Path, reader_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the developer's")
    page.write_text("<!-- run -->\n```sh\necho ${OPENAI_API_KEY:-none}\n```\n")
    assert follow(page, tmp_path, reader_environment) == ["none\n"]
