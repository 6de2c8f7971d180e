"""The shapes that flow: what went over the wire, what it means, and the spans that tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.doubles import Telling, doubled
from otel_agenttrace.jsonvalue import Json

__all__ = [
    "SCOPE",
    "VERSION",
    "Answered",
    "AttributeValue",
    "Call",
    "CallReader",
    "CallSource",
    "Chunk",
    "End",
    "Event",
    "Exchange",
    "HttpRequest",
    "InferenceRequest",
    "InferenceResponse",
    "Link",
    "Message",
    "Outcome",
    "OutcomeKind",
    "Part",
    "RaisedError",
    "RequestPieces",
    "Span",
    "SpanKind",
    "SpanStatus",
    "Trace",
    "Usage",
]

SCOPE: Final = "otel_agenttrace"
"""The instrumentation scope of our own spans, with `VERSION`."""
VERSION: Final = "0.1.0.dev0"

AttributeValue: TypeAlias = (
    "None | bool | int | float | str | bytes | Sequence[AttributeValue] | Mapping[str, AttributeValue]"
)
Part: TypeAlias = "Mapping[str, Json]"
"""One part of a message in the form of the GenAI conventions: `{"type": "text", "content": "…"}`."""

End: TypeAlias = Literal["complete", "closed", "error", "abandoned", "cancelled", "noresponse"]
"""How a body ended: read to its end, closed early by the reader, broken by the network, dropped, cancelled, never begun."""

SpanKind: TypeAlias = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
SpanStatus: TypeAlias = Literal["UNSET", "OK", "ERROR"]
OutcomeKind: TypeAlias = Literal["hit", "drift", "miss", "live"]
Answered: TypeAlias = Literal["call", "tool"]
"""What a replay answers: calls over HTTP, and tools where they are frozen."""


# --- what it means --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning.

    `cache_write_input_tokens` includes what the provider keeps for an hour, which has another price.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    cache_write_1h_input_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cache_read_input_tokens, other.cache_read_input_tokens),
            _sum(self.cache_write_input_tokens, other.cache_write_input_tokens),
            _sum(self.reasoning_output_tokens, other.reasoning_output_tokens),
            _sum(self.cache_write_1h_input_tokens, other.cache_write_1h_input_tokens),
        )

    @property
    def total_tokens(self) -> int | None:
        """Input and output tokens together, or None if neither is known."""
        return _sum(self.input_tokens, self.output_tokens)


def _sum(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return left if right is None else right
    return left + right


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `role` is system, user, assistant, tool or what the provider says."""

    role: str
    parts: tuple[Part, ...] = ()
    name: str | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a request asks of a model. `parameters` are span attributes (`gen_ai.request.*`, `openai.*`)."""

    operation: str
    model: str | None = None
    stream: bool = False
    input_messages: tuple[Message, ...] = ()
    system_instructions: tuple[Part, ...] = ()
    tool_definitions: tuple[Mapping[str, Json], ...] = ()
    parameters: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """What a model answered. `attributes` are further span attributes (`openai.response.*`)."""

    id: str | None = None
    model: str | None = None
    finish_reasons: tuple[str, ...] = ()
    output_messages: tuple[Message, ...] = ()
    usage: Usage = Usage()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])
    error_type: str | None = None


# --- what went over the wire ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it is stored: no headers, no credentials.

    `origin` is scheme, host and port, `target` path and query, `body` the canonical JSON text, redacted.
    """

    method: str
    origin: str
    target: str
    body: str = ""

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.target


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a body: when it came, in nanoseconds since the attempt started, and its size in bytes."""

    offset_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception of the transport: class name, text, where the class is from, and the class of its cause in httpcore."""

    name: str
    message: str
    library: Literal["httpx", "builtins", "other"]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt of a call. `body` is decoded (no gzip) and redacted; `chunks` partition it, empty for one piece."""

    request: HttpRequest
    start_ns: int
    end_ns: int
    end: End
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunks: tuple[Chunk, ...] = ()
    error: RaisedError | None = None

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The body in the chunks it came in."""
        ends = tuple(accumulate(chunk.size for chunk in self.chunks)) or (len(self.body),)
        return tuple(self.body[start:end] for start, end in zip((0, *ends), ends, strict=False) if start < end)


@dataclass(frozen=True, slots=True)
class Call:
    """One logical call: the key it is found by and its attempts in order."""

    key: str
    attempts: tuple[Exchange, ...]
    lane: str = ""
    ticket: int = 0


