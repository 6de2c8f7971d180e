"""Make an answered call live too, and tell its call where the network answers otherwise. The application sees nothing of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from otel_agenttrace.model import Exchange, HttpRequest, RaisedError
from otel_agenttrace.playback.verifying import difference_of, expected_of
from otel_agenttrace_instrumentation.calls import LogicalCall

__all__ = ["verify", "verify_async"]


def verify(call: LogicalCall | None, served: Exchange, request: Any, inner: Any, library: Any) -> None:
    """Send a request that is answered from a recording, and compare what comes; the body is read to its end first.

    Args:
        call: The call it belongs to.
        served: The recorded answer.
        request: The request of the HTTP library.
        inner: The transport that sends it.
        library: httpx or httpx2.
    """
    expected = _expected(call, served)
    if call is None or expected is None:
        return
    try:
        response = inner.handle_request(request)
        try:
            body = response.read()
        finally:
            response.close()
    except (library.RequestError, OSError) as error:
        _compare(call, expected, _failed(request, error))
    else:
        _compare(call, expected, _answered(request, response, body))


async def verify_async(call: LogicalCall | None, served: Exchange, request: Any, inner: Any, library: Any) -> None:
    """Do what `verify` does, on an event loop."""
    expected = _expected(call, served)
    if call is None or expected is None:
        return
    try:
        response = await inner.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
    except (library.RequestError, OSError) as error:
        _compare(call, expected, _failed(request, error))
    else:
        _compare(call, expected, _answered(request, response, body))


def _expected(call: LogicalCall | None, served: Exchange) -> Exchange | None:
    if call is None or call.claim is None or call.session is None or not call.session.plan.verify:
        return None
    return expected_of(call.claim.attempts, served)


def _compare(call: LogicalCall, expected: Exchange, live: Exchange) -> None:
    if call.session is None:
        return
    redactor = call.redactor_of(call.session)
    shown = replace(live, body=redactor.redact_bytes(live.body, ())[0])
    difference = difference_of(replace(expected, request=live.request), shown)
    if difference is not None:
        call.differs_live(redactor.redact_text(difference))


def _failed(request: Any, error: Exception) -> Exchange:
    return _exchange(request, error=RaisedError(type(error).__name__, str(error), "other"))


def _answered(request: Any, response: Any, body: bytes) -> Exchange:
    return _exchange(request, response.status_code, response.headers.multi_items(), body)


def _exchange(
    request: Any,
    status: int | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    error: RaisedError | None = None,
) -> Exchange:
    url = request.url
    asked = HttpRequest(request.method, f"{url.scheme}://{url.netloc.decode()}", url.raw_path.decode())
    now_ns = time.time_ns()
    end = "complete" if status is not None else "noresponse"
    return Exchange(asked, now_ns, now_ns, end, status, tuple(headers), body, error=error)
