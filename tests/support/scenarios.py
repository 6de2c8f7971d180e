"""What is done with a client, in the forms both SDKs share, and what a live run of it must have shown."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from tests.support.observed import Eyes, Observed
from tests.support.surface import Scenario, each, opened, settled, taken

__all__ = [
    "Expect",
    "abandoning",
    "answers_differ",
    "breaks",
    "cancelling",
    "cancelling_inside",
    "closing_early",
    "creating",
    "fails",
    "gathering",
    "helping",
    "listing",
    "raw",
    "raw_streaming",
    "reading_lazily",
    "shows",
    "streamed_response",
    "streaming",
    "twice",
]

Expect: TypeAlias = Callable[[Observed], None]
_CANCEL_AFTER_S = 0.1


def _call(client: Any, path: str, request: Mapping[str, Any]) -> Any:
    """Call the method at the end of a path: `chat.completions.create`."""
    at = client
    for name in path.split("."):
        at = getattr(at, name)
    return at(**request)


# --- scenarios ------------------------------------------------------------------------------------------------------


def creating(path: str, **request: Any) -> Scenario:
    """Return a scenario that calls a method and shows what it returns."""

    async def scenario(client: Any, see: Eyes) -> None:
        see(await settled(_call(client, path, request)))

    return scenario


def listing(path: str, **request: Any) -> Scenario:
    """Return a scenario that shows a page, then every entry of all pages."""

    async def scenario(client: Any, see: Eyes) -> None:
        page = await settled(_call(client, path, request))
        see(page)
        async for entry in each(page):
            see(entry)

    return scenario


def twice(path: str, **request: Any) -> Scenario:
    """Return a scenario that makes the same call two times."""

    async def scenario(client: Any, see: Eyes) -> None:
        see(await settled(_call(client, path, request)))
        see(await settled(_call(client, path, request)))

    return scenario


def streaming(path: str, **request: Any) -> Scenario:
    """Return a scenario that reads a stream to its end."""

    async def scenario(client: Any, see: Eyes) -> None:
        stream = await settled(_call(client, path, {**request, "stream": True}))
        see(stream)
        async for event in each(stream):
            see(event)

    return scenario


def helping(path: str, final: str, **request: Any) -> Scenario:
    """Return a scenario that reads the events of a stream helper, and asks it for its final result."""

    async def scenario(client: Any, see: Eyes) -> None:
        async with opened(_call(client, path, request)) as stream:
            async for event in each(stream):
                see(event)
            see(await settled(getattr(stream, final)()))

    return scenario


def raw(path: str, **request: Any) -> Scenario:
    """Return a scenario that asks for the raw response, and parses it."""

    async def scenario(client: Any, see: Eyes) -> None:
        response = await settled(_call(client, _with(path, "with_raw_response"), request))
        see(response)
        see(await settled(response.parse()))

    return scenario


def raw_streaming(path: str, **request: Any) -> Scenario:
    """Return a scenario that asks for the raw response of a stream, and reads the stream."""

    async def scenario(client: Any, see: Eyes) -> None:
        response = await settled(_call(client, _with(path, "with_raw_response"), {**request, "stream": True}))
        see(response)
        stream = await settled(response.parse())
        async for event in each(stream):
            see(event)

    return scenario


def streamed_response(path: str, reader: str, **request: Any) -> Scenario:
    """Return a scenario that reads a streaming response by one of its readers: `iter_lines`, `parse`, `read` …"""

    async def scenario(client: Any, see: Eyes) -> None:
        async with opened(_call(client, _with(path, "with_streaming_response"), request)) as response:
            see(response)
            read = await settled(getattr(response, reader)())
            if reader.startswith("iter_") or request.get("stream"):
                async for piece in each(read):
                    see(piece)
            else:
                see(read)

    return scenario


def _with(path: str, view: str) -> str:
    resource, _, method = path.rpartition(".")
    return f"{resource}.{view}.{method}"


def closing_early(path: str, count: int, **request: Any) -> Scenario:
    """Return a scenario that reads the first events of a stream, then closes it."""

    async def scenario(client: Any, see: Eyes) -> None:
        stream = await settled(_call(client, path, {**request, "stream": True}))
        see(await taken(stream, count))
        await settled(stream.close())
        see("closed")

    return scenario


def abandoning(path: str, count: int, **request: Any) -> Scenario:
    """Return a scenario that reads the first events of a stream, then forgets it; the garbage collector finds it."""

    async def scenario(client: Any, see: Eyes) -> None:
        stream = await settled(_call(client, path, {**request, "stream": True}))
        see(await taken(stream, count))
        del stream
        gc.collect()
        see("abandoned")

    return scenario


def reading_lazily(path: str, **request: Any) -> Scenario:
    """Return a scenario that opens a stream, makes another call, and only then reads."""

    async def scenario(client: Any, see: Eyes) -> None:
        stream = await settled(_call(client, path, {**request, "stream": True}))
        see(await settled(_call(client, path, request)))
        async for event in each(stream):
            see(event)

    return scenario


def cancelling(path: str, **request: Any) -> Scenario:
    """Return a scenario for async clients whose task is cancelled before the response comes."""

    async def scenario(client: Any, see: Eyes) -> None:
        await asyncio.wait_for(_call(client, path, request), _CANCEL_AFTER_S)

    return scenario


def cancelling_inside(path: str, count: int, **request: Any) -> Scenario:
    """Return a scenario for async clients whose task is cancelled while it waits for more of a stream."""

    async def scenario(client: Any, see: Eyes) -> None:
        stream = await _call(client, path, {**request, "stream": True})
        events = aiter(stream)
        see([await anext(events) for _ in range(count)])
        await asyncio.wait_for(_read_all(events), _CANCEL_AFTER_S)

    return scenario


async def _read_all(events: Any) -> None:
    async for _ in events:
        pass


def gathering(path: str, requests: list[Mapping[str, Any]]) -> Scenario:
    """Return a scenario for async clients that makes several calls at once."""

    async def scenario(client: Any, see: Eyes) -> None:
        for result in await asyncio.gather(*(_call(client, path, request) for request in requests)):
            see(result)

    return scenario


# --- expectations ---------------------------------------------------------------------------------------------------


def shows(kind: str, *words: str, least: int = 1) -> Expect:
    """Return an expectation: no error, results of a class, as many as said or more, and these words in all together."""

    def expect(seen: Observed) -> None:
        assert seen.error is None, seen.error
        kinds = [_kind_of(result) for result in seen.results]
        assert sum(name == kind for name in kinds) >= least, kinds
        told = str(seen.results)
        assert all(word in told for word in words), f"{words} in {told}"

    return expect


def _kind_of(result: object) -> str:
    """Return the bare name of the class of a result."""
    named = type(result).__name__
    if isinstance(result, Mapping):
        named = str(cast("Mapping[str, object]", result).get("class", named))
    return named.partition("[")[0].rpartition(".")[2]


def fails(kind: str, *words: str, status: int | None = None, cause: str = "", after: int = 0) -> Expect:
    """Return an expectation: an error of a class, with a status or a cause, and so many results before it."""

    def expect(seen: Observed) -> None:
        assert seen.error is not None, seen.results
        assert seen.error["class"].endswith(f".{kind}"), seen.error
        assert seen.error.get("error_status_code") == status, seen.error
        assert cause in str(seen.error["cause"]), seen.error
        assert len(seen.results) >= after, seen.results
        assert all(word in str(seen.error) for word in words), seen.error

    return expect


def breaks(kind: str) -> Expect:
    """Return an expectation: a stream that breaks; some SDKs wrap the HTTP client's error, some let it out."""

    def expect(seen: Observed) -> None:
        assert seen.error is not None, seen.results
        assert kind in f"{seen.error['class']} {seen.error['cause']}", seen.error

    return expect


def answers_differ(kind: str) -> Expect:
    """Return an expectation: two results of a class that are not the same."""
    two = shows(kind, "echo", "hello", least=2)

    def expect(seen: Observed) -> None:
        two(seen)
        first, second = seen.results
        assert first["dump"]["id"] != second["dump"]["id"]

    return expect
