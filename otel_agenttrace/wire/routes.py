from __future__ import annotations

from dataclasses import dataclass

from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Usage


@dataclass(frozen=True)
class C:
    operation: str = "chat"
    name: str = "c"

    def decode_request(s, b):
        return InferenceRequest(s.operation, b.get("model"), bool(b.get("stream")))

    def decode_response(s, b):
        u = b.get("usage") or {}
        m = [
            Message("assistant", ({"type": "text", "content": str((c.get("message") or {}).get("content"))},))
            for c in b.get("choices") or []
        ]
        return InferenceResponse(
            b.get("id"),
            b.get("model"),
            output_messages=tuple(m),
            usage=Usage(
                u.get("prompt_tokens", u.get("input_tokens")), u.get("completion_tokens", u.get("output_tokens"))
            ),
        )

    def decode_stream(s, ev):
        return s.decode_response(ev[0]) if ev else InferenceResponse()


@dataclass(frozen=True)
class Route:
    provider: str
    codec: C
    api: str = "chat"


def route(m, u):
    if any(x in u for x in ("chat/completions", "/messages", "/responses", "/completions")):
        return Route("anthropic" if "messages" in u else "openai", C())
    if "/embeddings" in u:
        return Route("openai", C("embeddings"))
    if "/v1/" in u:
        return Route("openai", C(""))
    return None
