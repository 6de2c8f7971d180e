"""What a replay is to do besides answering: what goes live and when, what is changed, how fast. Texts in, a `ReplayPlan` out.

A plan is made of plain texts, so that it travels to child processes; each text is parsed where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from otel_agenttrace.egress import AllowList
from otel_agenttrace.errors import ConfigError

__all__ = ["Frozen", "OnMiss", "ReplayPlan"]

Frozen: TypeAlias = Literal["llm", "tools"]
OnMiss: TypeAlias = Literal["fail", "live"]


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """How a replay deals with each call.

    Attributes:
        freeze: What is answered from the recording: calls over HTTP (`llm`), results of `@at.tool` (`tools`).
        on_miss: Whether a call without a recording fails or goes live.
        until: From when on all calls go live: `miss`, `drift`, a selector of the first one that does, or empty for never.
        patches: Changes of recorded answers, prompts and tool results: `SELECTOR PATH = VALUE`.
        faults: Failures to inject: `SELECTOR KIND [NAME=VALUE …]`.
        seed: Decides which calls a fault with a rate strikes.
        timing: When chunks come: `instant`, `real`, `xN` or `first-token`.
        run_tools: Names of tools that run although tools are frozen.
        only: A selector of the recorded calls that are made anew; empty for none.
        prune: Whether recorded calls that were not asked for are removed at the end.
        verify: Whether each call is also made live, and its answer compared with the recorded one.
        allow: Hosts that may be reached, though nothing else is: `HOST`, `HOST:PORT`, `*.example.com`.
        has_functions: Whether there are patches by functions, which other processes do not have.
    """

    freeze: tuple[str, ...] = ("llm",)
    on_miss: OnMiss = "fail"
    until: str = ""
    patches: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    seed: int = 0
    timing: str = "instant"
    run_tools: tuple[str, ...] = ()
    only: str = ""
    prune: bool = False
    verify: bool = False
    allow: tuple[str, ...] = ()
    has_functions: bool = False

    def __post_init__(self) -> None:
        """Check the words; selectors, patches and faults are checked by their parsers.

        Raises:
            ConfigError: If a word has no meaning.
        """
        if self.prune and not self.only:
            raise ConfigError(
                "prune removes what a partial recording did not ask for.\n  to fix   name its calls with only (--only)"
            )
        if self.verify and (self.until or self.patches):
            raise ConfigError(
                "verify compares what is recorded with what is live: it goes with no patch, fork or until.\n"
                "  to fix   one after the other"
            )
        if not self.freeze:
            raise ConfigError(
                "freeze names nothing: all would be live.\n  to fix   llm, tools or both, or no replay at all"
            )
        AllowList(self.allow)
        _check("freeze", self.freeze, get_args(Frozen))
        _check("on_miss", (self.on_miss,), get_args(OnMiss))

    @property
    def may_go_live(self) -> bool:
        """Whether any call to a model can leave the machine in a replay."""
        return "llm" not in self.freeze or self.on_miss == "live" or bool(self.until or self.only) or self.verify

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> ReplayPlan:
        """Return the plan of `dataclasses.asdict`, as JSON has it: its tuples are lists."""
        lists: dict[str, Any] = {
            name: tuple(told[name]) for name in ("freeze", "patches", "faults", "run_tools", "allow")
        }
        return ReplayPlan(**{**told, **lists})


def _check(name: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    for word in given:
        if word not in known:
            raise ConfigError(f"{name} has no {word!r}.\n  to fix   {' or '.join(known)}")