@dataclass(frozen=True, slots=True)
class RequestPieces:
    """A request in the pieces it is stored by: what the calls of a conversation share stands once.

    Attributes:
        address: The request without its body.
        members: The canonical texts of the members of the body, but the conversation.
        conversation: The name of that member, None where there is none.
        prefix: The digest of the first messages, which another call holds; None where there are none.
        tail: The canonical texts of the messages after them.
        digest: That of all messages, by which calls may refer to them; None where it is not known.
        elements: Reads the texts of all messages; None where that is damaged, if the reader has told that.
    """

    address: HttpRequest
    members: Mapping[str, str]
    conversation: str | None
    prefix: str | None
    tail: tuple[str, ...]
    digest: str | None
    elements: Callable[[], tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class CallGist:
    """What a recorded call adds to the one whose conversation it goes on with, for comparing it with a call of another run.

    Where two digests are the same, so is what they are of, but for ids that a provider draws by lot: these are numbered
    as they come. Where two are not, nothing is said: the same may be written in two ways.

    Attributes:
        asked: A digest of the request without the messages before its own.
        answered: A digest of the answer.
        before: A digest of the messages before, the ids in them as they are; None where there are none.
        count: How many they are.
        earlier: Gives the call that tells these messages; None where that is not known.
    """

    asked: str
    answered: str
    before: str | None
    count: int
    earlier: Callable[[], CallGist | None] = field(compare=False)


class CallSource(Protocol):
    """What recorded calls are read from, each by its place there."""

    def call(self, place: Any, /) -> Call | None:
        """Read all of a call; None where it is damaged, if the source has told that."""
        ...

    def attempts(self, place: Any, /) -> tuple[Exchange, ...]:
        """Read its attempts without the bodies of requests, which is cheaper."""
        ...

    def pieces(self, place: Any, /) -> RequestPieces | None:
        """Read what all attempts asked; None where that is not known in pieces, but in the call."""
        ...

    def names(self, place: Any, /) -> frozenset[str] | None:
        """Return names that stand in the answers; None where they have to be read for that."""
        ...

    def gist(self, place: Any, /) -> CallGist | None:
        """Return what it adds; None where that is not plain to see."""
        ...


@dataclass(frozen=True, slots=True)
class CallReader:
    """Reads a recorded call when it is asked for. A trace holds one for each call: so it is small.

    Attributes:
        source: What the call is read from.
        place: Where it stands there.
        digests: Of what was asked and of what was answered; None where they are not known without reading.
    """

    source: CallSource
    place: Any
    digests: tuple[str, str] | None

    def __call__(self) -> Call | None:
        """Return the call."""
        return self.source.call(self.place)

    def attempts(self) -> tuple[Exchange, ...]:
        """Return its attempts."""
        return self.source.attempts(self.place)

    def pieces(self) -> RequestPieces | None:
        """Return what it asked."""
        return self.source.pieces(self.place)

    def names(self) -> frozenset[str] | None:
        """Return names that stand in its answers."""
        return self.source.names(self.place)

    def gist(self) -> CallGist | None:
        """Return what it adds to the call before it."""
        return self.source.gist(self.place)


# --- spans ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """A timed event on a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to another span; ids are lower-case hex."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])


@dataclass(frozen=True, slots=True)
class Span:
    """One span; ids are lower-case hex. `read_call` gives the recorded exchange of a call, where there is one."""

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int | None = None
    parent_span_id: str | None = None
    kind: SpanKind = "INTERNAL"
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    status: SpanStatus = "UNSET"
    status_message: str = ""
    scope: str = ""
    scope_version: str = ""
    schema_url: str = ""
    resource: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])
    read_call: Callable[[], Call | None] | None = field(default=None, repr=False, compare=False)

    @property
    def call_digests(self) -> tuple[str, str] | None:
        """What this call asked and what it was answered, as digests for comparing, or None where they are not known."""
        return self.read_call.digests if isinstance(self.read_call, CallReader) else None

    @property
    def gist(self) -> CallGist | None:
        """What this call adds to the one before it, for comparing, or None where that is not known."""
        return self.read_call.gist() if isinstance(self.read_call, CallReader) else None

    @property
    def request(self) -> RequestPieces | None:
        """What this call asked, or None where that is not known in pieces, but in `call`."""
        return self.read_call.pieces() if isinstance(self.read_call, CallReader) else None

    @property
    def attempts(self) -> tuple[Exchange, ...]:
        """The recorded attempts of this call; the body of their request may be missing."""
        if isinstance(self.read_call, CallReader):
            return self.read_call.attempts()
        call = self.call
        return call.attempts if call is not None else ()

    @property
    def names_answered(self) -> frozenset[str] | None:
        """Names in the recorded answers: each tool that was asked for is among them. None where they have to be read for that."""
        if semconv.GEN_AI_OUTPUT_MESSAGES in self.attributes:  # these count where no codec knows the answer
            return None
        return self.read_call.names() if isinstance(self.read_call, CallReader) else None

    @property
    def call(self) -> Call | None:
        """The recorded exchanges of this call, or None where none was recorded, or what was is damaged, as was told."""
        return self.read_call() if self.read_call is not None else None

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds from start to end, or None while it is open, and where its source does not tell both or the end comes first."""
        if self.end_ns is None or self.attributes.get(semconv.AGENTTRACE_TIME_UNKNOWN) in ("all", "end"):
            return None
        return self.end_ns - self.start_ns if self.end_ns >= self.start_ns else None

    @property
    def has_time(self) -> bool:
        """Whether it is known when the span began: else its start and end give the order and no more."""
        return self.attributes.get(semconv.AGENTTRACE_TIME_UNKNOWN) not in ("all", "start")

    @property
    def is_error(self) -> bool:
        """Whether the span failed."""
        return self.status == "ERROR"

    @property
    def operation(self) -> str | None:
        """The GenAI operation, or None for any other span."""
        value = self.attributes.get(semconv.GEN_AI_OPERATION_NAME)
        return value if isinstance(value, str) else None

    @property
    def is_inference(self) -> bool:
        """Whether the span is a call to a model."""
        value = self.attributes.get(semconv.GEN_AI_OPERATION_NAME)
        return isinstance(value, str) and value in semconv.INFERENCE_OPERATIONS

    @property
    def telling(self) -> Telling:
        """Which call to a model this span tells."""
        response_id = self.attributes.get(semconv.GEN_AI_RESPONSE_ID)
        return Telling(
            self.trace_id,
            self.span_id,
            self.parent_span_id,
            self.start_ns,
            response_id if isinstance(response_id, str) and response_id else None,
            self.read_call is not None,
            self.has_usage,
            self.operation == semconv.OPERATION_EMBEDDINGS,
        )

    @property
    def usage(self) -> Usage:
        """Tokens as recorded on this span."""
        return Usage(*map(_count, map(self.attributes.get, _TOKENS)))

    @property
    def tokens(self) -> tuple[int | None, int | None]:
        """Tokens of input and output as recorded on this span."""
        told = self.attributes
        return _count(told.get(_TOKENS[0])), _count(told.get(_TOKENS[1]))

    @property
    def has_usage(self) -> bool:
        """Whether it tells tokens of input or output."""
        return self.tokens != (None, None)


_TOKENS: Final = (
    semconv.GEN_AI_USAGE_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    semconv.AGENTTRACE_USAGE_CACHE_WRITE_1H_INPUT_TOKENS,
)
"""Where a span tells its usage, in the order of `Usage`."""


_MOST: Final = 1 << 63
"""The first whole number that OTLP's integers do not hold."""


