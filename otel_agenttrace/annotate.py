"""Spans that only the user's own code knows: agents, steps, retrievals, calls made by unknown means, decisions."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, cast, overload

from opentelemetry import trace as otel_trace

from otel_agenttrace import semconv
from otel_agenttrace.errors import ToolFault, error_type
from otel_agenttrace.in_force import current_session
from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.model import AttributeValue, Message, SpanKind, Usage
from otel_agenttrace.sessions import Session
from otel_agenttrace.spans import LiveSpan, active_span, attached, open_span, telemetry
from otel_agenttrace.stepping import Listener, Steps, stepped, stepped_async
from otel_agenttrace.wire.telling import message_json
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.content import emit_details, export_content
from otel_agenttrace_instrumentation.redacting import settle_rules

__all__ = ["OpenSpan", "Ran", "Role", "agent", "decision", "decorator", "inference", "retrieval", "span", "text_of"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _current() -> Session | None:
    return observe(current_session, raises=False)


class OpenSpan:
    """An open span of user code; give it attributes, a result or documents before its block ends."""

    def __init__(self, live: LiveSpan, owner: Session | None) -> None:
        self.live = live
        self.session = owner
        self._told: dict[str, str] = {}

    @property
    def span_id(self) -> str:
        """The id of the span, in lower-case hex."""
        return self.live.head.span_id

    def set(self, **attributes: AttributeValue) -> None:
        """Set attributes; `__` in a name stands for a dot."""
        self.live.set({name.replace("__", "."): value for name, value in attributes.items()})

    def documents(self, documents: Sequence[Mapping[str, Json]]) -> None:
        """Tell what a retrieval found: `{"id": …, "score": …, "content": …}` for each document."""
        self.tell({semconv.GEN_AI_RETRIEVAL_DOCUMENTS: list(documents)})

    def respond(
        self,
        text: str | None = None,
        *,
        usage: Usage | None = None,
        model: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's own name
        finish_reason: str | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Tell what a model answered."""
        if text is not None:
            messages = (*messages, Message("assistant", ({"type": "text", "content": text},)))
        used = usage or Usage()
        self.live.set(
            {
                semconv.GEN_AI_RESPONSE_ID: id,
                semconv.GEN_AI_RESPONSE_MODEL: model,
                semconv.GEN_AI_RESPONSE_FINISH_REASONS: (finish_reason,) if finish_reason else None,
                semconv.GEN_AI_USAGE_INPUT_TOKENS: used.input_tokens,
                semconv.GEN_AI_USAGE_OUTPUT_TOKENS: used.output_tokens,
                semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: used.cache_read_input_tokens,
                semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: used.cache_write_input_tokens,
                semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: used.reasoning_output_tokens,
                semconv.AGENTTRACE_USAGE_CACHE_WRITE_1H_INPUT_TOKENS: used.cache_write_1h_input_tokens,
            }
        )
        if messages:
            self.tell({semconv.GEN_AI_OUTPUT_MESSAGES: [message_json(message) for message in messages]})

    def tell(self, content: Mapping[str, object]) -> None:
        """Put content into the cassette, and on the exported span if the content switch says so."""
        observe(lambda: self._tell(content))

    def _tell(self, content: Mapping[str, object]) -> None:
        written = {name: text_of(value) for name, value in content.items()}
        self._told.update(written)
        self.live.content.update(written)
        export_content(self.live, written)

    def struck(self, lane: str) -> ToolFault | None:
        """Return what a fault of the run makes this tool fail with, and tell that it does."""
        session = self.session
        if session is None or not session.faults:
            return None
        begun = replace(self.live.finished(self.live.head.start_ns), end_ns=None)
        fault = next(iter(session.faults.of(begun, lane)), None)
        if fault is None:
            return None
        session.tally.note_fault(fault)
        self.live.set({semconv.AGENTTRACE_FAULT: fault.name})
        return ToolFault(fault.message, fault.text)

    def end(self, error: BaseException | None = None, end_ns: int | None = None) -> None:
        """End the span, as failed if there is an error."""
        if error is not None:
            observe(lambda: self.live.fail(error_type(error), str(error)))
        observe(lambda: emit_details(self.live, self._told))
        observe(lambda: self.live.end(self.session, end_ns))


