"""`@at.tool`: tell a tool's arguments and result, or answer it from the recording where tools are frozen.

What a tool gives is recorded with the types it needs; a frozen tool gives it again, and its code does not run.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar, get_args, overload

from otel_agenttrace import semconv
from otel_agenttrace.annotate import OpenSpan, Ran, Role, decorator, text_of
from otel_agenttrace.errors import ConfigError, ReplayExhausted, ToolError, ToolFault, error_type
from otel_agenttrace.in_force import answering_session
from otel_agenttrace.jsonvalue import compact, parse
from otel_agenttrace.model import AttributeValue, Outcome, Span
from otel_agenttrace.playback.tools import AskedTool, ToolClaim
from otel_agenttrace.redact.findings import is_blind
from otel_agenttrace.restoring import read, write
from otel_agenttrace.scopes import NotRestorable, Scope
from otel_agenttrace.sessions import Session
from otel_agenttrace.spans import active_span
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.telling import tell_outcome, tell_replayed

__all__ = ["OnReplay", "tool"]

OnReplay: TypeAlias = Literal["answer", "run"]
"""What becomes of a tool where tools are frozen."""

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MOST_ITEMS: Final = 10_000
_MOST_TEXT: Final = 1 << 20
"""Items of a generator, and characters of their JSON, that are kept."""

_TOO_LONG: Final = f"a generator of more than {_MOST_ITEMS:,} items or {_MOST_TEXT:,} characters is not kept"
_RESULT: Final = (
    semconv.GEN_AI_TOOL_CALL_RESULT,
    semconv.AGENTTRACE_TOOL_RESULT_TYPE,
    semconv.AGENTTRACE_TOOL_RESULT_VALUE,
)
_FAILED: Final = "to write it down failed; the log of the recording says why"

_CUT_SHORT: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
"""What ends a tool from outside: how it would have gone on nobody knows."""


@overload
def tool(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def tool(
    name: str | None = None, /, *, on_replay: OnReplay = "answer"
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def tool(function: Any = None, /, *, on_replay: OnReplay = "answer") -> Any:
    """Decorate a tool: its arguments and its result are told. `@at.tool` or `@at.tool("search")`.

    Args:
        function: The tool, or its name.
        on_replay: Whether the tool is answered where a replay freezes tools, or runs all the same: without side effects.

    Raises:
        ConfigError: If `on_replay` has no meaning.
    """
    if on_replay not in get_args(OnReplay):
        raise ConfigError(f"on_replay has no {on_replay!r}.\n  to fix   {' or '.join(get_args(OnReplay))}")

    def role(named: str, decorated: Callable[..., Any]) -> Role:
        described = inspect.getdoc(decorated)
        attributes: dict[str, AttributeValue] = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
            semconv.GEN_AI_TOOL_NAME: named,
            semconv.GEN_AI_TOOL_TYPE: "function",
            semconv.GEN_AI_TOOL_DESCRIPTION: described.partition("\n")[0] if described else None,
        }
        return _Tool(named, attributes, Scope(decorated), runs=on_replay == "run")

    return decorator(function, role)


class _Tool(Role):
    def __init__(self, tool: str, attributes: Mapping[str, AttributeValue], scope: Scope, *, runs: bool) -> None:
        super().__init__(f"{semconv.OPERATION_EXECUTE_TOOL} {tool}", attributes)
        self.tool = tool
        self.scope = scope
        self.runs = runs

    def begin(self, bound: Mapping[str, object]) -> Ran:
        owner = active_span()
        lane = owner.path if owner is not None else ""
        span = self.open()
        arguments = observe(lambda: text_of(dict(bound)))
        if arguments is not None:
            span.tell({semconv.GEN_AI_TOOL_CALL_ARGUMENTS: arguments})
        span.live.content[semconv.AGENTTRACE_TOOL_LANE] = lane
        typed, is_known = observe(lambda: _typed(bound, self.scope)) or ("", False)
        if typed:
            span.live.content[semconv.AGENTTRACE_TOOL_ARGUMENTS] = typed
        fault = observe(lambda: span.struck(lane))
        return _ToolRan(self, span, AskedTool(self.tool, arguments or "", lane, typed, is_known), fault)


class _ToolRan(Ran):
    """One run of a tool: it is answered from the recording, or what it gives is recorded."""

    def __init__(self, role: _Tool, span: OpenSpan, asked: AskedTool, fault: ToolFault | None) -> None:
        super().__init__(span)
        self._fault = fault
        self._role = role
        self._asked = asked
        self._given: list[str] = []
        self._held: list[str] = []
        self._size = 0
        self._reason = ""
        self._is_stepped = False
        self._is_answered = False
        self._end: dict[str, str] = {}

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self) -> Callable[[], Any] | None:
        answer = self._answered(is_stepped=False)
        return answer.result if answer is not None else None

    def items(self, *, is_async: bool) -> Any:
        self._is_stepped = True
        answer = self._answered(is_stepped=True)
        if answer is None:
            return None
        return answer.async_steps() if is_async else answer.steps()

    def _answered(self, *, is_stepped: bool) -> _Answer | None:
        if self._fault is not None:
            raise self._fault
        session = answering_session()
        if session is None:
            return None
        redact = session.redactor.redact_text
        plain = self._asked
        arguments, typed = redact(plain.arguments), redact(plain.typed)
        blind = is_blind(arguments + typed) and not is_blind(plain.arguments + plain.typed)
        asked = replace(plain, arguments=arguments, lane=redact(plain.lane), typed=typed, is_blind=blind)
        live = self.span.live
        try:
            claim = session.answers.ask_tool(asked, runs=self._role.runs)
            answer = self._restored(session, asked, claim, is_stepped=is_stepped) if claim is not None else None
        except BaseException:
            tell_outcome(live, "miss")
            raise
        if claim is None or answer is None:
            if session.answers.freezes_tools:
                if not session.recorder.is_open:  # what is recorded is no replay
                    tell_outcome(live, "live")
                session.tally.note(Outcome("live", live.head.span_id, of="tool"))
            return None
        self._is_answered = True
        if session.run.is_fork:  # which is to answer by itself
            told = claim.span.attributes
            live.content.update({name: told[name] for name in _RESULT if name in told})
        detail = answer.detail or claim.detail
        outcome = "drift" if answer.detail else claim.outcome
        tell_replayed(live, session, claim.span.trace_id, claim.span.span_id)
        tell_outcome(live, outcome, detail)
        session.tally.note(Outcome(outcome, live.head.span_id, claim.span.span_id, detail=detail, of="tool"))
        return answer

    def _restored(self, session: Session, asked: AskedTool, claim: ToolClaim, *, is_stepped: bool) -> _Answer | None:
        try:
            return _restored(claim.span, self._role.scope, is_stepped=is_stepped)
        except NotRestorable as error:
            refused = session.answers.not_restorable(asked, str(error))
            if refused is None:
                return None
            raise refused from None

    # --- recording --------------------------------------------------------------------------------------------------

    @property
    def _is_recorded(self) -> bool:
        """Whether anyone will read what only a replay needs."""
        return not self._is_answered and self.span.session is not None and self.span.session.recorder.is_open

    def returned(self, value: object) -> None:
        if self._is_answered:
            return
        if self._is_stepped:
            if self._is_recorded and not self._reason:
                self._reason = _FAILED
                observe(lambda: self._keep_returned(value))
        else:
            self.span.tell({semconv.GEN_AI_TOOL_CALL_RESULT: value})
            if self._is_recorded:
                written = observe(lambda: _written_result(value, self._role.scope))
                self._remember(written or _live_only(_FAILED))

    def gave(self, item: object) -> None:
        if self._is_recorded and not self._reason:
            self._reason = _FAILED  # until it is known that it did not fail
            observe(lambda: self._keep_item(item))

    def heard(self) -> None:
        self._reason = self._reason or "something was sent into the generator, and its items depend on that"

    def ended(self, error: BaseException | None = None, end_ns: int | None = None) -> None:
        if self._is_recorded:
            observe(lambda: self._tell_end(error, was_left=end_ns is not None))
        super().ended(error, end_ns)

    def _tell_end(self, error: BaseException | None, *, was_left: bool) -> None:
        if isinstance(error, _CUT_SHORT):
            self._reason = self._reason or f"it was cut short by {error_type(error)}"
        elif error is not None:
            self._keep_raised(error)
        if self._is_stepped:
            self._tell_items(was_left=was_left)
        elif self._reason:
            self._remember(_live_only(self._reason))
        elif error is not None:
            self._remember_end("error")

    def _tell_items(self, *, was_left: bool) -> None:
        self.span.tell({semconv.GEN_AI_TOOL_CALL_RESULT: f"[{','.join(self._given)}]"})
        if self._reason:
            self._remember(_live_only(self._reason))
        else:
            self._end |= {"items": f"[{','.join(self._held)}]", "left": compact(was_left)}
            self._remember_end("items")

    def _remember_end(self, kind: str) -> None:
        """Keep how the run ended: the texts are JSON, a raised error is told as a text, for it may be read or not."""
        value = ",".join(f'"{name}":{text}' for name, text in self._end.items())
        self._remember(
            {semconv.AGENTTRACE_TOOL_RESULT_TYPE: kind, semconv.AGENTTRACE_TOOL_RESULT_VALUE: f"{{{value}}}"}
        )

    def _keep_item(self, item: object) -> None:
        """Keep an item as it is now: the program may change it later."""
        self._given.append(text_of([item])[1:-1])
        try:
            written = write(item, self._role.scope).text
        except NotRestorable as error:
            self._reason = f"item {len(self._held)}: {error}"
            return
        self._held.append(written)
        self._size += len(written)
        is_long = len(self._held) > _MOST_ITEMS or self._size > _MOST_TEXT
        self._reason = _TOO_LONG if is_long else ""

    def _keep_returned(self, value: object) -> None:
        try:
            self._end["returned"] = write(value, self._role.scope).text
            self._reason = ""
        except NotRestorable as error:
            self._reason = f"the value it returned: {error}"

    def _keep_raised(self, error: BaseException) -> None:
        with suppress(NotRestorable):  # then its type and text are given again
            self._end["raised"] = compact(write(error, self._role.scope).text)

    def _remember(self, facts: Mapping[str, str]) -> None:
        """Put into the cassette what only a replay needs."""
        self.span.live.content.update(facts)


# --- what is recorded -------------------------------------------------------------------------------------------------


def _typed(bound: Mapping[str, object], scope: Scope) -> tuple[str, bool]:
    """Return the arguments with their types if what is told of them leaves these out, and whether they are known at all."""
    try:
        written = write(dict(bound), scope)
    except NotRestorable:
        return "", False
    return ("", True) if written.is_plain else (written.text, True)


def _live_only(reason: str) -> dict[str, str]:
    return {semconv.AGENTTRACE_TOOL_RESULT_TYPE: "live_only", semconv.AGENTTRACE_TOOL_LIVE_ONLY: reason}


def _written_result(value: object, scope: Scope) -> dict[str, str]:
    """Return what is recorded beside a result so that it can be given again."""
    try:
        written = write(value, scope)
    except NotRestorable as error:
        return _live_only(str(error))
    if not written.is_plain:
        return {
            semconv.AGENTTRACE_TOOL_RESULT_TYPE: "typed",
            semconv.AGENTTRACE_TOOL_RESULT_VALUE: written.text,
        }
    return {semconv.AGENTTRACE_TOOL_RESULT_TYPE: "text" if isinstance(value, str) else "json"}


# --- what is given again ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a recorded tool gave: a value or an error; a generator's items before that, and whether it was left early."""

    value: Any = None
    error: BaseException | None = None
    given: tuple[Any, ...] = ()
    was_left: bool = False
    tool: str = ""
    detail: str = ""

    def result(self) -> Any:
        """Return or raise what the tool did."""
        if self.error is not None:
            raise self.error
        return self.value

    def steps(self) -> Generator[Any, Any, Any]:
        """Yield the items again."""
        for item in self.given:
            self._check((yield item))
        return self._end()

    async def async_steps(self) -> AsyncGenerator[Any, Any]:
        """Yield the items again."""
        for item in self.given:
            self._check((yield item))
        self._end()

    def _check(self, sent: object) -> None:
        if sent is not None:
            raise ReplayExhausted(f"Something was sent into the tool {self.tool}, and in the recording nothing was.")

    def _end(self) -> Any:
        if self.was_left:
            raise ReplayExhausted(
                f"The tool {self.tool} was left after {len(self.given)} items in the recording, and is asked for more."
            )
        return self.result()


