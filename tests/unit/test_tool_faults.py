"""Tools that a fault makes fail: the body does not run, the exception and the span say why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import otel_agenttrace as at
from otel_agenttrace.errors import ToolFault

_RAN: list[str] = []


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _RAN.clear()


@at.tool
def weather(city: str) -> str:
    _RAN.append(city)
    return "sunny"


@at.tool("weather")
async def weather_later(city: str) -> str:
    _RAN.append(city)
    return "sunny"


@at.tool("weather")
def weathers(city: str) -> Iterator[str]:
    _RAN.append(city)
    yield "sunny"


@at.tool("weather")
async def weathers_later(city: str) -> AsyncIterator[str]:
    _RAN.append(city)
    yield "sunny"


async def _listed(values: AsyncIterator[str]) -> list[str]:
    return [value async for value in values]


_KINDS: dict[str, Any] = {
    "sync": lambda: weather("Zürich"),
    "async": lambda: asyncio.run(weather_later("Zürich")),
    "generator": lambda: list(weathers("Zürich")),
    "async generator": lambda: asyncio.run(_listed(weathers_later("Zürich"))),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_a_tool_fails_as_the_fault_says_and_does_not_run(kind: str) -> None:
    fault = 'tool=weather tool-error message="the station is down"'
    with at.record("c", quiet=True, faults=[fault]) as session, pytest.raises(ToolFault) as raised:
        _KINDS[kind]()
    assert str(raised.value) == "the station is down"
    assert raised.value.fault == fault
    assert isinstance(raised.value, RuntimeError)
    assert _RAN == []
    (span,) = session.trace.tool_calls
    assert span.is_error
    assert span.attributes["error.type"] == "otel_agenttrace.errors.ToolFault"
    assert span.attributes["agenttrace.fault"] == "tool-error"
    assert session.struck == {fault: 1}


def test_only_the_tools_that_are_meant_fail() -> None:
    with at.record("c", quiet=True, faults=["tool[2] tool-error", "path=plan/* tool-error"]):
        assert weather("a") == "sunny"
        with pytest.raises(ToolFault, match="injected fault"):
            weather("b")
        assert weather("c") == "sunny"
        with at.span("plan"), pytest.raises(ToolFault):
            weather("d")
    assert _RAN == ["a", "c"]
