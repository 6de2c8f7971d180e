"""What goes wrong on purpose. Texts of faults and the calls of a run in, bad answers and broken bodies out. Pure.

A text is `SELECTOR KIND [NAME=VALUE …]`, as in `inference[2] 429 retry-after=2 times=1`; see docs/faults.md.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, compact
from otel_agenttrace.model import Exchange, HttpRequest, RaisedError, Span
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.selectors import Selector, Subject, parse_selector
from otel_agenttrace.wire.sse import EVENT_END

__all__ = ["Fault", "FaultKind", "Faults", "Spoiler", "parse_fault", "read_timeout", "replacement", "spoiler_of"]

FaultKind: TypeAlias = Literal["status", "timeout", "reset", "refused", "malformed", "cut", "slow", "tool-error"]
Phase: TypeAlias = Literal["connect", "read", "pool"]

_REPLACING: Final = frozenset({"status", "timeout", "reset", "refused"})
_SPOILING: Final = frozenset({"malformed", "cut"})
_TIMES_OUT: Final[Mapping[Phase, str]] = {"connect": "ConnectTimeout", "read": "ReadTimeout", "pool": "PoolTimeout"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong, and the calls that do.

    Attributes:
        text: The fault as it was given.
        name: Its kind as it stands on a span: `429`, `timeout=connect`, `cut=3`.
        selector: Which calls, or tools, it strikes.
        kind: What happens.
        status: HTTP status of an answer.
        retry_after: What its header `retry-after` says, in seconds or as a date.
        phase: What takes too long.
        pieces: After how many events or chunks a body is cut.
        delay_s: How long the first piece of a body takes, in seconds.
        message: What a tool fails with.
        times: How many attempts of a call it strikes, the first ones; None for all.
        rate: The probability with which it strikes a call.
    """

    text: str
    name: str
    selector: Selector
    kind: FaultKind
    status: int = 0
    retry_after: str = ""
    phase: Phase = "read"
    pieces: int = 0
    delay_s: float = 0.0
    message: str = ""
    times: int | None = None
    rate: float = 1.0

    @property
    def is_replacing(self) -> bool:
        """Whether it stands in the place of an answer; else it changes the body of one."""
        return self.kind in _REPLACING

    @property
    def is_spoiling(self) -> bool:
        """Whether an answer it strikes is of no use: whoever asks again is to get it whole."""
        return self.kind in _SPOILING

    def strikes(self, attempt: int) -> bool:
        """Whether it strikes an attempt of a call, counted from 0."""
        return self.times is None or attempt < self.times


# --- texts --------------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"'])+""")
_KIND: Final = re.compile(
    r"(?P<status>\d{3})|(?P<name>timeout|reset|refused|malformed|cut|slow|tool-error)(?:=(?P<value>.*))?"
)
_DURATION: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)(?P<unit>ms|s|)")
_FORM: Final = "SELECTOR KIND [NAME=VALUE …], as in 'inference[2] 429 retry-after=2 times=1'"
_KINDS: Final = "a status (429, 503 …), timeout, reset, refused, malformed, cut=3, slow=2s or tool-error"
_VALUED: Final = frozenset({"timeout", "cut", "slow"})
_OPTIONS: Final[Mapping[FaultKind, str]] = {"status": "retry-after", "tool-error": "message"}


