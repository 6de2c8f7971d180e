"""Facts about the search for what a run does again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.analyze.cycles import cycle

_NAMES = st.lists(st.sampled_from("abc"), max_size=12)


def _plainly(names: list[str], rounds: int) -> tuple[int, int, int] | None:
    """Return what `cycle` does, by looking at each place for each length."""
    for length in range(2, len(names) // rounds + 1):
        for begin in range(len(names) - length * rounds + 1):
            sequence = names[begin : begin + length]
            times = 1
            while names[begin + times * length : begin + (times + 1) * length] == sequence:
                times += 1
            if times >= rounds and len(set(sequence)) > 1:
                return begin, length, times
    return None


@given(_NAMES, _NAMES, st.integers(1, 5), _NAMES, st.integers(2, 4))
def test_the_first_shortest_cycle_is_found(
    before: list[str], sequence: list[str], times: int, after: list[str], rounds: int
) -> None:
    names = before + sequence * times + after
    assert cycle(names, rounds) == _plainly(names, rounds)


def test_calls_of_one_tool_are_no_cycle() -> None:
    assert cycle(["a"] * 9, 3) is None
    assert cycle([*"aaaa", "b", *"aaaa", "b", *"aaaa", "b"], 3) == (0, 5, 3)


def test_a_hundred_thousand_calls_are_looked_through() -> None:
    rare = ["a"] * 50_000
    assert cycle([*rare, "b", *rare], 3) is None  # place by place this takes many minutes
    assert cycle([*rare, *"bcabca", *rare], 2) == (49_999, 3, 2)