def _restored(span: Span, scope: Scope, *, is_stepped: bool) -> _Answer:
    """Return what a recorded tool gave.

    Raises:
        NotRestorable: If that cannot be given again, or is not known well enough.
    """
    told = functools.partial(_told, span)
    kind = told(semconv.AGENTTRACE_TOOL_RESULT_TYPE)
    if kind == "live_only":
        raise NotRestorable(told(semconv.AGENTTRACE_TOOL_LIVE_ONLY) or "it is marked live-only")
    if (kind == "items") != is_stepped and kind != "error":
        raise NotRestorable("it was recorded as a generator, or is one now")
    value = told(semconv.AGENTTRACE_TOOL_RESULT_VALUE) or ""
    if kind in ("items", "error"):
        return _restored_run(span, value, scope)
    if span.is_error:
        return _restored_error(span, "", scope)
    if kind == "typed":
        return _Answer(read(value, scope))
    result = told(semconv.GEN_AI_TOOL_CALL_RESULT)
    if result is None:
        raise NotRestorable("its result was not recorded")
    return _Answer(_result(result, kind, scope))


def _restored_run(span: Span, value: str, scope: Scope) -> _Answer:
    members = read(value, scope)
    failed = _restored_error(span, members.get("raised", ""), scope) if span.is_error else _Answer()
    return replace(
        failed,
        value=members.get("returned"),
        given=tuple(members.get("items", ())),
        was_left=members.get("left", False),
        tool=_told(span, semconv.GEN_AI_TOOL_NAME) or "",
    )


