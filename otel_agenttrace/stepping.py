"""Run the steps of a generator each in a context of ours, which is never held over a `yield`."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from otel_agenttrace.spans import end_later

__all__ = ["Begin", "Listener", "Steps", "stepped", "stepped_async"]


class Listener:
    """Hears what a generator gives and is given, step by step. This one makes nothing of it."""

    def gave(self, item: object) -> None:
        """Take note of an item."""

    def heard(self) -> None:
        """Take note that something was sent or thrown into the generator."""

    def returned(self, value: object) -> None:
        """Take note of the value that the generator returned."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What stands around each step of a generator, and what is told of its end.

    `ended` takes the exception that ended it, if one did, and the time if it is over; it is called once. Of a generator
    that is left early it hears later: it may have been left to the garbage collector, and a finaliser may write nothing.
    `instead` is a generator that is run in the place of the function's, which then never begins.
    """

    around: Callable[[], AbstractContextManager[Any]]
    ended: Callable[[BaseException | None, int | None], object]
    listener: Listener = field(default_factory=Listener)
    instead: Any = None

    def left(self, error: BaseException | None = None) -> None:
        """Take note of a generator that was closed."""
        end_later(functools.partial(self.ended, error, time.time_ns()))


Begin = Callable[[tuple[Any, ...], Mapping[str, Any]], Steps]
"""Begins a run of a generator function, given its arguments: at the first step, not before."""


def stepped(function: Callable[..., Generator[Any, Any, Any]], begin: Begin) -> Callable[..., Generator[Any, Any, Any]]:
    """Return the generator function with each of its steps in the context that `begin` gives."""

    @functools.wraps(function)
    def run_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        steps = begin(args, kwargs)
        inner = steps.instead or inner
        step: Callable[[], Any] = functools.partial(next, inner)
        while True:
            try:
                with steps.around():
                    item = step()
            except StopIteration as stopped:
                steps.listener.returned(stopped.value)
                steps.ended(None, None)
                return stopped.value
            except BaseException as error:
                steps.ended(error, None)
                raise
            steps.listener.gave(item)
            try:
                sent = yield item
                if sent is not None:
                    steps.listener.heard()
                step = functools.partial(inner.send, sent)
            except GeneratorExit:
                _close(inner, steps)
                raise
            except BaseException as error:  # noqa: BLE001 - thrown on into the generator, which decides
                steps.listener.heard()
                step = functools.partial(inner.throw, error)

    return run_generator


def _close(inner: Generator[Any, Any, Any], steps: Steps) -> None:
    try:
        with steps.around():
            inner.close()
    except BaseException as error:
        steps.left(error)
        raise
    steps.left()


def stepped_async(
    function: Callable[..., AsyncGenerator[Any, Any]], begin: Begin
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return the async generator function with each of its steps in the context that `begin` gives."""

    @functools.wraps(function)
    async def run_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        steps = begin(args, kwargs)
        inner = steps.instead or inner
        step: Callable[[], Awaitable[Any]] = inner.__anext__
        while True:
            try:
                with steps.around():
                    item = await step()
            except StopAsyncIteration:
                steps.ended(None, None)
                return
            except BaseException as error:
                steps.ended(error, None)
                raise
            steps.listener.gave(item)
            try:
                sent = yield item
                if sent is not None:
                    steps.listener.heard()
                step = functools.partial(inner.asend, sent)
            except GeneratorExit:
                await _aclose(inner, steps)
                raise
            except BaseException as error:  # noqa: BLE001 - thrown on into the generator, which decides
                if not isinstance(error, asyncio.CancelledError):  # the loop ends, and nobody has said anything
                    steps.listener.heard()
                step = functools.partial(inner.athrow, error)

    return run_async_generator


async def _aclose(inner: AsyncGenerator[Any, Any], steps: Steps) -> None:
    try:
        with steps.around():
            await inner.aclose()
    except BaseException as error:
        steps.left(error)
        raise
    steps.left()