def text_of(value: object) -> str:
    """Return a value as it is stored: text as it is, anything else as JSON in which foreign objects are their `repr`."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_repr)
    except (TypeError, ValueError, RecursionError):  # keys that JSON has not, a circle, too deep
        return repr(value)


def _repr(value: object) -> str:
    """Return the `repr` of an object; that of a set in an order that is the same in every process."""
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(repr, cast('set[object]', value))))}}}"
    return repr(value)


def _open(name: str, attributes: Mapping[str, AttributeValue], kind: SpanKind = "INTERNAL") -> OpenSpan:
    settle_rules()
    return OpenSpan(open_span(name, attributes, kind=kind), _current())


@contextmanager
def _opened(name: str, attributes: Mapping[str, AttributeValue], kind: SpanKind = "INTERNAL") -> Generator[OpenSpan]:
    opened = _open(name, attributes, kind)
    try:
        with attached(opened.live):
            yield opened
    except BaseException as error:
        opened.end(error)
        raise
    opened.end()


def span(name: str, **attributes: AttributeValue) -> Any:
    """Open a span around a block: `with at.span("plan"): …`; `__` in an attribute's name stands for a dot."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return _opened(name, {**named, semconv.AGENTTRACE_NODE_NAME: name})


def retrieval(
    query: str,
    *,
    data_source: str | None = None,
    top_k: int | None = None,
    documents: Sequence[Mapping[str, Json]] = (),
) -> Any:
    """Open a retrieval span: `with at.retrieval("query") as found: found.documents([…])`."""
    name = f"{semconv.OPERATION_RETRIEVAL} {data_source}" if data_source else semconv.OPERATION_RETRIEVAL
    attributes: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_RETRIEVAL,
        semconv.GEN_AI_DATA_SOURCE_ID: data_source,
        semconv.GEN_AI_RETRIEVAL_TOP_K: top_k,
    }
    return _with_content(
        _opened(name, attributes, "CLIENT"),
        {semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: query, semconv.GEN_AI_RETRIEVAL_DOCUMENTS: list(documents)},
    )


def inference(
    model: str, *, provider: str, operation: str = semconv.OPERATION_CHAT, messages: Sequence[Message] = ()
) -> Any:
    """Open a span for a call made by means we do not know: `with at.inference("m", provider="p") as call: call.respond("…")`."""
    attributes: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: operation,
        semconv.GEN_AI_PROVIDER_NAME: provider,
        semconv.GEN_AI_REQUEST_MODEL: model,
    }
    return _with_content(
        _opened(f"{operation} {model}", attributes, "CLIENT"),
        {semconv.GEN_AI_INPUT_MESSAGES: [message_json(message) for message in messages]},
    )


@contextmanager
def _with_content(opened: Any, content: Mapping[str, object]) -> Generator[OpenSpan]:
    with opened as context:
        context.tell({name: value for name, value in content.items() if value})
        yield context


def decision(choice: str, reason: str = "", alternatives: Sequence[str] = ()) -> None:
    """Note on the current span what was chosen, why, and over what."""
    attributes: dict[str, AttributeValue] = {
        semconv.AGENTTRACE_DECISION_CHOICE: choice,
        semconv.AGENTTRACE_DECISION_REASON: reason,
        semconv.AGENTTRACE_DECISION_ALTERNATIVES: tuple(alternatives),
    }
    live = active_span()
    if live is not None:
        live.add_event(semconv.EVENT_AGENTTRACE_DECISION, attributes)
    else:
        settle_rules()
        otel_trace.get_current_span().add_event(semconv.EVENT_AGENTTRACE_DECISION, telemetry.exported(attributes))


