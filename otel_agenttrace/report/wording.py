"""Say what one span did, in a line and in the lines below it. Span in, nodes of text out, for every text about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.tool_calls import arguments_of, executed_tool, shape_of
from otel_agenttrace.jsonvalue import Json, array, canonical
from otel_agenttrace.model import Event, Message, Part, Span
from otel_agenttrace.report.node import Node, block, one_line
from otel_agenttrace.volatile import steady_target, steady_value

__all__ = ["ArgumentsShown", "Wording", "is_agent", "text_of_message"]

ArgumentsShown: TypeAlias = Literal["shape", "values"]
"""What is shown of arguments: their keys and JSON types, or all of them."""

_AGENTS: Final[Mapping[str, tuple[str, str]]] = {
    semconv.OPERATION_INVOKE_AGENT: ("agent", semconv.GEN_AI_AGENT_NAME),
    semconv.OPERATION_CREATE_AGENT: ("create agent", semconv.GEN_AI_AGENT_NAME),
    semconv.OPERATION_INVOKE_WORKFLOW: ("workflow", semconv.GEN_AI_WORKFLOW_NAME),
}
_PARAMETERS: Final[Mapping[str, str]] = {
    semconv.GEN_AI_REQUEST_STREAM: "stream",
    semconv.GEN_AI_REQUEST_TEMPERATURE: "temperature",
    semconv.GEN_AI_REQUEST_TOP_P: "top_p",
    semconv.GEN_AI_REQUEST_TOP_K: "top_k",
    semconv.GEN_AI_REQUEST_MAX_TOKENS: "max_tokens",
    semconv.GEN_AI_REQUEST_SEED: "seed",
    semconv.GEN_AI_REQUEST_STOP_SEQUENCES: "stop",
    semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    semconv.GEN_AI_REQUEST_PRESENCE_PENALTY: "presence_penalty",
    semconv.GEN_AI_REQUEST_CHOICE_COUNT: "choices",
    semconv.GEN_AI_REQUEST_REASONING_LEVEL: "reasoning",
    semconv.GEN_AI_OUTPUT_TYPE: "output",
    semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: "dimensions",
    semconv.GEN_AI_RETRIEVAL_TOP_K: "top_k",
}
"""Parameters that change what comes back, and what they are called here."""


def is_agent(span: Span) -> bool:
    """Whether a span is an agent or a workflow."""
    return span.operation in _AGENTS


@dataclass(frozen=True, slots=True)
class Wording:
    """How spans are told: what is shown of arguments, and whether what changes from run to run has a stand-in."""

    arguments: ArgumentsShown = "shape"
    is_steady: bool = True

    # --- foreign text -----------------------------------------------------------------------------------------------

    def line(self, text: str) -> str:
        """Return foreign text for a line, `?` for none."""
        return one_line(str(self._steady(text))) or "?"

    def lines(self, text: str) -> tuple[Node, ...]:
        """Return foreign text of several lines."""
        return block(str(self._steady(text)))

    def called(self, name: str, arguments: Json) -> str:
        """Return a call: `weather(city: string)`, `weather({"city":"Bern"})`, or `weather(?)` where nothing is recorded."""
        if arguments is None:
            return f"{self.line(name)}(?)"
        told = self._steady(arguments)
        if self.arguments == "values":
            return f"{self.line(name)}({one_line(canonical(told))})"
        members = isinstance(told, dict)
        shape = shape_of(told)
        return f"{self.line(name)}({shape[1:-1] if members else shape})"

    def _steady(self, value: Json) -> Json:
        return steady_value(value) if self.is_steady else value

    # --- spans ------------------------------------------------------------------------------------------------------

    def heading(self, span: Span) -> str:
        """Return the line of a span: `agent advisor`, `chat gpt-4o (temperature=0.5)`, `tool weather(city: string)`."""
        operation = span.operation or ""
        if operation in semconv.INFERENCE_OPERATIONS:
            return self._with_parameters(f"{operation} {self._named(span, semconv.GEN_AI_REQUEST_MODEL) or '?'}", span)
        if operation == semconv.OPERATION_EXECUTE_TOOL:
            tool = executed_tool(span)
            return f"tool {self.called(tool.name, tool.arguments)}"
        if operation == semconv.OPERATION_RETRIEVAL:
            source = self._named(span, semconv.GEN_AI_DATA_SOURCE_ID)
            return self._with_parameters(f"retrieval {source}".rstrip(), span)
        if is_agent(span):
            role, name = _AGENTS[operation]
            return f"{role} {self._named(span, name) or self.line(span.name)}"
        return self._request(span) or f"step {self.line(span.name)}"

    def _named(self, span: Span, attribute: str) -> str:
        value = span.attributes.get(attribute)
        return self.line(value) if isinstance(value, str) else ""

    def _request(self, span: Span) -> str:
        """Return the line of a call that is none to a model, or nothing for a span without one."""
        call = span.call
        if call is None or not call.attempts:
            return ""
        request, status = call.attempts[-1].request, call.attempts[-1].status
        target = steady_target(request) if self.is_steady else request.target
        answered = "" if status is None else f" → {status}"
        return f"call {one_line(f'{request.method} {target}')}{answered}"

    def _with_parameters(self, line: str, span: Span) -> str:
        told = ((label, span.attributes.get(name)) for name, label in _PARAMETERS.items())
        shown = [self._parameter(label, value) for label, value in told if value is not None and value is not False]
        return f"{line} ({', '.join(shown)})" if shown else line

    def _parameter(self, label: str, value: object) -> str:
        if value is True:
            return label
        written = value if isinstance(value, str) else canonical(list(array(value)) or value)
        return f"{label}={self.line(written)}"

    # --- messages ---------------------------------------------------------------------------------------------------

    def asked(self, part: Part) -> str:
        """Return the tool call that a part of a message is."""
        return self.called(str(part.get("name")), arguments_of(part))

    def other(self, part: Part) -> str:
        """Return what kind of content a part is that is neither text nor a call of a tool."""
        told = (part.get("type"), part.get("modality"), part.get("name"))
        return self.line(" ".join(each for each in told if isinstance(each, str)))

    def decision(self, event: Event) -> Node:
        """Return what was decided."""
        return Node(f"decided {self.line(str(event.attributes.get(semconv.AGENTTRACE_DECISION_CHOICE)))}")

    def error(self, span: Span) -> str:
        """Return the type of the error a span ended with."""
        return f"error {self._named(span, semconv.ERROR_TYPE) or '?'}"


def text_of_message(message: Message) -> str:
    """Return the text of a message, what was refused too."""
    told = (part.get("content") for part in message.parts if part.get("type") in ("text", "refusal"))
    return "\n".join(each for each in told if isinstance(each, str) and each)