def _count(value: AttributeValue) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST else None


def _unknown_cost(_: Span) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one run, in order of their start.

    `cost_of` prices one inference span in US dollars, `path` is the cassette they were read from, if they were, and `is_part`
    whether it tells other runs, too.
    """

    spans: tuple[Span, ...] = ()
    cost_of: Callable[[Span], float | None] = field(default=_unknown_cost, repr=False, compare=False)
    path: Path | None = field(default=None, compare=False)
    is_part: bool = field(default=False, compare=False)
    _inferences: list[tuple[Span, ...]] = field(  # found out once, when they are asked for
        default_factory=list["tuple[Span, ...]"], init=False, repr=False, compare=False
    )

    @property
    def inferences(self) -> tuple[Span, ...]:
        """One span for each call to a model, in order of their start.

        Several instrumentations may tell the same call: `doubles` says which of their spans counts.
        """
        if not self._inferences:
            self._inferences.append(_told_once([span for span in self.spans if span.is_inference]))
        return self._inferences[0]

    @property
    def tool_calls(self) -> tuple[Span, ...]:
        """The spans of executed tools."""
        operation, name = semconv.OPERATION_EXECUTE_TOOL, semconv.GEN_AI_OPERATION_NAME
        return tuple([span for span in self.spans if span.attributes.get(name) == operation])

    @property
    def usage(self) -> Usage:
        """Tokens of all inferences together."""
        return reduce(Usage.__add__, (span.usage for span in self.inferences), Usage())

    @property
    def cost(self) -> float | None:
        """US dollars of all inferences that have a price, or None if none has."""
        costs = [cost for span in self.inferences if (cost := self.cost_of(span)) is not None]
        return sum(costs) if costs else None

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds from the first start to the last end, or None if a span has not ended or tells no time, or all ends are before."""
        ends = [span.end_ns for span in self.spans if span.end_ns is not None and span.has_time]
        if not ends or len(ends) < len(self.spans):
            return None
        took = max(ends) - min(span.start_ns for span in self.spans)
        return took if took >= 0 else None

    @property
    def errors(self) -> tuple[Span, ...]:
        """The spans that failed."""
        return tuple(span for span in self.spans if span.is_error)


def _told_once(told: list[Span]) -> tuple[Span, ...]:
    if all(span.read_call is not None for span in told):  # recorded calls count for themselves
        return tuple(told)
    left_out = doubled(span.telling for span in told)
    return tuple(span for place, span in enumerate(told) if place not in left_out)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call, or one frozen tool, was answered, and the recorded span the answer came from."""

    kind: OutcomeKind
    span_id: str | None = None
    recorded_span_id: str | None = None
    key: str = ""
    detail: str = ""
    of: Answered = "call"