# --- decorators -----------------------------------------------------------------------------------------------------------


class Ran(Listener):
    """One run of a decorated function: its span, and what of the run is told."""

    def __init__(self, span: OpenSpan) -> None:
        self.span = span

    def answer(self) -> Callable[[], Any] | None:
        """Return what gives the result in the place of the function, or None to run the function."""
        return None

    def items(self, *, is_async: bool) -> Any:
        """Return a generator to run in the place of the function's, or None to run that one."""
        _ = is_async
        return None

    def ended(self, error: BaseException | None = None, end_ns: int | None = None) -> None:
        """End the span, as failed if there is an error; the time is given of a generator that was left early."""
        self.span.end(error, end_ns)


class Role:
    """What a decorated function is: how its span is named, and what of its runs is told."""

    def __init__(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        self.name = name
        self.attributes = attributes

    def begin(self, bound: Mapping[str, object]) -> Ran:
        """Open the span of one run, given the function's arguments by name."""
        _ = bound
        return Ran(self.open())

    def open(self) -> OpenSpan:
        """Open a span of this role."""
        return _open(self.name, self.attributes)


@overload
def agent(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def agent(name: str | None = None, /) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def agent(function: Any = None, /) -> Any:
    """Decorate an agent's entry function, sync, async or a generator: `@at.agent` or `@at.agent("researcher")`."""

    def role(named: str, _: Callable[..., Any]) -> Role:
        attributes = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT,
            semconv.GEN_AI_AGENT_NAME: named,
        }
        return Role(f"{semconv.OPERATION_INVOKE_AGENT} {named}", attributes)

    return decorator(function, role)


def decorator(given: Any, role: Callable[[str, Callable[..., Any]], Role]) -> Any:
    """Return the decorated function, or the decorator if a name or nothing is given; `role` takes name and function."""

    def decorate(function: Any) -> Any:
        if isinstance(function, staticmethod | classmethod):
            bound = cast("Any", function)
            return bound.__class__(decorate(bound.__func__))
        return _traced(function, role(name or getattr(function, "__name__", "call"), function))

    name = given if isinstance(given, str) else None
    return decorate if given is None or name is not None else decorate(given)


def _traced(function: Callable[..., Any], role: Role) -> Callable[..., Any]:
    try:
        bind = inspect.signature(function).bind
    except ValueError:  # a builtin tells nothing of its parameters
        bind = None

    def begun(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Ran:
        try:
            bound: Mapping[str, object] = bind(*args, **kwargs).arguments if bind is not None else {}
        except TypeError:  # the call itself will say what is wrong
            bound = {}
        return role.begin({name: value for name, value in bound.items() if name not in ("self", "cls")})

    def begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Steps:
        ran = begun(args, kwargs)
        instead = _items(ran, is_async=inspect.isasyncgenfunction(function))
        return Steps(functools.partial(attached, ran.span.live), ran.ended, ran, instead)

    if inspect.isasyncgenfunction(function):
        return stepped_async(function, begin)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with _running(begun(args, kwargs)) as ran:
                answer = ran.answer()
                if answer is not None:
                    return answer()
                result = await cast("Awaitable[Any]", function(*args, **kwargs))
                ran.returned(result)
                return result

        return run_async
    if inspect.isgeneratorfunction(function):
        return stepped(function, begin)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _running(begun(args, kwargs)) as ran:
            answer = ran.answer()
            if answer is not None:
                return answer()
            result = function(*args, **kwargs)
            ran.returned(result)
            return result

    return run


def _items(ran: Ran, *, is_async: bool) -> Any:
    try:
        with attached(ran.span.live):
            return ran.items(is_async=is_async)
    except BaseException as error:
        ran.ended(error)
        raise


@contextmanager
def _running(ran: Ran) -> Generator[Ran]:
    try:
        with attached(ran.span.live):
            yield ran
    except BaseException as error:
        ran.ended(error)
        raise
    ran.ended()
