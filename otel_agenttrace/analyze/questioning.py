"""Read what calls to models were asked, so that calls can be compared. Spans in, requests and pieces of messages out.

A conversation is sent again with each call: what a call adds to it is read once, and put behind what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final

from otel_agenttrace.jsonvalue import parse, text
from otel_agenttrace.model import InferenceRequest, Message, Part, RequestPieces, Span
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.recorded import asked_of
from otel_agenttrace.wire.routes import route

__all__ = ["Piece", "Questions", "Said"]

_SYSTEM_ROLES: Final = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message: who says it, what kind it is, its text, and the text by which it is compared."""

    role: str
    kind: str
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Said:
    """Messages: the texts of instructions, the pieces of the others, and whether there is a message at all."""

    system: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    is_any: bool = False

    def __add__(self, other: Said) -> Said:
        return Said(self.system + other.system, self.pieces + other.pieces, self.is_any or other.is_any)


class Questions:
    """What calls were asked, read once each."""

    def __init__(self, piece: Callable[[str, Part], Piece]) -> None:
        """Take what makes a piece of the role and a part of a message."""
        self._piece = piece
        self._requests: dict[int, tuple[RequestPieces, Codec] | None] = {}
        self._heads: dict[object, InferenceRequest] = {}
        self._said: dict[tuple[int, bool], Said] = {}
        self._elements: dict[tuple[str, str, str], Said] = {}
        self._conversations: dict[object, Said] = {}

    def request(self, span: Span) -> RequestPieces | None:
        """Return the request of a call, where it is known in pieces and its API has a codec."""
        known = self._known(span)
        return None if known is None else known[0]

    def _known(self, span: Span) -> tuple[RequestPieces, Codec] | None:
        if id(span) not in self._requests:
            request = span.request
            found = None if request is None else route(request.address.method, request.address.url)
            self._requests[id(span)] = None if request is None or found is None else (request, found.codec)
        return self._requests[id(span)]

    def head(self, span: Span) -> InferenceRequest:
        """Return what a model was asked; the messages of a conversation may not be in it."""
        known = self._known(span)
        key = id(span) if known is None else (known[1].name, *chain.from_iterable(known[0].members.items()))
        found = self._heads.get(key)
        if found is None:
            found = self._heads[key] = asked_of(span) if known is None else _head(*known)
        return found

    def said(self, span: Span, *, is_tail: bool = False) -> Said:
        """Return the messages of a call; `is_tail` leaves out those that another call is known to hold."""
        found = self._said.get((id(span), is_tail))
        if found is None:
            found = self._said[id(span), is_tail] = self._read(span, is_tail=is_tail)
        return found

    def begin_alike(self, old: Span, new: Span, *, is_alike: bool) -> bool:
        """Whether two calls are known to begin with the same messages, after which each has others.

        Args:
            old: One call.
            new: The other.
            is_alike: Whether messages that are not written alike are known to be the same.
        """
        was, now = self.request(old), self.request(new)
        if was is None or now is None or was.prefix is None:
            return False
        if (was.address, was.conversation) != (now.address, now.conversation):
            return False
        if was.prefix != now.prefix and not is_alike:
            return False
        return bool(self.said(old, is_tail=True).pieces and self.said(new, is_tail=True).pieces)

    def _read(self, span: Span, *, is_tail: bool) -> Said:
        head = self.messages(self.head(span).input_messages)
        known = self._known(span)
        if known is None or known[0].conversation is None:
            return head
        request, codec = known
        place = request.address, request.conversation
        before = self._conversations.get((*place, request.prefix))
        if is_tail or request.prefix is None:
            said = self._joined(request, codec, request.tail)
        elif before is not None:
            said = before + self._joined(request, codec, request.tail)
        elif (elements := request.elements()) is not None:
            said = self._joined(request, codec, elements)
        else:
            return self.messages(asked_of(span).input_messages)
        if request.digest is not None and (request.prefix is None or not is_tail):
            self._conversations[(*place, request.digest)] = said
        return head + said

    def _joined(self, request: RequestPieces, codec: Codec, elements: Iterable[str]) -> Said:
        said = [self._element(request.conversation or "", codec, element) for element in elements]
        return Said(
            tuple(chain.from_iterable(each.system for each in said)),
            tuple(chain.from_iterable(each.pieces for each in said)),
            any(each.is_any for each in said),
        )

    def _element(self, conversation: str, codec: Codec, element: str) -> Said:
        """Return a message of a conversation by itself: no codec reads one for another."""
        key = (codec.name, conversation, element)
        found = self._elements.get(key)
        if found is None:
            told = codec.decode_request({conversation: [parse(element)]}).input_messages
            found = self._elements[key] = self.messages(told)
        return found

    def messages(self, messages: Iterable[Message]) -> Said:
        """Return messages in pieces."""
        told = tuple(messages)
        parts = [part for message in told if message.role in _SYSTEM_ROLES for part in message.parts]
        others = (message for message in told if message.role not in _SYSTEM_ROLES)
        pieces = tuple(self._piece(message.role, part) for message in others for part in message.parts)
        return Said(tuple(text(part.get("content")) or "" for part in parts), pieces, bool(told))


def _head(request: RequestPieces, codec: Codec) -> InferenceRequest:
    return codec.decode_request({name: parse(member) for name, member in request.members.items()})
