"""The records of a transcript of Claude Code: who says what when, and which tool began which subagent. Records in, facts out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_agenttrace.ingest.interactions import NotReadable, kind_of
from otel_agenttrace.ingest.times import instant_ns
from otel_agenttrace.jsonvalue import Json, JsonObject, array, compact, obj, text

__all__ = ["Begun", "Said", "answers_in_one", "flat", "said_in"]

_SYNTHETIC: Final = "<synthetic>"
_SILENT: Final = frozenset(
    {
        "agent-name",
        "ai-title",
        "api-request",
        "api-request-blob",
        "api-request-shape",
        "atis-latch",
        "attachment",
        "cost-state",
        "custom-title",
        "file-history-snapshot",
        "last-prompt",
        "mode",
        "permission-mode",
        "pr-link",
        "progress",
        "queue-operation",
        "summary",
        "system",
        "tag",
        "tools-used",
    }
)
"""Records of the client that are no part of what was said."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a transcript, or a record of the client in its place.

    Attributes:
        record: What stands in the file.
        message: The message in the form of Anthropic's API; empty for a record of the client.
        agent: The key of the subagent it belongs to, empty for the session itself.
        time_ns: When it was said, None where that is not told.
        tool_times: When each tool that it asks for was asked for.
    """

    record: JsonObject
    message: JsonObject
    agent: str
    time_ns: int | None
    tool_times: tuple[int | None, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nobody says anything."""
        return not self.message

    @property
    def is_answer(self) -> bool:
        """Whether the model says it, or the client in its name."""
        return self.record.get("type") == "assistant"

    @property
    def is_synthetic(self) -> bool:
        """Whether the client says it in the name of the model."""
        return self.message.get("model") == _SYNTHETIC or self.record.get("isApiErrorMessage") is True

    @property
    def is_meta(self) -> bool:
        """Whether the client says it in the name of the user."""
        return self.record.get("isMeta") is True

    @property
    def is_compaction(self) -> bool:
        """Whether the conversation begins anew here, with a summary."""
        return self.record.get("isCompactSummary") is True or self.record.get("subtype") == "compact_boundary"

    @property
    def blocks(self) -> list[JsonObject]:
        """The blocks of the message, none where it is a text."""
        return [obj(block) for block in array(self.message.get("content"))]

    @property
    def uuid(self) -> str:
        """The id of the record."""
        return text(self.record.get("uuid")) or ""

    @property
    def parent(self) -> str:
        """The id of the record that this one follows."""
        return text(self.record.get("parentUuid")) or ""


def said_in(record: JsonObject) -> Iterator[Said]:
    """Yield what a record says, if it is one of the conversation or of the client.

    Raises:
        NotReadable: If it is none of them.
    """
    kind, message = text(record.get("type")), record.get("message")
    time_ns = instant_ns(record.get("timestamp"))
    if kind not in ("user", "assistant"):
        if kind not in _SILENT:
            raise NotReadable(f"a record of an unknown kind: {kind[:40]}" if kind else "no record of a transcript")
        if "uuid" in record:
            yield Said(record, {}, text(record.get("agentId")) or "", time_ns)
        return
    if not isinstance(message, dict):
        raise NotReadable(f"what was said is no message, but {kind_of(message)}")
    said = obj(message)
    content = said.get("content")
    if not isinstance(content, str | list):
        raise NotReadable(f"the message has no content, but {kind_of(content)}")
    odd = next((block for block in array(content) if not isinstance(block, dict)), None)
    if odd is not None:
        raise NotReadable(f"a block of the message is {kind_of(odd)}")
    yield Said(record, {**said, "role": kind}, _agent_of(record), time_ns)


def _agent_of(record: JsonObject) -> str:
    """Return the key of the subagent that a record belongs to; older ones have no id, then `answers_in_one` finds it."""
    return (text(record.get("agentId")) or "?") if record.get("isSidechain") is True else ""


