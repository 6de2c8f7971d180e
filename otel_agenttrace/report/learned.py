"""Show what two recordings taught. Learning in, a table, text and JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from otel_agenttrace.analyze.learning import Learning, Move, Refusal
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.report.text import counted, escaped

__all__ = ["learning_json", "learning_line", "moves_table"]

_REFUSED: Final[Mapping[Refusal, str]] = {
    "content": "not proposed: content",
    "length": "not proposed: one list is longer",
    "address": "not proposed: no part of the body",
}


def moves_table(learning: Learning) -> Table:
    """Return the places that moved, proposed ones first: pointer, an example of each run, how often, what is proposed."""
    table = Table("place", "A", "B", "times", "proposed", box=None, pad_edge=False)
    for move in sorted(learning.moves, key=lambda move: move.rule is None):
        cells = (move.pointer, move.left, move.right, f"{move.times:,}", _proposed(move))
        table.add_row(*(Text(escaped(cell)) for cell in cells), style="dim" if move.rule is None else "")
    return table


def _proposed(move: Move) -> str:
    if move.rule is None:
        return "" if move.refused is None else _REFUSED[move.refused]
    return f"pattern {move.rule.pattern}" if move.rule.pattern is not None else str(move.rule.action)


def learning_line(learning: Learning) -> str:
    """Return how many calls were compared, how many have no partner, and how many rules are proposed."""
    alone = sum(learning.unpaired)
    told = f"compared {counted(learning.pairs, 'pair')} of calls"
    without = f", {counted(alone, 'call')} without a partner" if alone else ""
    if not learning.moves:
        return f"{told}{without}: nothing moved beyond what is known to move"
    return f"{told}{without}: {counted(len(learning.proposed), 'rule')} proposed, {len(learning.moves) - len(learning.proposed)} not"


def learning_json(learning: Learning) -> JsonObject:
    """Return it as JSON with stable keys: `pairs`, `unpaired` (of A and of B), `moves`.

    Of each move: `pointer`, `a` and `b` (shortened JSON), `times`, `action` and `pattern` of the proposed rule or null,
    `refused` (`content`, `length`, `address` or null).
    """
    return {
        "pairs": learning.pairs,
        "unpaired": learning.unpaired,
        "moves": [_move_json(move) for move in learning.moves],
    }


def _move_json(move: Move) -> JsonObject:
    return {
        "pointer": move.pointer,
        "a": move.left,
        "b": move.right,
        "times": move.times,
        "action": None if move.rule is None else str(move.rule.action),
        "pattern": None if move.rule is None else move.rule.pattern,
        "refused": move.refused,
    }
