"""Run the code blocks of a page as a reader would. Markdown in, results of its blocks out.

A block of python or shell has a comment on the line before it: `<!-- run -->`, `<!-- file: NAME -->` or
`<!-- shown: REASON -->`. Blocks of other languages are only shown.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["Block", "blocks_of", "follow"]

RUNNABLE = {"python": (sys.executable,), "sh": ("sh", "-eu"), "bash": ("bash", "-eu")}
TIMEOUT_S = 120

COMMENT = re.compile(r"<!-- *(?P<mark>run|file|shown)(?:: *(?P<said>.*?))? *-->")


@dataclass(frozen=True)
class Block:
    """A block of code that a reader may try: where it stands, what it says, what the page asks to do with it."""

    line: int
    language: str
    code: str
    mark: str | None
    said: str

    @property
    def fault(self) -> str | None:
        """Return what is wrong with its comment, if anything is."""
        match self.mark:
            case None:
                return "no comment before it: <!-- run -->, <!-- file: NAME --> or <!-- shown: REASON -->"
            case "run" if self.said:
                return "<!-- run --> takes nothing"
            case "file" | "shown" if not self.said:
                return f"<!-- {self.mark}: … --> is empty"
            case _:
                return None


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of runnable languages, and those of any language that have a comment."""
    comment = None
    for token in MarkdownIt().parse(page):
        if token.type == "fence":
            language = token.info.partition(" ")[0]
            if language in RUNNABLE or comment:
                mark, said = comment.group("mark", "said") if comment else (None, None)
                yield Block((token.map or [0])[0] + 1, language, token.content, mark, said or "")
        comment = COMMENT.fullmatch(token.content.strip()) if token.type == "html_block" else None


def follow(page: Path, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Do in `folder` what the blocks of the page say, up to the first that fails; return the outputs of those that ran.

    Raises:
        AssertionError: If a block fails, takes too long or has no valid comment; it names page and line.
    """
    outputs: list[str] = []
    for block in blocks_of(page.read_text(encoding="utf-8")):
        place = f"{page.name}:{block.line}"
        assert block.fault is None, f"{place}: {block.fault}"
        if block.mark == "file":
            target = folder / block.said
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code, encoding="utf-8")
        elif block.mark == "run":
            outputs.append(_run(block, place, folder, environment))
    return outputs


def _run(block: Block, place: str, folder: Path, environment: Mapping[str, str]) -> str:
    assert block.language in RUNNABLE, f"{place}: a block of {block.language or 'no language'} cannot run"
    ended = subprocess.run(
        [*RUNNABLE[block.language], "-c", block.code],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, f"{place}: exit code {ended.returncode}\n{block.code}\n--- printed\n{ended.stdout}"
    return ended.stdout