def answers_in_one(said: Sequence[Said]) -> Iterator[Said]:
    """Yield what was said with each answer in one: its blocks stand on lines of their own, with the same message id."""
    pieces: dict[tuple[str, str], list[Said]] = {}
    order: list[Said | tuple[str, str]] = []
    for each in _once(_of_subagents(said)):
        message_id = text(each.message.get("id"))
        if not each.is_answer or not message_id:
            order.append(each)
            continue
        key = (each.agent, message_id)
        if key not in pieces:
            order.append(key)
        pieces.setdefault(key, []).append(each)
    for item in order:
        yield _whole(pieces[item] if isinstance(item, tuple) else [item])


def _once(said: Iterable[Said]) -> Iterator[Said]:
    """Leave out what stands there once more, as where a session was gone on with."""
    seen: set[str] = set()
    for each in said:
        whole = f"{each.uuid} {compact(each.message)}"
        if not each.uuid or whole not in seen:
            yield each
        seen.add(whole)


def _of_subagents(said: Iterable[Said]) -> Iterator[Said]:
    """Give each subagent that has no id the id of its first record: the others follow it, one after another."""
    keys: dict[str, str] = {}
    for each in said:
        known = each.agent
        if known == "?":
            known = keys.get(each.parent) or each.uuid
        elif each.is_silent and not known:
            known = keys.get(each.parent, "")
        keys[each.uuid] = known
        yield replace(each, agent=known) if known != each.agent else each


def _whole(pieces: Sequence[Said]) -> Said:
    """Return one answer of its pieces, which all have the tokens of the whole: the last one knows them best."""
    blocks: list[Json] = []
    times: list[int | None] = []
    for piece in pieces:
        for block in piece.blocks:
            blocks.append(block)
            times += [piece.time_ns] if block.get("type") == "tool_use" else []
    last = pieces[-1]
    content = blocks or last.message.get("content")
    message = last.message if last.is_silent else {**last.message, "content": content}
    return replace(last, message=message, tool_times=tuple(times))


class Begun:
    """Which tool call began which subagent: by the id that its result tells, else by the prompt that both have."""

    def __init__(self, said: Iterable[Said]) -> None:
        self._inputs: dict[str, JsonObject] = {}
        self._by_agent: dict[str, str] = {}
        self._by_prompt: dict[str, deque[str]] = {}
        for each in said:
            for block in each.blocks:
                self._note(each.record, block)

    def _note(self, record: JsonObject, block: JsonObject) -> None:
        if block.get("type") == "tool_use":
            call_id, asked = text(block.get("id")) or "", obj(block.get("input"))
            prompt = text(asked.get("prompt"))
            if prompt and call_id not in self._inputs:
                self._inputs[call_id] = asked
                self._by_prompt.setdefault(prompt, deque()).append(call_id)
        elif block.get("type") == "tool_result":
            agent = text(obj(record.get("toolUseResult")).get("agentId"))
            if agent:
                self._by_agent[agent] = text(block.get("tool_use_id")) or ""

    def by(self, first: Said) -> tuple[str, str]:
        """Return the id of the tool call that a subagent with this first message was begun by, and the kind of agent asked for."""
        told = first.message.get("content")
        prompt = told if isinstance(told, str) else text(first.blocks[0].get("text")) if first.blocks else None
        same = self._by_prompt.get(prompt or "")
        found = self._by_agent.get(first.agent) or (same.popleft() if same else "")
        return found, text(self._inputs.get(found, {}).get("subagent_type")) or ""


def flat(content: Json) -> Json:
    """Return what a tool gave, in parts of the conventions, as one text where all of them are."""
    blocks = [obj(block) for block in array(content)]
    texts = [text(block.get("content")) for block in blocks if block.get("type") == "text"]
    if blocks and len(texts) == len(blocks):
        return "\n".join(filter(None, texts))
    return content
