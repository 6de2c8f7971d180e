"""The surfaces of the OpenAI SDK for the Responses API."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.observed import Eyes
from tests.support.openai_requests import MODEL, TOOL_PARAMETERS, Report, openai_surfaces
from tests.support.scenarios import creating, helping, raw, shows, streaming
from tests.support.surface import Surface, each, settled

__all__ = ["RESPONSES_SURFACES"]

_RESPONSES_TOOL: Final = {"type": "function", "name": "weather", "strict": True, "parameters": TOOL_PARAMETERS}


async def _in_background(client: Any, see: Eyes) -> None:
    created = await settled(client.responses.create(model=MODEL, input="hello", background=True))
    see(created)
    see(await settled(client.responses.retrieve(created.id)))
    see(await settled(client.responses.retrieve(created.id)))
    see(await settled(client.responses.cancel(created.id)))
    await settled(client.responses.delete(created.id))


async def _responses_with_tools(client: Any, see: Eyes) -> None:
    first = await settled(client.responses.create(model=MODEL, input="Lisbon", tools=[_RESPONSES_TOOL]))
    see(first)
    call = first.output[-1]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": f"sunny ({call.call_id})"}
    follow_up = {"model": MODEL, "previous_response_id": first.id, "input": [result]}
    see(await settled(client.responses.create(**follow_up)))


async def _input_of_response(client: Any, see: Eyes) -> None:
    async for item in each(await settled(client.responses.input_items.list("resp_of_before"))):
        see(item)
    see(await settled(client.responses.input_tokens.count(model=MODEL, input="hello")))


_responses = partial(openai_surfaces, needs="responses")
RESPONSES_SURFACES: Final[tuple[Surface, ...]] = (
    *_responses(
        "responses.create",
        scenario=creating("responses.create", model=MODEL, input="hello", instructions="Be brief."),
        expect=shows("Response", "echo 1: hello", "x_added_later"),
    ),
    *_responses(
        "responses.create, tools",
        scenario=_responses_with_tools,
        expect=shows("Response", "weather", "Lisbon", "sunny (call_0000010)", least=2),
        calls=2,
    ),
    *_responses(
        "responses stream",
        scenario=streaming("responses.create", model=MODEL, input="hello"),
        expect=shows("ResponseTextDeltaEvent", "ResponseCompletedEvent", "🦊", least=7),
    ),
    *_responses(
        "responses stream, tools",
        scenario=streaming("responses.create", model=MODEL, input="Lisbon", tools=[_RESPONSES_TOOL]),
        expect=shows("ResponseFunctionCallArgumentsDeltaEvent", "weather", "Lisbon", least=2),
    ),
    *openai_surfaces(
        "responses.stream()",
        scenario=helping("responses.stream", "get_final_response", model=MODEL, input="hello", text_format=Report),
        expect=shows("ParsedResponse", "openai_requests.Report", "echo 1: hello"),
        needs="responses.stream",
    ),
    *openai_surfaces(
        "responses.parse()",
        scenario=creating("responses.parse", model=MODEL, input="hello", text_format=Report),
        expect=shows("ParsedResponse", "openai_requests.Report", "echo 1: hello"),
        needs="responses.parse",
    ),
    *_responses(
        "responses in the background",
        scenario=_in_background,
        expect=shows("Response", "queued", "in_progress", "the background work of resp_000001", "cancelled", least=4),
        calls=5,
        inferences=1,
        needs="responses.cancel",
    ),
    *openai_surfaces(
        "responses, input items and tokens",
        scenario=_input_of_response,
        expect=shows("InputTokenCountResponse", "the input of resp_of_before"),
        calls=2,
        inferences=0,
        needs="responses.input_tokens",
    ),
    *_responses(
        "responses with_raw_response",
        scenario=raw("responses.create", model=MODEL, input="hello"),
        expect=shows("Response", "echo 1: hello", "x-request-id"),
    ),
)
