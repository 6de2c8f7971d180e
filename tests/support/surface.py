"""A surface: one way to use an SDK, as one scenario that runs with the sync and with the async client.

A scenario is an async function of a client and of eyes. With a sync client nothing in it ever waits, so it runs
without an event loop, in the thread and context of the caller, as sync code does.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import anthropic
import openai

from tests.support.clients import http_libraries
from tests.support.observed import Eyes, Observed
from tests.support.provider import Provider

__all__ = [
    "Clients",
    "Scenario",
    "Surface",
    "deprecated_calls",
    "each",
    "opened",
    "run_scenario",
    "settled",
    "surfaces",
    "taken",
]

_T = TypeVar("_T")

Scenario: TypeAlias = Callable[[Any, Eyes], Coroutine[Any, Any, None]]


class Clients(Protocol):
    """Makes the client of a scenario."""

    def __call__(self, provider: Provider, *, is_async: bool) -> Any:
        """Return a client for the provider."""
        ...


@dataclass(frozen=True, slots=True)
class Surface:
    """One way to use an SDK.

    `prepare` makes what has to be there before recording starts, and returns what is recorded. `logical_calls` counts
    the calls a user makes, retries not among them; `inferences` how many of them ask a model for text or embeddings.
    `expect` fails if a live run did not do what it should. `lacks` tells why the installed SDK cannot run it.
    """

    name: str
    prepare: Callable[[Provider], Callable[[], Observed]]
    expect: Callable[[Observed], None]
    logical_calls: int = 1
    inferences: int = 1
    lacks: Callable[[], str] = str

    def run(self, provider: Provider) -> Observed:
        """Return what a caller sees."""
        return self.prepare(provider)()


def surfaces(
    name: str,
    clients: Clients,
    scenario: Scenario,
    expect: Callable[[Observed], None],
    *,
    calls: int = 1,
    inferences: int | None = None,
    needs: str = "",
    kinds: Sequence[str] = ("sync", "async"),
    is_built_before: bool = False,
) -> tuple[Surface, ...]:
    """Return a scenario as a surface of each kind of client.

    Args:
        name: What it is called in the table.
        clients: Makes the client.
        scenario: What is done with it.
        expect: Fails if a live run did not do what it should.
        calls: How many logical calls it makes.
        inferences: How many of them are inferences; all, if not given.
        needs: What older SDKs may not have: attributes of the client, `responses.stream`, or of an SDK, `openai.types.…`.
        kinds: `sync`, `async` or both.
        is_built_before: Whether the client is made before recording starts.
    """
    counted = calls if inferences is None else inferences

    def surface(kind: str) -> Surface:
        is_async = kind == "async"
        prepare = _prepared(clients, scenario, is_async=is_async, is_built_before=is_built_before)
        lacks = _Lack(clients, needs, is_async=is_async)
        return Surface(f"{name} {kind}", prepare, expect, calls, counted, lacks)

    return tuple(surface(kind) for kind in kinds)


@dataclass(frozen=True, slots=True)
class _Lack:
    """Tells what the installed SDK does not have."""

    clients: Clients
    needs: str
    is_async: bool

    def __call__(self) -> str:
        client = _closed_client(self.clients, self.is_async)
        return client if isinstance(client, str) else _first_missing(client, self.needs)


@cache
def _closed_client(clients: Clients, is_async: bool) -> Any:
    """Return a client to look at, or why there is none."""

    async def made() -> Any:
        provider = Provider()
        provider.stop()
        client = clients(provider, is_async=is_async)
        await settled(client.close())
        return client

    try:
        return asyncio.run(made()) if is_async else _sync_result(made())
    except (AttributeError, StopIteration, RuntimeError, TypeError) as error:  # no such class, or it wants another one
        return f"no such client: {error}"


_MODULES: Final = {"openai": openai, "anthropic": anthropic}


def _first_missing(client: object, needs: str) -> str:
    first, *names = needs.split(".") if needs else [""]
    at: object = _MODULES.get(first) or getattr(client, first, None) if first else client
    for name in names:
        at = getattr(at, name, None)
    return "" if at is not None else f"{type(client).__name__} has no {needs}"


# --- running --------------------------------------------------------------------------------------------------------

_SHOWN_ERRORS: Final[tuple[type[BaseException], ...]] = (
    openai.OpenAIError,
    anthropic.AnthropicError,
    *(library.HTTPError for library in http_libraries()),
    TimeoutError,
    asyncio.TimeoutError,
    asyncio.CancelledError,
    json.JSONDecodeError,
)
"""What a surface may end with; anything else is a fault of the surface, and is raised."""


def _prepared(
    clients: Clients, scenario: Scenario, *, is_async: bool, is_built_before: bool
) -> Callable[[Provider], Callable[[], Observed]]:
    def prepare(provider: Provider) -> Callable[[], Observed]:
        built = clients(provider, is_async=is_async) if is_built_before else None
        return lambda: run_scenario(lambda: built or clients(provider, is_async=is_async), scenario, is_async=is_async)

    return prepare


def run_scenario(make_client: Callable[[], Any], scenario: Scenario, *, is_async: bool) -> Observed:
    """Return what a scenario shows, run with a client that is closed afterwards."""
    running = _observed(make_client, scenario)
    return asyncio.run(running) if is_async else _sync_result(running)


async def _observed(make_client: Callable[[], Any], scenario: Scenario) -> Observed:
    see = Eyes()
    client = make_client()
    try:
        await scenario(client, see)
        return see.observed()
    except _SHOWN_ERRORS as error:
        return see.observed(error)
    finally:
        await settled(client.close())


def _sync_result(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    coroutine.close()
    raise AssertionError("a sync surface has waited for something")


# --- what scenarios are written with --------------------------------------------------------------------------------


async def settled(value: Any) -> Any:
    """Return a value, awaited where it has to be."""
    return await value if inspect.isawaitable(value) else value


async def each(values: Any) -> AsyncIterator[Any]:
    """Yield from a sync or async iterable."""
    if hasattr(values, "__aiter__"):
        async for value in values:
            yield value
    else:
        for value in values:
            yield value


async def taken(values: Any, count: int) -> list[Any]:
    """Return the first few of a sync or async iterable."""
    if hasattr(values, "__aiter__"):
        iterator = aiter(values)
        return [await anext(iterator) for _ in range(count)]
    iterator = iter(values)
    return [next(iterator) for _ in range(count)]


@asynccontextmanager
async def opened(manager: Any) -> AsyncGenerator[Any, None]:
    """Enter a sync or async context manager."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


@contextmanager
def deprecated_calls() -> Generator[None, None, None]:
    """Let a block call what the SDK warns about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