def parse_fault(text: str) -> Fault:
    """Return the fault that a text describes; without a selector, of all calls to a model, or all tools.

    Raises:
        ConfigError: If it names no kind, or a value has no meaning; what is wrong with the selector is told by its parser.
    """
    words = list(_WORD.finditer(text))
    at = next((index for index, word in enumerate(words) if _KIND.fullmatch(word[0])), None)
    if at is None:
        raise _wrong(text, "it names no kind", f"{_FORM}; KIND is {_KINDS}")
    found = cast("re.Match[str]", _KIND.fullmatch(words[at][0]))
    kind: FaultKind = "status" if found["status"] else cast("FaultKind", found["name"])
    if found["value"] is not None and kind not in _VALUED:
        raise _wrong(text, f"{kind} takes no value", f"leave out ={found['value']}")
    chosen = text[: words[at].start()].strip() or ("tool" if kind == "tool-error" else "inference")
    given = _options(text, kind, [word[0] for word in words[at + 1 :]])
    return Fault(
        text=text,
        name=found[0],
        selector=parse_selector(chosen),
        kind=kind,
        status=_status(text, found["status"]) if kind == "status" else 0,
        retry_after=given.get("retry-after", ""),
        phase=_phase(text, found["value"]) if kind == "timeout" else "read",
        pieces=_count(text, "cut", found["value"]) if kind == "cut" else 0,
        delay_s=_seconds(text, found["value"]) if kind == "slow" else 0.0,
        message=given.get("message", "injected fault"),
        times=_count(text, "times", given["times"]) if "times" in given else None,
        rate=_rate(text, given.get("rate", "1")),
    )


def _wrong(text: str, reason: str, cure: str) -> ConfigError:
    return ConfigError(f"{text!r} is no fault: {reason}.\n  to fix   {cure}")


def _options(text: str, kind: FaultKind, words: Sequence[str]) -> dict[str, str]:
    known = [name for name in (_OPTIONS.get(kind), "times", "rate") if name is not None]
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            raise _wrong(text, f"{word!r} says nothing of a {kind} fault", f"{_FORM}; here NAME is {', '.join(known)}")
        given[name] = _unquoted(value)
    return given


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] not in "\"'" or value[-1] != value[0]:
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def _status(text: str, given: str) -> int:
    if not 400 <= int(given) <= 599:
        raise _wrong(text, f"status {given} tells of no error", "a status from 400 to 599")
    return int(given)


def _phase(text: str, given: str | None) -> Phase:
    phase = given or "read"
    if phase not in get_args(Phase):
        raise _wrong(
            text, f"there is no timeout of {phase!r}", "timeout, timeout=connect, timeout=read or timeout=pool"
        )
    return cast("Phase", phase)


def _count(text: str, name: str, given: str | None) -> int:
    if given is None or not re.fullmatch(r"\d{1,18}", given):
        raise _wrong(text, f"{name} needs a number", f"{name}=3")
    return int(given)


def _seconds(text: str, given: str | None) -> float:
    told = _DURATION.fullmatch(given or "")
    if told is None:
        raise _wrong(text, "slow needs a time", "slow=2s or slow=500ms")
    return float(told["number"]) / (1000 if told["unit"] == "ms" else 1)


def _rate(text: str, given: str) -> float:
    try:
        rate = float(given)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise _wrong(text, "rate is a probability", "rate=0.3")
    return rate


# --- which calls --------------------------------------------------------------------------------------------------------


