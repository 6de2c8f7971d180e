"""The surfaces of the OpenAI SDK for chat and legacy completions."""

from __future__ import annotations

from typing import Any, Final

from tests.support.observed import Eyes, Observed
from tests.support.openai_requests import CHAT, TOOL_PARAMETERS, Report, ask, faulty, openai_surfaces
from tests.support.scenarios import (
    answers_differ,
    creating,
    helping,
    raw,
    raw_streaming,
    shows,
    streamed_response,
    streaming,
    twice,
)
from tests.support.surface import Surface, settled

__all__ = ["CHAT_SURFACES"]

_CHAT_TOOL: Final = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": TOOL_PARAMETERS}}
_REPORT_SCHEMA: Final = {"name": "Report", "strict": True, "schema": Report.model_json_schema()}


async def _chat_with_tools(client: Any, see: Eyes) -> None:
    request = ask("Lisbon", tools=[_CHAT_TOOL])
    first = await settled(client.chat.completions.create(**request))
    see(first)
    message = first.choices[0].message
    request["messages"].append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        request["messages"].append({"role": "tool", "tool_call_id": call.id, "content": f"sunny ({call.id})"})
    see(await settled(client.chat.completions.create(**request)))


def _has_headers(seen: Observed) -> None:
    shows("ChatCompletion", "echo", "hello", "x-request-id", "req_oai_0001", "x-ratelimit-remaining-tokens")(seen)
    assert "set-cookie" not in str(seen.results)
    assert "org-fake" not in str(seen.results)


_HAIKU: Final = ask("haiku", max_tokens=9)
CHAT_SURFACES: Final[tuple[Surface, ...]] = (
    *openai_surfaces(
        "chat.create",
        scenario=creating(CHAT, **ask()),
        expect=shows("ChatCompletion", "echo 1: hello", "🦊", "x_router"),
    ),
    *openai_surfaces(
        "chat.create, the same twice", scenario=twice(CHAT, **ask()), expect=answers_differ("ChatCompletion"), calls=2
    ),
    *openai_surfaces(
        "chat.create, choices and logprobs",
        scenario=creating(CHAT, **ask(n=3, logprobs=True, temperature=0.5, seed=7)),
        expect=shows("ChatCompletion", "(choice 2)", "logprob", "-0.125"),
    ),
    *openai_surfaces(
        "chat.create, tools",
        scenario=_chat_with_tools,
        expect=shows("ChatCompletion", "weather", "Lisbon", "sunny (call_0000010)", least=2),
        calls=2,
    ),
    *openai_surfaces(
        "chat.create, structured",
        scenario=creating(CHAT, **ask(response_format={"type": "json_schema", "json_schema": _REPORT_SCHEMA})),
        expect=shows("ChatCompletion", '"number": 1'),
    ),
    *openai_surfaces(
        "chat.create, unknown arguments",
        scenario=creating(
            CHAT, **ask(extra_body={"top_k": 4}, extra_query={"trial": "1"}, extra_headers={"x-mine": "1"})
        ),
        expect=shows("ChatCompletion", "hello"),
    ),
    *openai_surfaces(
        "chat stream", scenario=streaming(CHAT, **ask()), expect=shows("ChatCompletionChunk", "echo", "🦊", least=8)
    ),
    *openai_surfaces(
        "chat stream, usage and choices",
        scenario=streaming(CHAT, **ask(n=2, stream_options={"include_usage": True}, logprobs=True)),
        expect=shows("ChatCompletionChunk", "prompt_tokens", "cached_tokens", "logprob", least=16),
    ),
    *openai_surfaces(
        "chat stream, tools",
        scenario=streaming(CHAT, **ask("Lisbon", tools=[_CHAT_TOOL])),
        expect=shows("ChatCompletionChunk", "weather", "tool_calls", least=5),
    ),
    *openai_surfaces(
        "chat stream, first chunk late",
        scenario=streaming(CHAT, **faulty("late")),
        expect=shows("ChatCompletionChunk", "hello", least=8),
    ),
    *openai_surfaces(
        "chat.stream()",
        scenario=helping("chat.completions.stream", "get_final_completion", **ask()),
        expect=shows("ParsedChatCompletion", "echo 1: hello", "🦊"),
        needs="chat.completions.stream",
    ),
    *openai_surfaces(
        "chat.stream(), parsed",
        scenario=helping("chat.completions.stream", "get_final_completion", **ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_requests.Report", "echo 1: hello"),
        needs="chat.completions.stream",
    ),
    *openai_surfaces(
        "beta chat.stream()",
        scenario=helping("beta.chat.completions.stream", "get_final_completion", **ask("Lisbon", tools=[_CHAT_TOOL])),
        expect=shows("ParsedChatCompletion", "weather", "tool_calls"),
        needs="beta.chat.completions.stream",
    ),
    *openai_surfaces(
        "chat.parse()",
        scenario=creating("chat.completions.parse", **ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_requests.Report", "echo 1: hello"),
        needs="chat.completions.parse",
    ),
    *openai_surfaces(
        "beta chat.parse()",
        scenario=creating("beta.chat.completions.parse", **ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_requests.Report", "echo 1: hello"),
        needs="beta.chat.completions.parse",
    ),
    *openai_surfaces("chat with_raw_response", scenario=raw(CHAT, **ask()), expect=_has_headers),
    *openai_surfaces(
        "chat with_raw_response, stream",
        scenario=raw_streaming(CHAT, **ask()),
        expect=shows("ChatCompletionChunk", "echo", "x-request-id", least=8),
    ),
    *(
        surface
        for reader, kind, least in (
            ("read", "bytes", 1),
            ("text", "str", 1),
            ("json", "dict", 1),
            ("parse", "ChatCompletion", 1),
            ("iter_lines", "str", 1),
            ("iter_bytes", "bytes", 1),
        )
        for surface in openai_surfaces(
            f"chat with_streaming_response, {reader}",
            scenario=streamed_response(CHAT, reader, **ask()),
            expect=shows(kind, "hello", least=least),
        )
    ),
    *openai_surfaces(
        "chat with_streaming_response, lines of a stream",
        scenario=streamed_response(CHAT, "iter_lines", **ask(stream=True)),
        expect=shows("str", "data: [DONE]", "echo", least=16),
    ),
    *openai_surfaces(
        "chat with_streaming_response, bytes of a stream",
        scenario=streamed_response(CHAT, "iter_bytes", **ask(stream=True)),
        expect=shows("bytes", "data: [DONE]", "echo", least=9),
    ),
    *openai_surfaces(
        "chat with_streaming_response, parsed stream",
        scenario=streamed_response(CHAT, "parse", **ask(stream=True)),
        expect=shows("ChatCompletionChunk", "echo", least=8),
    ),
    *openai_surfaces(
        "completions",
        scenario=creating("completions.create", model="gpt-3.5-turbo-instruct", prompt="hello"),
        expect=shows("Completion", "echo 1: hello"),
    ),
    *openai_surfaces(
        "completions stream",
        scenario=streaming("completions.create", model="gpt-3.5-turbo-instruct", prompt="hello"),
        expect=shows("Completion", "echo", "🦊", least=7),
    ),
)
