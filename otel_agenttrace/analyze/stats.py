"""Sum up what files of runs took: calls, tokens, cost, time, errors; by file, model, tool and agent. Streams in, report out.

What subagents did, agents below another one, is counted in or apart. The attributes of `Stats` are the keys of its JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from otel_agenttrace.analyze.percentiles import Amounts, Percentiles
from otel_agenttrace.analyze.sequences import Act, Run, kin, runs_in
from otel_agenttrace.analyze.streams import SpanStream

__all__ = ["AgentFigures", "Figures", "FileFigures", "ModelFigures", "ModelTally", "Stats", "ToolFigures", "stats_of"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What some calls took. Of tokens, cost and latency the amounts are those of one call, `total` that of all.

    Attributes:
        llm_calls: Calls to models.
        llm_errors: Those that failed.
        tool_calls: Calls of tools.
        tool_errors: Those that failed.
        input_tokens: Cached ones included.
        output_tokens: Reasoning included.
        cached_tokens: Input that was read from a cache; not known where a provider does not tell it.
        reasoning_tokens: The same.
        cost_usd: US dollars.
        latency_s: How long a call to a model took.
    """

    llm_calls: int
    llm_errors: int
    tool_calls: int
    tool_errors: int
    input_tokens: Percentiles
    output_tokens: Percentiles
    cached_tokens: Percentiles
    reasoning_tokens: Percentiles
    cost_usd: Percentiles
    latency_s: Percentiles


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one model was asked for. Amounts are those of a call, their `total` that of all."""

    model: str
    calls: int
    errors: int
    input_tokens: Percentiles
    output_tokens: Percentiles
    cost_usd: Percentiles
    latency_s: Percentiles


@dataclass(frozen=True, slots=True)
class ToolFigures:
    """How often a tool was called, how often it failed, and how long it took; of one without spans that is not known."""

    tool: str
    calls: int
    errors: int
    time_s: Percentiles


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """What an agent did itself, that is, without the agents below it. `agent` is None for calls below no agent."""

    agent: str | None
    is_subagent: bool
    invocations: int
    errors: int
    figures: Figures
    time_s: Percentiles


@dataclass(frozen=True, slots=True)
class FileFigures:
    """What the runs of one file took. Of `evaluated` runs evaluations say whether they passed, of `passed` that they did."""

    file: str
    runs: int
    passed: int
    evaluated: int
    figures: Figures
    duration_s: Percentiles


@dataclass(frozen=True, slots=True)
class Stats:
    """What files of runs took.

    Attributes:
        runs: How many runs.
        passed: Those whose evaluations say that they passed.
        evaluated: Those of which evaluations say whether they did.
        include_subagents: Whether the figures count what subagents did.
        total: Of all files.
        subagents: What subagents did; it is part of `total` only if `include_subagents`.
        duration_s: How long a run took.
        files: By file, in the order they were read.
        models: By model, most calls first; what subagents did counts as in `total`, and in `tools` too.
        tools: By tool, most calls first.
        agents: By agent, most calls first; subagents always have rows of their own.
        untold_calls: Calls to models that asked for tools which nobody tells: their tools are missing here.
    """

    runs: int
    passed: int
    evaluated: int
    include_subagents: bool
    total: Figures
    subagents: Figures
    duration_s: Percentiles
    files: tuple[FileFigures, ...]
    models: tuple[ModelFigures, ...]
    tools: tuple[ToolFigures, ...]
    agents: tuple[AgentFigures, ...]
    untold_calls: int


def stats_of(streams: Iterable[SpanStream], *, include_subagents: bool = False) -> Stats:
    """Return what files of runs took.

    Args:
        streams: The files, read one after another.
        include_subagents: Whether the figures count what subagents did.
    """
    tally = _Tally(include_subagents=include_subagents)
    for stream in streams:
        tally.read(stream)
    return tally.report()


class ModelTally:
    """What is counted of the calls to one model."""

    def __init__(self) -> None:
        self.calls = self.errors = 0
        self.given, self.got, self.cost, self.latency = Amounts(), Amounts(), Amounts(), Amounts()

    def take(self, act: Act) -> None:
        """Take one more call."""
        self.calls += 1
        self.errors += act.error is not None
        self.given.add(act.usage.input_tokens)
        self.got.add(act.usage.output_tokens)
        self.cost.add(act.cost_usd)
        self.latency.add(act.duration_s)

    def join(self, other: ModelTally) -> None:
        """Take the calls that another one took."""
        self.calls += other.calls
        self.errors += other.errors
        for mine, others in zip(self._amounts, other._amounts, strict=True):
            mine.join(others)

    @property
    def _amounts(self) -> tuple[Amounts, ...]:
        return self.given, self.got, self.cost, self.latency

    def figures(self, model: str) -> ModelFigures:
        """Return what was counted."""
        return ModelFigures(model, self.calls, self.errors, *(each.percentiles for each in self._amounts))


class _ToolTally:
    def __init__(self) -> None:
        self.calls = self.errors = 0
        self.time = Amounts()

    def take(self, act: Act) -> None:
        self.calls += 1
        self.errors += act.error is not None
        self.time.add(act.duration_s)

    def join(self, other: _ToolTally) -> None:
        self.calls += other.calls
        self.errors += other.errors
        self.time.join(other.time)


class _Calls:
    """What is counted of calls to models and of tools together."""

    def __init__(self) -> None:
        self._models, self._tools = ModelTally(), _ToolTally()
        self._cached, self._reasoning = Amounts(), Amounts()

    def take(self, act: Act) -> None:
        if act.kind == "tool":
            self._tools.take(act)
        elif act.kind == "model":
            self._models.take(act)
            self._cached.add(act.usage.cache_read_input_tokens)
            self._reasoning.add(act.usage.reasoning_output_tokens)

    def join(self, other: _Calls) -> None:
        self._models.join(other._models)
        self._tools.join(other._tools)
        self._cached.join(other._cached)
        self._reasoning.join(other._reasoning)

    @property
    def count(self) -> int:
        return self._models.calls + self._tools.calls

    @property
    def figures(self) -> Figures:
        models, tools = self._models, self._tools
        amounts = (models.given, models.got, self._cached, self._reasoning, models.cost, models.latency)
        counts = (models.calls, models.errors, tools.calls, tools.errors)
        return Figures(*counts, *(each.percentiles for each in amounts))


class _AgentTally:
    def __init__(self) -> None:
        self.invocations = self.errors = 0
        self.calls, self.time = _Calls(), Amounts()


class _Tally:
    def __init__(self, *, include_subagents: bool) -> None:
        self._include = include_subagents
        self._untold = 0
        self._total, self._subagents, self._duration = _Calls(), _Calls(), Amounts()
        self._files: list[FileFigures] = []
        self._models = defaultdict[str, ModelTally](ModelTally)
        self._tools = defaultdict[str, _ToolTally](_ToolTally)
        self._agents = defaultdict[tuple[str | None, bool], _AgentTally](_AgentTally)

    def read(self, stream: SpanStream) -> None:
        calls, duration = _Calls(), Amounts()
        runs, passed, evaluated = self._count(stream, calls, duration)  # the last run is gone before it is summed up
        self._total.join(calls)
        self._files.append(FileFigures(stream.name, runs, passed, evaluated, calls.figures, duration.percentiles))

    def _count(self, stream: SpanStream, calls: _Calls, duration: Amounts) -> tuple[int, int, int]:
        runs, passed, evaluated = 0, 0, 0
        for run in runs_in(stream):
            runs += 1
            passed += run.passed is True
            evaluated += run.passed is not None
            self._untold += run.untold
            for each in (duration, self._duration):
                each.add(run.duration_s)
            self._take(run, calls)
        return runs, passed, evaluated

    def _take(self, run: Run, of_file: _Calls) -> None:
        for act, agents in _below_agents(run):
            is_subagent = len(agents) > 1
            agent = self._agents[agents[-1] if agents else None, is_subagent]
            if act.kind == "agent":
                agent.invocations += 1
                agent.errors += act.error is not None
                agent.time.add(act.duration_s)
                continue
            agent.calls.take(act)
            if is_subagent:
                self._subagents.take(act)
            if is_subagent and not self._include:
                continue
            of_file.take(act)
            if act.kind == "model":
                self._models[act.name].take(act)
            else:
                self._tools[act.name].take(act)

    def report(self) -> Stats:
        models = sorted(self._models.items(), key=lambda each: (-each[1].calls, each[0]))
        tools = sorted(self._tools.items(), key=lambda each: (-each[1].calls, each[0]))
        agents = sorted(self._agents.items(), key=lambda each: (-each[1].calls.count, each[0][0] or "", each[0][1]))
        return Stats(
            runs=sum(each.runs for each in self._files),
            passed=sum(each.passed for each in self._files),
            evaluated=sum(each.evaluated for each in self._files),
            include_subagents=self._include,
            total=self._total.figures,
            subagents=self._subagents.figures,
            duration_s=self._duration.percentiles,
            files=tuple(self._files),
            models=tuple(tally.figures(model) for model, tally in models),
            tools=tuple(ToolFigures(tool, each.calls, each.errors, each.time.percentiles) for tool, each in tools),
            agents=tuple(
                AgentFigures(
                    agent, is_subagent, each.invocations, each.errors, each.calls.figures, each.time.percentiles
                )
                for (agent, is_subagent), each in agents
            ),
            untold_calls=self._untold,
        )


def _below_agents(run: Run) -> Iterator[tuple[Act, tuple[str, ...]]]:
    """Yield each act and the agents it is below, outermost first, itself included; one below itself by name is one."""
    parents, named = kin(run.acts, run.others)
    known: dict[str, tuple[str, ...]] = {}
    for act in run.acts:
        if act.span_id in parents:
            yield act, _agents_of(act.span_id, parents, named, known)
        else:
            agents = _agents_of(act.parent, parents, named, known)
            yield act, _with(agents, act.name) if act.kind == "agent" else agents


def _agents_of(
    span_id: str | None,
    parents: Mapping[str, str | None],
    named: Mapping[str, str],
    known: dict[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """Return the agents above a span, itself included; whatever parents go in a circle."""
    path: list[str] = []
    place = span_id
    while place is not None and place in parents and place not in known:
        known[place] = ()
        path.append(place)
        place = parents[place]
    agents = known.get(place or "", ())
    for each in reversed(path):
        name = named.get(each)
        agents = agents if name is None else _with(agents, name)
        known[each] = agents
    return agents


def _with(agents: tuple[str, ...], name: str) -> tuple[str, ...]:
    return agents if agents[-1:] == (name,) else (*agents, name)