class Faults:
    """The faults of a run: decides once for each call, and each tool, which strike it. Thread-safe.

    The choice of a fault with a rate follows from seed and fault, and from the place of the call among those that were
    begun in its lane: not from the order in which threads of different lanes run.
    """

    def __init__(self, texts: Sequence[str] = (), seed: int = 0) -> None:
        self._faults = tuple(map(parse_fault, texts))
        self._seed = seed
        self._lock = threading.Lock()
        self._begun: Counter[str] = Counter()
        self._kept: dict[str, deque[Claim]] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def of(self, span: Span, lane: str = "") -> tuple[Fault, ...]:
        """Return the faults that strike a call or a tool, in the order they were given.

        Args:
            span: The call or tool as it starts; of a call, `url.full` tells where it goes.
            lane: The path of the span above it, as `LiveSpan.path` has it.
        """
        if not self._faults:
            return ()
        is_tool = span.operation == semconv.OPERATION_EXECUTE_TOOL
        kind = "inference" if span.is_inference else span.operation or "other"
        with self._lock:
            self._begun.update(("all", f"kind {kind}", f"lane {lane}"))
            index, ordinal, place = self._begun[f"kind {kind}"], self._begun["all"], self._begun[f"lane {lane}"]
        above = tuple(name.rpartition("#")[0] or name for name in lane.split("/")[1:])
        subject = Subject(span, index, ordinal, path=(*above, span.name))
        return tuple(
            fault
            for fault in self._faults
            if (fault.kind == "tool-error") == is_tool
            and fault.selector.matches(subject)
            and self._draw(fault, lane, place) < fault.rate
        )

    def _draw(self, fault: Fault, lane: str, place: int) -> float:
        """Return a number from 0 up to 1 that is the same in each run with this seed."""
        told = hashlib.sha256("\0".join((str(self._seed), fault.text, lane, str(place))).encode()).digest()
        return int.from_bytes(told[:7], "big") / 2**56

    def keep(self, key: str, claim: Claim) -> None:
        """Take back a recorded call whose answer a fault has spoiled: whoever asks again for this key gets it."""
        with self._lock:
            self._kept.setdefault(key, deque()).append(claim)

    def kept(self, key: str) -> Claim | None:
        """Return a recorded call that was taken back, once."""
        with self._lock:
            claims = self._kept.get(key)
            return claims.popleft() if claims else None

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.Lock()


# --- in the place of an answer --------------------------------------------------------------------------------------------

_REQUEST_ID: Final = "req_injected_fault"
_RESET: Final = "[Errno 104] Connection reset by peer"
_REFUSED: Final = "[Errno 111] Connection refused"
_REFUSED_ASYNC: Final = "All connection attempts failed"

_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def replacement(fault: Fault, request: HttpRequest, provider: str, *, is_async: bool) -> Exchange:
    """Return what an attempt ends with instead of its answer: an error of the provider, or one of the transport.

    The texts of transport errors are those of httpx over sockets and over asyncio, which differ.
    """
    if fault.kind == "status":
        return _refusal(fault, request, provider)
    if fault.kind == "timeout":
        error = read_timeout(is_async=is_async) if fault.phase == "read" else _timeout(fault.phase, is_async=is_async)
    elif fault.kind == "refused":
        error = _transport_error("ConnectError", _REFUSED_ASYNC if is_async else _REFUSED)
    else:
        error = _transport_error("ReadError", "" if is_async else _RESET)
    return Exchange(request, 0, 0, "noresponse", error=error)


def read_timeout(*, is_async: bool) -> RaisedError:
    """Return the error of a client that has waited too long for data."""
    return _timeout("read", is_async=is_async)


def _timeout(phase: Phase, *, is_async: bool) -> RaisedError:
    return _transport_error(_TIMES_OUT[phase], "" if is_async or phase == "pool" else "timed out")


def _transport_error(name: str, message: str) -> RaisedError:
    return RaisedError(name, message, "httpx", cause=name)


def _refusal(fault: Fault, request: HttpRequest, provider: str) -> Exchange:
    is_anthropic = provider == "anthropic"
    body = _anthropic_error(fault.status) if is_anthropic else _openai_error(fault.status)
    headers = [("content-type", "application/json"), ("request-id" if is_anthropic else "x-request-id", _REQUEST_ID)]
    if fault.retry_after:
        headers.append(("retry-after", fault.retry_after))
    return Exchange(request, 0, 0, "complete", fault.status, tuple(headers), compact(body).encode())


def _anthropic_error(status: int) -> Json:
    kind = _ANTHROPIC_TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": _told(status)}, "request_id": _REQUEST_ID}


def _openai_error(status: int) -> Json:
    kind, code = _OPENAI_TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error", None)
    return {"error": {"message": _told(status), "type": kind, "param": None, "code": code}}


def _told(status: int) -> str:
    return f"Injected fault: status {status}"


# --- in the body of an answer ---------------------------------------------------------------------------------------------


