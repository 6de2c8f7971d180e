"""What the steps of an agent are told as: the agent, its calls to a model, its tools, what came of it. Facts in, steps out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from otel_agenttrace import semconv
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.jsonvalue import Json, compact, number, text
from otel_agenttrace.model import AttributeValue, Event, InferenceRequest, InferenceResponse, Message, Part
from otel_agenttrace.wire.telling import response_attributes

__all__ = ["Conversation", "Tools", "add_agent", "add_decision", "add_evaluation", "cost_told", "written"]


def add_agent(
    run: Run,
    file_format: str,
    name: str,
    attributes: Mapping[str, AttributeValue],
    parent: int | None = None,
    times: tuple[int | None, int | None] = (None, None),
) -> int:
    """Add the step that all others of an agent stand below."""
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT,
        semconv.GEN_AI_AGENT_NAME: name or None,
        semconv.AGENTTRACE_INGEST_FORMAT: file_format if parent is None else None,
    }
    operation = semconv.OPERATION_INVOKE_AGENT
    return run.add(f"{operation} {name}" if name else operation, parent, {**told, **attributes}, times=times)


def add_evaluation(
    run: Run,
    parent: int,
    name: str,
    score: float | None = None,
    *,
    label: str | None = None,
    time_ns: int | None = None,
) -> None:
    """Add what an evaluation found, as `at.evaluation` does."""
    told: dict[str, AttributeValue] = {semconv.AGENTTRACE_OPERATION: "evaluation"}
    number = run.add(f"evaluation {name}", parent, told, times=(time_ns, None))
    result: dict[str, AttributeValue] = {
        semconv.GEN_AI_EVALUATION_NAME: name,
        semconv.GEN_AI_EVALUATION_SCORE_VALUE: None if score is None else float(score),
        semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
    }
    known = {key: value for key, value in result.items() if value is not None}
    run.happened(number, Event(semconv.EVENT_GEN_AI_EVALUATION_RESULT, 0, known))


def add_decision(
    run: Run, parent: int, choice: str, reason: str, alternatives: Sequence[str] = (), time_ns: int = 0
) -> None:
    """Note on a step what was chosen, and why."""
    told: dict[str, AttributeValue] = {
        semconv.AGENTTRACE_DECISION_CHOICE: choice,
        semconv.AGENTTRACE_DECISION_REASON: reason,
        semconv.AGENTTRACE_DECISION_ALTERNATIVES: tuple(alternatives),
    }
    run.happened(parent, Event(semconv.EVENT_AGENTTRACE_DECISION, time_ns, told))


def cost_told(amount: object) -> Mapping[str, AttributeValue]:
    """Return the cost that a log tells, which its writer has computed; it says 0 for a model that it does not know."""
    dollars = number(amount)
    if not dollars or dollars < 0:
        return {}
    return {
        semconv.AGENTTRACE_COST_AMOUNT: float(dollars),
        semconv.AGENTTRACE_COST_CURRENCY: "USD",
        semconv.AGENTTRACE_COST_SOURCE: "local",
    }


# --- calls to a model -------------------------------------------------------------------------------------------------


def written(message: Message) -> str:
    """Return a message as the JSON of the conventions."""
    return compact({"role": message.role, "parts": [dict(part) for part in message.parts]})


class Conversation:
    """The calls of one conversation. Each is told with the messages that are new in it, and with the call before it.

    Where the messages of the call before and its answer are not how this one begins, it is told with all of them.
    """

    def __init__(self, run: Run, parent: int) -> None:
        self._run = run
        self._parent = parent
        self._last: int | None = None
        self._heard: list[str] = []

    def add_call(
        self,
        messages: Sequence[str],
        response: InferenceResponse,
        request: InferenceRequest | None = None,
        *,
        provider: str | None = None,
        times: tuple[int | None, int | None] = (None, None),
    ) -> int:
        """Add a call, given all its messages as they are written, and return its number."""
        goes_on = self._last is not None and messages[: len(self._heard)] == self._heard
        fresh = messages[len(self._heard) :] if goes_on else messages
        answered = [written(message) for message in response.output_messages]
        model = (request.model if request is not None else None) or response.model
        told: dict[str, AttributeValue] = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_CHAT,
            semconv.GEN_AI_PROVIDER_NAME: provider,
            semconv.GEN_AI_INPUT_MESSAGES: f"[{','.join(fresh)}]",
            semconv.GEN_AI_OUTPUT_MESSAGES: f"[{','.join(answered)}]" if answered else None,
            **(_asked(request) if request is not None else {}),
            **response_attributes(response),
        }
        operation = semconv.OPERATION_CHAT
        name = f"{operation} {model}" if model else operation
        after = self._last if goes_on else None
        self._last = self._run.add(name, self._parent, told, "CLIENT", times, after)
        self._heard = [*messages, *answered]
        return self._last


def _asked(request: InferenceRequest) -> Mapping[str, AttributeValue]:
    tools = [dict(tool) for tool in request.tool_definitions]
    system = [dict(part) for part in request.system_instructions]
    return {
        semconv.GEN_AI_REQUEST_MODEL: request.model,
        semconv.GEN_AI_REQUEST_STREAM: True if request.stream else None,
        semconv.GEN_AI_TOOL_DEFINITIONS: compact(tools) if tools else None,
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS: compact(system) if system else None,
        **request.parameters,
    }


# --- tools ------------------------------------------------------------------------------------------------------------


class Tools:
    """The tools of one run. A call waits for its result, which is found by the id that the model gave it."""

    def __init__(self, run: Run, parent: int) -> None:
        self._run = run
        self._parent = parent
        self._waiting: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def ask(self, messages: Iterable[Message], time_ns: int | None = None) -> list[int]:
        """Add the tools that a model's answer asks for."""
        parts = [part for message in messages for part in message.parts if part.get("type") == "tool_call"]
        return [self._ask(part, time_ns) for part in parts]

    def _ask(self, part: Part, time_ns: int | None) -> int:
        return self.add(text(part.get("name")) or "", part.get("arguments"), text(part.get("id")), time_ns)

    def add(self, name: str, arguments: Json, call_id: str | None = None, time_ns: int | None = None) -> int:
        """Add a tool that was called, and return its number."""
        told: dict[str, AttributeValue] = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
            semconv.GEN_AI_TOOL_NAME: name,
            semconv.GEN_AI_TOOL_CALL_ID: call_id,
            semconv.GEN_AI_TOOL_CALL_ARGUMENTS: _content(arguments),
        }
        operation = semconv.OPERATION_EXECUTE_TOOL
        number = self._run.add(f"{operation} {name}".strip(), self._parent, told, times=(time_ns, None))
        self._run.leave_open(number)
        self._names[number] = name
        if call_id is not None:
            self._waiting[call_id] = number
        return number

    def asked(self, call_id: str | None) -> int | None:
        """Return the number of the call with this id that has no result yet."""
        return None if call_id is None else self._waiting.get(call_id)

    def open_call(self, name: str) -> int | None:
        """Return the first call of a tool that has no result yet."""
        return next((number for number, each in self._names.items() if each == name), None)

    def answer(
        self, number: int, result: Json, end_ns: int | None = None, error: tuple[str, str] | None = None
    ) -> None:
        """Say what a tool gave, or with which error, by its type and text, it failed."""
        self._run.tell(number, {semconv.GEN_AI_TOOL_CALL_RESULT: _content(result)})
        self._run.end(number, end_ns)
        if error is not None:
            self._run.fail(number, *error)
        self._names.pop(number, None)
        call_id = self._run.steps[number].attributes.get(semconv.GEN_AI_TOOL_CALL_ID)
        if isinstance(call_id, str) and self._waiting.get(call_id) == number:
            del self._waiting[call_id]


def _content(value: Json) -> str | None:
    """Return a value as the text that a span holds: a text as it is, anything else as JSON."""
    return value if value is None or isinstance(value, str) else compact(value)