def _restored_error(span: Span, raised: str, scope: Scope) -> _Answer:
    """Return the recorded error, as a `ToolError` where its class is not at hand."""
    kind = _told(span, semconv.ERROR_TYPE) or "error"
    try:
        error = read(raised, scope) if raised else _native_error(kind, span.status_message)
    except NotRestorable:
        error = None
    if isinstance(error, BaseException):
        return _Answer(error=error)
    return _Answer(error=ToolError(span.status_message, kind=kind), detail=f"{kind} is raised as ToolError")


def _native_error(kind: str, message: str) -> BaseException | None:
    """Return an error of the language that says the same, where only type and text are known."""
    found = getattr(builtins, kind, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return None
    try:
        made = found(message)
    except TypeError:
        return None
    return made if str(made) == message else None


def _result(result: str, kind: str | None, scope: Scope) -> Any:
    """Return the value of a result that is told as text; where its type is not recorded, the tool's annotation tells."""
    if kind == "text":
        return result
    if kind == "json":
        return _parsed(result)
    found = [result] if scope.allows(result) else []
    with suppress(NotRestorable):
        value = _parsed(result)
        found += [value] if scope.allows(value) and not isinstance(value, str) else []
    if len(found) != 1:
        raise NotRestorable(
            "the recording does not say of what type its result is, and the tool's annotation does not tell either"
        )
    return found[0]


def _parsed(text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise NotRestorable(f"what was recorded is no JSON: {error}") from error


def _told(span: Span, name: str) -> str | None:
    value = span.attributes.get(name)
    return value if isinstance(value, str) else None