class Spoiler(Protocol):
    """Passes a body on, and spoils it. `has_struck` tells that it did, `error` with what the body breaks from now on."""

    has_struck: bool
    error: RaisedError | None

    def feed(self, chunk: bytes) -> bytes:
        """Return what passes of the next chunk, and of what was held back."""
        ...

    def end(self) -> bytes:
        """Return what is left to pass at the end of the body."""
        ...


def spoiler_of(fault: Fault, *, is_events: bool, length: int | None) -> Spoiler:
    """Return what passes a body on with this fault.

    Args:
        fault: A fault that does not replace the answer.
        is_events: Whether the body is a stream of events.
        length: Its length in bytes where the head of the response told it: then it has no chunks to count.
    """
    if fault.kind == "malformed":
        return _MalformedEvent() if is_events else _MalformedBody()
    if fault.kind == "cut":
        return _CutLength(length) if length is not None else _CutPieces(fault.pieces, is_events=is_events)
    return _Whole()


def _broken(reason: str) -> RaisedError:
    told = f"peer closed connection without sending complete message body ({reason})"
    return _transport_error("RemoteProtocolError", told)


class _Whole:
    """Leaves a body as it is: it is late."""

    error: RaisedError | None = None

    def __init__(self) -> None:
        self.has_struck = True

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""


class _CutPieces:
    """Breaks a chunked body after so many events, or chunks."""

    def __init__(self, pieces: int, *, is_events: bool) -> None:
        self.has_struck = False
        self.error: RaisedError | None = None
        self._left = pieces
        self._is_events = is_events
        self._begun = b""

    def feed(self, chunk: bytes) -> bytes:
        if self._left == 0:
            return self._break(b"")
        if not self._is_events:
            self._left -= 1
            return self._break(chunk) if self._left == 0 else chunk
        return self._counted(chunk)

    def _counted(self, chunk: bytes) -> bytes:
        held, whole = len(self._begun), self._begun + chunk
        ended = 0
        told = len(whole) - whole.endswith(b"\r")  # half of a line end, or a whole one: the next chunk tells
        for end in EVENT_END.finditer(whole, 0, told):
            ended = end.end()
            self._left -= 1
            if self._left == 0:
                return self._break(whole[held:ended])
        self._begun = whole[ended:]
        return chunk

    def _break(self, last: bytes) -> bytes:
        self.has_struck = True
        self.error = _broken("incomplete chunked read")
        return last

    def end(self) -> bytes:
        return b""


class _CutLength:
    """Breaks a body of known length in its middle."""

    def __init__(self, length: int) -> None:
        self.has_struck = False
        self.error: RaisedError | None = None
        self._length = length
        self._left = length // 2

    def feed(self, chunk: bytes) -> bytes:
        passed = chunk[: self._left]
        self._left -= len(passed)
        if self._left == 0:
            self.has_struck = True
            self.error = _broken(f"received {self._length // 2} bytes, expected {self._length}")
        return passed

    def end(self) -> bytes:
        return b""


class _MalformedBody:
    """Ends a body in its middle as if that were its end."""

    error: RaisedError | None = None

    def __init__(self) -> None:
        self.has_struck = False
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        self._held += chunk
        return b""

    def end(self) -> bytes:
        self.has_struck = bool(self._held)
        return self._held[: len(self._held) // 2]


_DATA: Final = re.compile(rb"^(data:[ ]?)([^\r\n]+)", re.MULTILINE)


class _MalformedEvent:
    """Cuts the data of the first event in its middle; the stream goes on."""

    error: RaisedError | None = None

    def __init__(self) -> None:
        self.has_struck = False
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        if self.has_struck:
            return chunk
        self._held += chunk
        data = _DATA.search(self._held)
        if data is None or EVENT_END.search(self._held, data.end()) is None:
            return b""
        self.has_struck = True
        return self._held[: data.start(2) + len(data[2]) // 2] + self._held[data.end() :]

    def end(self) -> bytes:
        return b"" if self.has_struck else self._held
