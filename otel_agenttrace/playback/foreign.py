"""Answer calls from a trace that others exported: what a span tells of a call, written again in the API that is asked.

Such an answer is always drift: nothing of it was received, all of it is put together.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.index import Entry, Line
from otel_agenttrace.dialects.failures import Failure
from otel_agenttrace.dialects.grading import Inference, inferences
from otel_agenttrace.dialects.told import Told
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.differing import Difference, first_difference, similarity
from otel_agenttrace.errors import NotEncodable, ReplayExhausted, ReplayMiss
from otel_agenttrace.jsonvalue import Json, JsonObject, canonical, compact, obj, parse
from otel_agenttrace.matching import Requested, digested
from otel_agenttrace.model import Chunk, Exchange, HttpRequest, InferenceRequest, InferenceResponse, Span, Trace, Usage
from otel_agenttrace.playback.meaning import (
    Agreement,
    Asked,
    agreement,
    asked_of,
    form_of,
    is_self_contained,
    media_told_as_addresses,
    recorded_facts,
    tells_ids,
    without_media,
)
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import event_bytes

__all__ = ["ForeignPlayer"]

_NEAREST_OF: Final = 200
"""How many calls a miss is compared with."""

_SHOWN: Final = 3
"""How many spans that cannot answer a miss names."""

_COUNTED_ON_DEMAND: Final = frozenset({"openai.chat", "openai.completions"})
"""APIs whose streams tell tokens only where `stream_options.include_usage` asks for them."""


@dataclass(slots=True)
class _Recorded:
    """An inference of the trace: what it was asked, in the form to compare, and whether it has answered."""

    entry: Entry
    inference: Inference
    told: Told
    form: JsonObject

    @property
    def is_claimed(self) -> bool:
        return self.entry.claimed


class ForeignPlayer:
    """Hands out the answers of a foreign trace, each once in a run, in order of their start. Thread-safe.

    `take` says whether no other process of the run has taken the answer of this name, and takes it. `redact` is what
    requests went through before they are compared.
    """

    def __init__(
        self,
        path: Path,
        spans: Sequence[Span],
        take: Callable[[str], bool] = lambda _: True,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.path = path
        self._take = take
        self._redact = redact
        self._spans = tuple(spans)
        self._given_back: set[str] = set()
        graded = inferences(spans)
        self._recorded = [
            _Recorded(_entry(number, each), each, each.told, _form(each.told.request))
            for number, each in enumerate(graded, 1)
            if each.told is not None
        ]
        self._of_form: dict[str, dict[int, _Recorded]] = {}
        for recorded in self._recorded:
            if recorded.told.request.input_messages:
                for form in (recorded.form, without_media(recorded.form)):
                    self._of_form.setdefault(self._text(form), {})[recorded.entry.ticket] = recorded
        self._facts = {scope: recorded_facts(told) for scope, told in _by_scope(self._recorded)}
        self._lock = threading.Lock()

    @property
    def is_any(self) -> bool:
        """Whether the trace tells of a call to a model at all."""
        return bool(self._recorded)

    def _text(self, form: JsonObject) -> str:
        return self._redact(digested(canonical(form)))

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.Lock()

    # --- answering ------------------------------------------------------------------------------------------------------

    def claim(self, requested: Requested, lane: str) -> Claim | None:
        """Return the answer to a request, put together anew, or None if there is none left."""
        found = _asked(requested.request)
        if found is None:
            return None
        codec, asked = found
        with self._lock:
            for recorded, how in self._same(asked):
                if recorded.is_claimed:
                    continue
                recorded.entry.claimed = True
                if not self._take(_place(recorded.entry)):
                    continue
                exchange = _exchange(recorded, requested.request, codec, asked)
                if isinstance(exchange, str):
                    return None
                return Claim(recorded.entry, "drift", (exchange,), _detail(recorded, how, asked, codec))
        return None

    def _same(self, asked: Asked) -> Iterator[tuple[_Recorded, Agreement]]:
        if not is_self_contained(asked.body):
            return
        yield from list(self._agreeing(asked, _forms(asked))) or self._by_address(asked)

    def _agreeing(self, asked: Asked, forms: Iterable[JsonObject]) -> Iterator[tuple[_Recorded, Agreement]]:
        found: dict[int, _Recorded] = {}
        for form in forms:
            found |= self._of_form.get(canonical(form), {})
        for _, recorded in sorted(found.items()):
            how = agreement(asked, recorded.told, self._facts[recorded.inference.span.scope])
            if how is not None:
                yield recorded, how

    def _by_address(self, asked: Asked) -> Iterator[tuple[_Recorded, Agreement]]:
        """Yield the calls that were asked the same, but that they tell an address where the request holds an image or file.

        None, if they tell different ones: each of them may be the one that is meant.
        """
        found = self._told_as_addresses(asked)
        for recorded, how, addresses in found:
            if all(addresses == others for _, _, others in found):
                unseen = (f"what is at {place}, told as an address" for place in addresses)
                yield recorded, replace(how, unrecorded=(*how.unrecorded, *unseen))

    def _told_as_addresses(self, asked: Asked) -> list[tuple[_Recorded, Agreement, Mapping[str, str]]]:
        forms = _forms(asked)
        alike = self._agreeing(asked, map(without_media, forms))
        told = ((recorded, how, media_told_as_addresses(forms[0], recorded.form)) for recorded, how in alike)
        return [(recorded, how, addresses) for recorded, how, addresses in told if addresses]

    def mark_played(self, places: Set[str]) -> None:
        """Take note that other processes of the run have served these answers."""
        for recorded in self._recorded:
            if _place(recorded.entry) in places - self._given_back:
                recorded.entry.claimed = True

    def recorded_request(self, claim: Claim, attempt: int) -> HttpRequest:
        """Return what an attempt was asked, counted from 0: a foreign trace does not tell attempts apart."""
        return claim.attempts[attempt].request

    def unplayed(self) -> tuple[Entry, ...]:
        """Return the calls of the trace that could have answered, and that nobody asked for."""
        return tuple(
            recorded.entry
            for recorded in self._recorded
            if not recorded.is_claimed and recorded.inference.grade == "reconstructable"
        )

    def give_back(self, claim: Claim) -> None:
        """Let the answer of a claim count as not asked for; it stays taken, for the run has gone past it."""
        claim.entry.claimed = False
        self._given_back.add(_place(claim.entry))

    def trace(self) -> Trace:
        """Return what selectors choose from."""
        return Trace(translated(self._spans))

    # --- misses -----------------------------------------------------------------------------------------------------------

    def miss(self, requested: Requested, site: str) -> ReplayMiss:
        """Return the error that says why a request has no answer and what to do."""
        found = _asked(requested.request)
        if found is None:
            return self._missed(requested, site, "A foreign trace answers calls to a model only, and this is none.")
        codec, asked = found
        if not is_self_contained(asked.body):
            return self._missed(
                requested, site, "This call refers to content that the provider keeps: no trace tells it."
            )
        same = [recorded for recorded, _ in self._same(asked)]
        for recorded in same:
            why = _exchange(recorded, requested.request, codec, asked)
            if isinstance(why, str):
                number = recorded.entry.line.number
                told = f"Call {number} of the trace was asked the same, but it cannot answer: {why}."
                return self._missed(requested, site, told, nearest=recorded)
        if same:
            times = "once" if len(same) == 1 else f"{len(same)} times"
            return self._missed(
                requested,
                site,
                f"The trace has this call {times}, and it was asked for once more.",
                kind=ReplayExhausted,
            )
        return self._several(requested, site, asked) or self._unlike(requested, site, asked)

    def why_not(self, requested: Requested) -> str:
        """Return in one line why the trace does not answer a request."""
        return str(self.miss(requested, "")).partition("\n")[0]

    def nearest(self, requested: Requested) -> Entry | None:
        """Return the call of the trace that a request is most like."""
        span_id = self.miss(requested, "").nearest
        return next((each.entry for each in self._recorded if each.entry.span_id == span_id), None)

    def knows_another(self, requested: Requested) -> bool:
        """Whether the trace has calls to the same place, but none like this one: it does not tell places."""
        _ = requested
        return False

    def _several(self, requested: Requested, site: str, asked: Asked) -> ReplayMiss | None:
        numbers = [str(recorded.entry.line.number) for recorded, _, _ in self._told_as_addresses(asked)]
        if not numbers:
            return None
        told = f"Calls {' and '.join(numbers)} of the trace were asked the same, each with another address of what is held here"
        return self._missed(requested, site, f"{told}: which is meant cannot be told.")

    def _unlike(self, requested: Requested, site: str, asked: Asked) -> ReplayMiss:
        here = HttpRequest("", "", "", canonical(_shown(asked.request)))
        known = [each for each in self._recorded if each.told.request.input_messages][:_NEAREST_OF]
        near = max(known, key=lambda each: (similarity(_comparable(each), here), not each.is_claimed), default=None)
        difference = first_difference(_comparable(near), here) if near is not None else None
        return self._missed(
            requested, site, "No call of the trace was asked this.", nearest=near, difference=difference, others=True
        )

    def _missed(
        self,
        requested: Requested,
        site: str,
        told: str,
        *,
        nearest: _Recorded | None = None,
        difference: Difference | None = None,
        others: bool = False,
        kind: type[ReplayMiss] = ReplayMiss,
    ) -> ReplayMiss:
        lines = [told, f"  at       {site}", f"  trace    {self.path}"]
        if nearest is not None:
            where = f", differs at {difference.pointer}" if difference is not None else ""
            lines.append(f"  nearest  call {nearest.entry.line.number}, span {nearest.entry.span_id}{where}")
        if difference is not None:
            lines += [f"  recorded {difference.recorded}", f"  asked    {difference.asked}"]
        if others:
            lines += self._unable()
        path = shlex.quote(str(self.path))
        lines.append(
            f"  to fix   look: otel-agenttrace grade {path}, or record: otel-agenttrace record run.otlp.jsonl -- …"
        )
        return kind(
            "\n".join(lines),
            request=requested.request.body,
            nearest=nearest.entry.span_id if nearest is not None else None,
            first_difference=difference.pointer if difference is not None else None,
        )

    def _unable(self) -> Iterator[str]:
        unable = [each for each in self._recorded if each.inference.grade != "reconstructable"]
        for each in unable[:_SHOWN]:
            yield f"  refused  call {each.entry.line.number} is {_why(each)}"
        if len(unable) > _SHOWN:
            yield f"           and {len(unable) - _SHOWN} more"


def _forms(asked: Asked) -> Sequence[JsonObject]:
    return form_of(asked.request), form_of(asked.request, has_ids=False)


def _form(request: InferenceRequest) -> JsonObject:
    return form_of(request, has_ids=tells_ids(request))


def _entry(number: int, inference: Inference) -> Entry:
    span = inference.span
    line = Line(number, number, 0)
    return Entry(line, f"foreign:{span.span_id}", number, "", "", span.start_ns, span.span_id, span.trace_id, None)


def _place(entry: Entry) -> str:
    return f"{entry.line.number:016x}"


def _by_scope(recorded: Sequence[_Recorded]) -> Iterator[tuple[str, list[Told]]]:
    for scope in {each.inference.span.scope for each in recorded}:
        yield scope, [each.told for each in recorded if each.inference.span.scope == scope]


def _asked(request: HttpRequest) -> tuple[Codec, Asked] | None:
    found = route(request.method, request.url)
    if found is None or found.codec.encode_response is None:
        return None
    try:
        body = obj(parse(request.body or "null"))
    except ValueError:
        return None
    return (found.codec, asked_of(found.codec, body)) if body else None


def _shown(request: InferenceRequest) -> JsonObject:
    """Return what a miss compares: all that is said, the model, the names of tools."""
    tools: list[Json] = [tool.get("name") for tool in request.tool_definitions]
    parameters = {name: value for name, value in request.parameters.items() if name != semconv.OPENAI_API_TYPE}
    plain: dict[str, Json] = {name: value for name, value in parameters.items() if isinstance(value, str | int | float)}
    return {**form_of(request), "model": request.model, "tools": tools, "parameters": plain}


def _comparable(recorded: _Recorded) -> HttpRequest:
    return HttpRequest("", "", "", canonical(_shown(recorded.told.request)))


def _why(recorded: _Recorded) -> str:
    return f"{recorded.inference.grade}: {'; '.join(recorded.inference.reasons)}"


# --- the answer -----------------------------------------------------------------------------------------------------------


def _exchange(recorded: _Recorded, request: HttpRequest, codec: Codec, asked: Asked) -> Exchange | str:
    """Return the answer of a call in the API that is asked, or why there is none."""
    if recorded.inference.grade != "reconstructable":
        return _why(recorded)
    span, failure = recorded.inference.span, recorded.inference.failure
    end_ns = span.end_ns or span.start_ns
    whole = Exchange(request, span.start_ns, end_ns, "complete", 200, _headers("application/json"))
    if failure is not None:
        headers = (*whole.headers, ("x-should-retry", "false"))  # the span tells the end of all attempts
        body = _error_body(codec, failure)
        return replace(whole, status=failure.status, headers=headers, body=compact(body).encode())
    response = _completed(recorded, asked)
    try:
        if not asked.request.stream:
            assert codec.encode_response is not None
            return replace(whole, body=compact(codec.encode_response(response)).encode())
        if codec.encode_stream is None:
            return f"{codec.name} has no stream"
        pieces = [event_bytes([event]) for event in codec.encode_stream(_streamed(response, codec, asked))]
    except NotEncodable as error:
        return str(error)
    chunks = tuple(Chunk(0, len(piece)) for piece in pieces)
    headers = _headers("text/event-stream; charset=utf-8")
    return replace(whole, headers=headers, body=b"".join(pieces), chunks=chunks)


def _headers(kind: str) -> tuple[tuple[str, str], ...]:
    return (("content-type", kind),)


def _completed(recorded: _Recorded, asked: Asked) -> InferenceResponse:
    """Return the response with what every answer has: an id of its own, a model, why each choice ended."""
    response = recorded.told.response
    messages = tuple(
        message
        if message.finish_reason or len(response.finish_reasons) == len(response.output_messages)
        else replace(message, finish_reason=_reason(recorded.told))
        for message in response.output_messages
    )
    return replace(
        response,
        id=response.id or f"agenttrace-{recorded.entry.span_id}",
        model=response.model or asked.request.model,
        output_messages=messages,
    )


def _reason(told: Told) -> str:
    parts = (part for message in told.response.output_messages for part in message.parts)
    return "tool_calls" if any(part.get("type") == "tool_call" for part in parts) else "stop"


def _streamed(response: InferenceResponse, codec: Codec, asked: Asked) -> InferenceResponse:
    """Return what a stream tells: some count tokens only where that was asked for."""
    counts = obj(asked.body.get("stream_options")).get("include_usage") is True
    return replace(response, usage=Usage()) if codec.name in _COUNTED_ON_DEMAND and not counts else response


def _error_body(codec: Codec, failure: Failure) -> JsonObject:
    if failure.body is not None:
        return failure.body
    assert codec.encode_response is not None
    body = codec.encode_response(InferenceResponse(error_type=failure.kind))
    return {**body, "error": {**obj(body["error"]), "message": failure.message}}


def _detail(recorded: _Recorded, how: Agreement, asked: Asked, codec: Codec) -> str:
    dialect = recorded.told.dialect
    article = "an" if dialect[0] in "aeiou" else "a"
    told = [f"reconstructed from {article} {dialect} span: matched by {', '.join(how.matched)}"]
    unrecorded = how.unrecorded if tells_ids(recorded.told.request) else (*how.unrecorded, "ids of tool calls")
    if unrecorded:
        told.append(f"not recorded: {', '.join(unrecorded)}")
    told += recorded.inference.reasons
    reasons = recorded.told.response.finish_reasons
    if "stop" in reasons and codec.name.startswith("anthropic") and "stop_sequences" in asked.body:
        told.append("finish reason told as 'stop': end_turn and stop_sequence cannot be told apart")
    return "; ".join(told)
