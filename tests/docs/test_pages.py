"""README and docs do what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.pages import follow

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md")])
EXAMPLES = sorted(ROOT.glob("examples/*/README.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, reader_environment: dict[str, str]) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    follow(page, folder, reader_environment)


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.parent.name)
def test_the_blocks_of_the_page_of_an_example_run_in_a_copy_of_it(
    page: Path, tmp_path: Path, reader_environment: dict[str, str]
) -> None:
    follow(page, shutil.copytree(page.parent, tmp_path / page.parent.name), reader_environment)
