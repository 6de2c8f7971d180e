"""Ask a model for a verdict by a client of its provider: recorded, replayed and paid like any call of it. Material in, JSON out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import JsonObject, obj, parse
from otel_agenttrace.scoring import VERDICT, Judge

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI

__all__ = ["anthropic_judge", "judge_of", "openai_judge"]

_TOOL: Final = "verdict"
_MOST_TOKENS: Final = 1024
_MOST_TOKENS_OF_A_METRIC: Final = 8192
"""It may list each claim of an answer."""


def openai_judge(client: OpenAI, model: str) -> Judge:
    """Return a judge that OpenAI's chat completions answer for, or any server that speaks that API."""
    from openai import OpenAIError

    create: Any = client.chat.completions.create

    def judge(instructions: str, material: str, schema: JsonObject = VERDICT, /) -> JsonObject:
        told = {"name": _TOOL, "schema": schema, "strict": schema is VERDICT}
        asked: dict[str, Any] = {"model": model, "response_format": {"type": "json_schema", "json_schema": told}}
        said: Any = [{"role": "system", "content": instructions}, {"role": "user", "content": material}]
        try:
            answered = create(messages=said, **asked)
        except OpenAIError as error:
            raise _unanswered(model, error) from error
        return _verdict(answered.choices[0].message.content or "")

    return judge


def _verdict(said: str) -> JsonObject:
    try:
        return obj(parse(said))
    except ValueError:
        return {}


def _unanswered(model: str, error: Exception | str) -> ConfigError:
    return ConfigError(f"The judge {model} does not answer: {error}\n  to fix   see its key, its address and its name")


def anthropic_judge(client: Anthropic, model: str) -> Judge:
    """Return a judge that Anthropic's messages answer for: the verdict is the input of a tool that must be called."""
    from anthropic import AnthropicError

    choice = {"type": "tool", "name": _TOOL}
    asked: dict[str, Any] = {"model": model, "tool_choice": choice}
    create: Any = client.messages.create

    def judge(instructions: str, material: str, schema: JsonObject = VERDICT, /) -> JsonObject:
        tool = {"name": _TOOL, "description": "Tells the verdict.", "input_schema": schema}
        most = _MOST_TOKENS if schema is VERDICT else _MOST_TOKENS_OF_A_METRIC
        said: Any = [{"role": "user", "content": material}]
        try:
            answered = create(system=instructions, messages=said, tools=[tool], max_tokens=most, **asked)
        except AnthropicError as error:
            raise _unanswered(model, error) from error
        blocks: list[Any] = [block.input for block in answered.content if block.type == "tool_use"]
        return obj(blocks[0]) if blocks else {}

    return judge


def judge_of(provider: Literal["openai", "anthropic"], model: str) -> Judge:
    """Return a judge by the client of a provider, which reads its key and address from the environment.

    Raises:
        ConfigError: If its SDK is not installed, or there is no key.
    """
    try:
        return _openai(model) if provider == "openai" else _anthropic(model)
    except ImportError as error:
        raise ConfigError(
            f"The judge cannot be asked: {error}.\n  to fix   pip install 'otel-agenttrace[{provider}]'"
        ) from error


def _openai(model: str) -> Judge:
    from openai import OpenAI, OpenAIError

    try:
        return openai_judge(OpenAI(), model)
    except OpenAIError as error:
        raise _unanswered(model, error) from error


def _anthropic(model: str) -> Judge:
    from anthropic import Anthropic

    client = Anthropic()
    if client.api_key is None and client.auth_token is None:
        raise _unanswered(model, "ANTHROPIC_API_KEY is not set")
    return anthropic_judge(client, model)
