"""Tell whether two requests are the same call. Raw request in, stored request and key out; one way for record and replay."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from otel_agenttrace.jsonvalue import Json, JsonObject, array, canonical, canonical_each, obj, parse, quoted
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.redact.findings import FAILED_TEXT, is_blind
from otel_agenttrace.volatile import NO_RULES, MatchRules

if TYPE_CHECKING:
    from otel_agenttrace.redact import Redactor

__all__ = [
    "EMPTY",
    "Body",
    "Requested",
    "Stored",
    "are_alike",
    "body_of",
    "digested",
    "key_of",
    "normalised_key",
    "requested",
    "stored_again",
]

_CONVERSATIONS: Final = ("messages", "input", "contents")
_MAX_TEXT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """A canonical body in the pieces it is stored by.

    `members` are the texts of an object's members but the conversation, `elements` those of the conversation's
    messages. A body that is no object is `whole`.
    """

    members: Mapping[str, str]
    conversation: str | None = None
    elements: tuple[str, ...] = ()
    whole: str | None = None

    def text(self) -> str:
        """Return the whole canonical text."""
        if self.whole is not None:
            return self.whole
        names = self.members if self.conversation is None else {*self.members, self.conversation}
        pieces = [piece for name in sorted(names) for piece in (",", quoted(name), ":", *self._member(name))]
        return "".join(("{", *pieces[1:], "}"))

    def _member(self, name: str) -> tuple[str, ...]:
        return ("[", ",".join(self.elements), "]") if name == self.conversation else (self.members[name],)


class Stored(NamedTuple):
    """What is kept of a request: itself, its body in pieces and its key.

    `secrets` were removed from the body, by kind: the answer may hold them, too. `is_blind` says whether something was
    removed of which nothing is left to compare, so that no recording can be known to be of the same request.
    """

    request: HttpRequest
    body: Body
    key: str
    is_redacted: bool
    secrets: Mapping[str, str]
    is_blind: bool


class Requested:
    """A request on its way. Its key and what is stored of it are made when somebody asks for them, which is once.

    Attributes:
        asked: What it was made of.
        method: The HTTP method.
        origin: Scheme, host and port.
        target: Path and query without credentials, and the part that is asked for.
    """

    __slots__ = ("_raw_key", "_stored", "_value", "asked", "method", "origin", "target")

    def __init__(self, asked: _Asked, place: tuple[str, str], value: Json) -> None:
        self.asked = asked
        self.method = asked.method.upper()
        self.origin, self.target = place
        self._value = value
        self._raw_key: str | None = None
        self._stored: Stored | None = None

    @property
    def raw_key(self) -> str | None:
        """The key of the bytes as they are sent: equal bytes ask the same. None where there are none, or the target is blind."""
        if self._raw_key is None and self.asked.content and not self.is_target_blind:
            self._raw_key = _raw_key(self)
        return self._raw_key

    @property
    def is_target_blind(self) -> bool:
        """Whether something was removed from the target of which nothing is left to compare."""
        return is_blind(self.target) and not is_blind(self.asked.url)

    @property
    def stored_raw_key(self) -> str | None:
        """The key of the bytes if they hold no secret: of one that does not even a digest is stored."""
        return None if self.stored.is_redacted else self.raw_key

    @property
    def stored(self) -> Stored:
        """What is stored of it."""
        if self._stored is None:
            self._stored = _stored_of(self, self._value)
            self._value = None
        return self._stored

    @property
    def request(self) -> HttpRequest:
        """The request as it is stored."""
        return self.stored.request

    @property
    def body(self) -> Body:
        """Its canonical body in pieces."""
        return self.stored.body

    @property
    def key(self) -> str:
        """The request key."""
        return self.stored.key


class _Asked(NamedTuple):
    content: bytes
    url: str
    method: str
    content_type: str
    part: str
    redactor: Redactor


def requested(
    method: str,
    url: str,
    content_type: str,
    content: bytes,
    redactor: Redactor,
    value: Json = None,
    *,
    part: str = "",
) -> Requested:
    """Return the stored form and the key of a request.

    Args:
        method: The HTTP method.
        url: The whole address.
        content_type: That of the body.
        content: The body.
        redactor: Looks at everything that is stored.
        value: The body's parsed JSON, if the caller has it.
        part: The header `range`, the one header that says what is asked for; it stands behind a `#` in the target.
    """
    asked = _Asked(content, url, method, content_type, part, redactor)
    place: tuple[str, str] | None = None
    for known in _recent:
        if known.asked == asked:
            return known
        if known.asked.url == url and known.asked.part == part and known.asked.redactor is redactor:
            place = known.origin, known.target
    made = Requested(asked, place or _place(asked), value)
    if len(content) <= _MAX_TEXT:
        _recent[:] = [made, *_recent[: _REMEMBERED - 1]]
    return made


_REMEMBERED: Final = 8
_recent: list[Requested] = []
"""The newest requests by their raw bytes: a retry and a parallel call ask for the very same. To compare bytes costs less
than to hash them: those of another length, or with another beginning, are told apart at once. What goes to the same
address goes to the same place."""


def _stored_of(requested: Requested, value: Json) -> Stored:
    asked = requested.asked
    plain = body_of(value) if value is not None else _body(asked.content_type, asked.content)
    clean = _redacted(plain, asked.redactor)
    request = HttpRequest(requested.method, requested.origin, requested.target, clean.text)
    is_redacted = clean.body is not plain
    is_any_blind = clean.is_blind or requested.is_target_blind
    return Stored(request, clean.body, _key(request, clean.text), is_redacted, clean.secrets, is_any_blind)


def _raw_key(requested: Requested) -> str:
    asked = requested.asked
    form = asked.content_type if _kind(asked.content_type) in _FORMS else ""
    digest = hashlib.sha256(f"{requested.method}\n{requested.target}\n{form}\n".encode("utf-8", "surrogatepass"))
    digest.update(asked.content)
    return digest.hexdigest()[:32]


def _place(asked: _Asked) -> tuple[str, str]:
    """Return origin and target."""
    parts = urlsplit(asked.url)
    target = asked.redactor.redact_target(parts.path + (f"?{parts.query}" if parts.query else ""))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", f"{target}#{asked.part}" if asked.part else target


def key_of(request: HttpRequest) -> str:
    """Return the request key: sha256 of method, path with query, and canonical body, large values by their digest."""
    return _key(request, digested(request.body))


def stored_again(request: HttpRequest, redactor: Redactor) -> Stored:
    """Return what other rules of redaction would keep of a stored request."""
    target, mark, part = request.target.partition("#")
    plain = body_of(parse(request.body)) if request.body else EMPTY
    clean = _redacted(plain, redactor)
    made = replace(request, target=f"{redactor.redact_target(target)}{mark}{part}", body=clean.text)
    return Stored(made, clean.body, _key(made, clean.text), clean.body is not plain, clean.secrets, clean.is_blind)


def _key(request: HttpRequest, body: str) -> str:
    return _digest(f"{request.method}\n{request.target}\n", body)


def _digest(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


EMPTY: Final = Body({}, whole="")
"""The body of a request that has none."""

# --- the canonical body ---------------------------------------------------------------------------------------------


def _body(content_type: str, content: bytes) -> Body:
    if not content:
        return EMPTY
    kind = _kind(content_type)
    if kind == _MULTIPART:
        return _whole(_multipart(content_type, content))
    if kind == _FORM:
        return _whole({"form": parse_qsl(content.decode("latin-1"), keep_blank_values=True)})
    try:
        value = parse(content)
    except (ValueError, RecursionError):
        return _whole(_opaque(content))
    return body_of(value)


_MULTIPART: Final = "multipart/form-data"
_FORM: Final = "application/x-www-form-urlencoded"
_FORMS: Final = frozenset({_MULTIPART, _FORM})
"""The types that say how a body is read."""


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _whole(value: object) -> Body:
    return Body({}, whole=digested(canonical(value)))


def body_of(value: Json) -> Body:
    """Return the canonical body of a JSON value, its large values by their digest."""
    if not isinstance(value, dict):
        return _whole(value)
    name = _conversation(value)
    others = {key: member for key, member in value.items() if key != name}
    texts = map(digested, canonical_each([*others.values(), *(array(value[name]) if name else ())]))
    members = {digested(key): next(texts) for key in others}
    return Body(members, name, tuple(texts))


def _conversation(value: JsonObject) -> str | None:
    for name in _CONVERSATIONS:
        if isinstance(value.get(name), list):
            return name
    return None


@dataclass(frozen=True, slots=True)
class _Cleaned:
    """A body without secrets, its text, and what was removed."""

    body: Body
    text: str
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    is_blind: bool = False


def _redacted(body: Body, redactor: Redactor) -> _Cleaned:
    members = [f"{quoted(key)}:{member}" for key, member in body.members.items()]  # a name may tell of its value
    whole = () if body.whole is None else (body.whole,)
    found = redactor.redact_pieces([*members, *body.elements, *whole])
    if found is None:
        return _Cleaned(body, body.text())
    names, pieces = list(body.members), found.pieces
    kept: dict[str, str] = {}
    for name, value in map(_member, names, pieces[: len(names)]):
        kept[name if name not in kept else f"{name} {len(kept)}"] = value
    body = Body(
        kept,
        body.conversation,
        tuple(map(_json, pieces[len(names) : len(pieces) - len(whole)])),
        _json(pieces[-1]) if whole else None,
    )
    return _Cleaned(body, body.text(), found.secrets, found.is_blind)


_decode: Final = json.JSONDecoder().raw_decode


def _member(name: str, piece: str) -> tuple[str, str]:
    """Return name and value of a member that was redacted with its name."""
    if piece == FAILED_TEXT:
        return name, _json(piece)
    key, end = _decode(piece)
    return key, piece[end + 1 :]


def _json(piece: str) -> str:
    return canonical(piece) if piece == FAILED_TEXT else piece


def _opaque(content: bytes) -> Json:
    try:
        if len(content) <= _MAX_TEXT:
            return {"text": content.decode()}
    except UnicodeDecodeError:
        pass
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _multipart(content_type: str, content: bytes) -> Json:
    found = re.search(r'boundary="?([^";]+)', content_type)
    if found is None:
        return _opaque(content)
    before, *pieces = (b"\r\n" + content).split(b"\r\n--" + found[1].strip().encode("latin-1"))
    if before or not pieces or pieces[-1].strip() != b"--":  # cut off, or not made as the standard says
        return _opaque(content)
    return {"parts": [_part(piece) for piece in pieces[:-1]]}


def _part(piece: bytes) -> Json:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    headers = sorted(f"{name.strip().lower()}: {value.strip()}" for name, _, value in lines)
    return {"headers": headers, **obj(_opaque(content))}


# --- large values ---------------------------------------------------------------------------------------------------

_LARGE: Final = 1 << 10
_STEP: Final = _LARGE // 2
_ENCODED: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{_STEP},}}={{0,2}}")
_BEFORE: Final = re.compile(r"[A-Za-z0-9+/_-]*")
_NO_NUMBER: Final = re.compile(r"[A-DF-Za-df-z/_]")


def digested(text: str) -> str:
    """Return a JSON text in which an unbroken run of 1,024 or more characters of base64 is named by its digest.

    A run of that length holds half of it behind one of the looked-at places, so that prose is passed in long steps.
    """
    if len(text) < _LARGE:
        return text
    pieces: list[str] = []
    done = at = 0
    while at + _STEP <= len(text):
        found = _ENCODED.match(text, at)
        if found is not None:
            begin, end = _begin(text, done, at), found.end()
            if end - begin >= _LARGE and _NO_NUMBER.search(text, begin, end):
                blob = text[begin:end]
                pieces += (text[done:begin], f"[sha256:{hashlib.sha256(blob.encode()).hexdigest()}:{len(blob)}]")
                done = end
            at = max(at, end - _STEP)
        at += _STEP
    return "".join((*pieces, text[done:])) if pieces else text


def _begin(text: str, earliest: int, at: int) -> int:
    """Return where the run that goes on at a place begins, which is not within an escape."""
    reached = text[max(earliest, at - _LARGE) : at]
    run = _BEFORE.match(reached[::-1])
    begin = at - (run.end() if run is not None else 0)
    if text[begin - 1 : begin] == "\\":
        begin += 5 if text[begin : begin + 1] == "u" else 1
    return begin


# --- requests that are nearly the same ------------------------------------------------------------------------------


def normalised_key(request: HttpRequest, rules: MatchRules = NO_RULES) -> str:
    """Return the key that ignores what changes from run to run, by the presets and by rules of the user's own."""
    return _digest(rules.normalise(request))


def are_alike(left: HttpRequest, right: HttpRequest, rules: MatchRules = NO_RULES) -> bool:
    """Whether two requests ask for the same, but for what changes from run to run."""
    return key_of(left) == key_of(right) or normalised_key(left, rules) == normalised_key(right, rules)
