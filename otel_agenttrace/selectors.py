"""Choose spans by a short text: `inference[3]`, `tool=weather error`, `model=gpt-4o* tokens>1000 | #7`. Text in, test out.

Terms beside each other must all hold, `|` is or, `!` is not, parentheses group. docs/selectors.md lists the terms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from otel_agenttrace import semconv
from otel_agenttrace.errors import SelectorError
from otel_agenttrace.jsonvalue import compact, number
from otel_agenttrace.jsonvalue import text as as_text
from otel_agenttrace.model import AttributeValue, Span, Trace
from otel_agenttrace.patterns import expression
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["Selectable", "Selector", "SelectorError", "Subject", "parse_selector", "select", "subjects"]


def _unknown_cost(_: Span) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a selector looks at: a span, recorded or made of what is asked for, and its place in the run.

    `index` counts from 1 among its kind (`inference`, which includes embeddings, `tool`, `agent`, `retrieval`), 0 for a
    span of no kind; `ordinal` counts all spans; both in order of start. `count` is how many of the kind the run has,
    None while it goes on: a place from the end is then unknown and never matches. `now_ns` serves `age`. `path` holds
    the names of its ancestors and its own, from the root on. What is not known does not match.
    """

    span: Span
    index: int
    ordinal: int
    now_ns: int = 0
    count: int | None = None
    path: tuple[str, ...] = ()
    cost_of: Callable[[Span], float | None] = field(default=_unknown_cost, repr=False, compare=False)


_Test: TypeAlias = Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector: its text, and whether it chooses a span."""

    text: str
    test: _Test = field(repr=False, compare=False)

    def matches(self, subject: Subject) -> bool:
        """Whether the selector chooses this span."""
        return self.test(subject)


Selectable: TypeAlias = "str | Selector | Callable[[Span], bool]"
"""Whatever says which spans are meant."""


def parse_selector(text: Selectable) -> Selector:
    """Return the selector that a text says; a function of a span is wrapped in one.

    Raises:
        SelectorError: If the text is none: with the place, what stands there and what may.
    """
    if isinstance(text, Selector):
        return text
    if not isinstance(text, str):
        chosen = text
        return Selector(getattr(chosen, "__name__", repr(chosen)), lambda subject: bool(chosen(subject.span)))
    return Selector(text, _Parser(text).parsed())


def subjects(trace: Trace, now_ns: int = 0) -> Iterator[Subject]:
    """Yield each span of a trace with its place, in order of start.

    Of two spans that tell the same inference, as `Trace.inferences` finds them, the second has the index 0.
    """
    spans = sorted(trace.spans, key=lambda span: span.start_ns)
    counted = {id(span) for span in trace.inferences}
    kinds = [_kind(span) if not span.is_inference or id(span) in counted else None for span in spans]
    totals = Counter(kinds)
    names = {(span.trace_id, span.span_id): span for span in spans}
    seen: Counter[str | None] = Counter()
    for ordinal, (span, kind) in enumerate(zip(spans, kinds, strict=True), 1):
        seen[kind] += 1
        index, count = (seen[kind], totals[kind]) if kind else (0, 0)
        yield Subject(span, index, ordinal, now_ns, count, _path(span, names), trace.cost_of)


def select(trace: Trace, selector: Selectable, now_ns: int = 0) -> tuple[Span, ...]:
    """Return the spans a selector chooses, in order of start."""
    chosen = parse_selector(selector)
    return tuple(subject.span for subject in subjects(trace, now_ns) if chosen.matches(subject))


_DEEPEST_PATH: Final = 200
"""Names in a path; of a deeper tree the nearest ones."""


def _path(span: Span, known: dict[tuple[str, str], Span]) -> tuple[str, ...]:
    names: list[str] = []
    seen: set[int] = set()
    above: Span | None = span
    while above is not None and id(above) not in seen and len(names) < _DEEPEST_PATH:
        seen.add(id(above))
        names.append(above.name)
        above = known.get((span.trace_id, above.parent_span_id)) if above.parent_span_id else None
    return tuple(reversed(names))


# --- what terms look at -----------------------------------------------------------------------------------------------

_OPERATIONS: Final = {
    semconv.OPERATION_EXECUTE_TOOL: "tool",
    semconv.OPERATION_INVOKE_AGENT: "agent",
    semconv.OPERATION_RETRIEVAL: "retrieval",
}


def _kind(span: Span) -> str | None:
    return "inference" if span.is_inference else _OPERATIONS.get(span.operation or "")


_KINDS: Final[dict[str, _Test]] = {
    "agent": lambda subject: _kind(subject.span) == "agent",
    "embeddings": lambda subject: subject.span.operation == semconv.OPERATION_EMBEDDINGS,
    "error": lambda subject: subject.span.is_error,
    "inference": lambda subject: subject.span.is_inference,
    "retrieval": lambda subject: _kind(subject.span) == "retrieval",
    "tool": lambda subject: _kind(subject.span) == "tool",
}
_WITH_PLACES: Final = ("agent", "inference", "retrieval", "tool")


def _values(value: AttributeValue | None) -> tuple[str, ...]:
    """Return the texts an attribute may be matched by: each element of a list, a structure as JSON."""
    match value:
        case None | bytes():
            return ()
        case bool():
            return ("true" if value else "false",)
        case str():
            return (value,)
        case int() | float():
            return (str(value),)
        case list() | tuple():
            return tuple(text for element in value for text in _values(element))
        case _:
            return (compact(value),)


def _attributes(*names: str) -> Callable[[Subject], tuple[str, ...]]:
    return lambda subject: tuple(text for name in names for text in _values(subject.span.attributes.get(name)))


def _urls(subject: Subject) -> tuple[str, ...]:
    """Return the address in the forms people write it: whole, with the port, with the host alone."""
    call = subject.span.call
    url = (
        call.attempts[0].request.url if call is not None and call.attempts else subject.span.attributes.get("url.full")
    )
    if not isinstance(url, str):
        return ()
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: `http://[`
        return (url,)
    rest = url[len(f"{parts.scheme}://{parts.netloc}") :]
    return url, f"{parts.netloc}{rest}", f"{parts.hostname or ''}{rest}"


def _statuses(subject: Subject) -> tuple[str, ...]:
    call = subject.span.call
    if call is None:
        return _values(subject.span.attributes.get("http.response.status_code"))
    return tuple(str(attempt.status) for attempt in call.attempts if attempt.status is not None)


def _answer(subject: Subject) -> tuple[str, ...]:
    parts = (part for message in output_messages(subject.span) for part in message.parts)
    texts = [content for part in parts if (content := as_text(part.get("content")))]
    return ("\n".join(texts),) if texts else ()


def _paths(subject: Subject) -> tuple[str, ...]:
    """Return the path from the root, marked as such by a slash, and from each span below it."""
    path = subject.path or (subject.span.name,)
    return "/" + "/".join(path), *("/".join(path[start:]) for start in range(len(path)))


_TEXTS: Final[dict[str, Callable[[Subject], tuple[str, ...]]]] = {
    "agent": _attributes(semconv.GEN_AI_AGENT_NAME),
    "args": _attributes(semconv.GEN_AI_TOOL_CALL_ARGUMENTS),
    "model": _attributes(semconv.GEN_AI_REQUEST_MODEL, semconv.GEN_AI_RESPONSE_MODEL),
    "name": lambda subject: (subject.span.name,),
    "path": _paths,
    "status": _statuses,
    "text": _answer,
    "tool": _attributes(semconv.GEN_AI_TOOL_NAME),
    "url": _urls,
}
_NS: Final = 1_000_000_000


def _age_s(subject: Subject) -> float | None:
    span = subject.span
    if not span.has_time:
        return None
    recorded_ns = number(span.attributes.get(semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO)) or span.start_ns
    return (subject.now_ns - recorded_ns) / _NS if subject.now_ns else None


def _duration_s(subject: Subject) -> float | None:
    ns = subject.span.duration_ns
    return None if ns is None else ns / _NS


_NUMBERS: Final[dict[str, Callable[[Subject], float | None]]] = {
    "age": _age_s,
    "cost": lambda subject: subject.cost_of(subject.span),
    "duration": _duration_s,
    "tokens": lambda subject: subject.span.usage.total_tokens,
}
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TIMES: Final = ("age", "duration")
_COMPARED: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": lambda told, wanted: told == wanted,
    ">": lambda told, wanted: told > wanted,
    "<": lambda told, wanted: told < wanted,
    ">=": lambda told, wanted: told >= wanted,
    "<=": lambda told, wanted: told <= wanted,
}
_FIELDS: Final = tuple(sorted({"id", *_TEXTS, *_NUMBERS}))
_QUOTES: Final = "put a value with blanks, | or ( ) into quotes"
_TOLD_TERMS: Final = (
    f"a kind ({', '.join(_KINDS)}), a place (tool[2], inference[-1], #7), or a field with = ~= > < >= <= "
    f"({', '.join(_FIELDS)}, attr.NAME); {_QUOTES}"
)


# --- from text to test ------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s|()"'])+""", re.DOTALL)
_PLACE: Final = re.compile(r"(\w+)\[(.*)\]")
_FIELD: Final = re.compile(r"(attr\.[^\s=~<>]+|\w+)(~=|>=|<=|!=|==|=|>|<)(.*)", re.DOTALL)
_QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_ORDINAL: Final = r"-?[1-9]\d{0,17}"
_DEEPEST: Final = 100
_NUMBER: Final = re.compile(r"(-?\d+(?:\.\d+)?)([a-z]*)")


class _Parser:
    """One pass over a text, from left to right: `|` binds weakest, then terms beside each other, then `!`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parsed(self) -> _Test:
        test = self._either()
        if self._at < len(self._text):
            raise self._error("a parenthesis is closed that was not opened", "leave it out, or open one before")
        return test

    def _error(self, reason: str, expected: str, at: int | None = None) -> SelectorError:
        return SelectorError(self._text, self._at if at is None else at, reason, expected)

    def _next(self) -> str:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._text[self._at] if self._at < len(self._text) else ""

    def _either(self) -> _Test:
        tests = [self._all()]
        while self._next() == "|":
            self._at += 1
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)

    def _all(self) -> _Test:
        tests: list[_Test] = []
        while self._next() not in ("", "|", ")"):
            tests.append(self._one())
        if not tests:
            raise self._error("a term is missing", _TOLD_TERMS)
        return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)

    def _one(self) -> _Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("it is nested too deeply", f"at most {_DEEPEST} of ! and ( in each other")
        test = self._within()
        self._depth -= 1
        return test

    def _within(self) -> _Test:
        if self._next() == "!":
            self._at += 1
            test = self._one()
            return lambda subject: not test(subject)
        if self._next() == "(":
            opened = self._at
            self._at += 1
            test = self._either()
            if self._next() != ")":
                raise self._error("a parenthesis is not closed", "close it with )", opened)
            self._at += 1
            return test
        return self._term()

    def _term(self) -> _Test:
        if self._next() in ("", "|", ")"):
            raise self._error("a term is missing", _TOLD_TERMS)
        found = _WORD.match(self._text, self._at)
        if found is None or self._text[found.end() : found.end() + 1] in ('"', "'"):
            at = self._at if found is None else found.end()
            raise self._error("a quote is not closed", "close it, or put the whole value into the other quotes", at)
        test = self._meaning(found[0])
        self._at = found.end()
        if self._text[self._at : self._at + 1] == "(":
            raise self._error("a parenthesis stands in a term", f"put a blank before it, or {_QUOTES}")
        return test

    def _meaning(self, word: str) -> _Test:
        if word in _KINDS:
            return _KINDS[word]
        if word.startswith("#"):
            return self._ordinal(word)
        if named := _FIELD.fullmatch(word):
            return self._field(named[1], named[2], named[3], self._at + named.start(3))
        if placed := _PLACE.fullmatch(word):
            return self._place(placed[1], placed[2])
        raise self._unknown(f"{word!r} is no term", word, (*_KINDS, *_FIELDS))

    def _unknown(self, reason: str, word: str, known: tuple[str, ...]) -> SelectorError:
        near = get_close_matches(re.split(r"[\[=~<>]", word)[0], known, n=1)
        return self._error(reason, f"did you mean {near[0]!r}? A term is {_TOLD_TERMS}" if near else _TOLD_TERMS)

    def _ordinal(self, word: str) -> _Test:
        if not re.fullmatch(r"#[1-9]\d{0,17}", word):
            raise self._error(f"{word!r} is no place", "#7 is the seventh span of the run; the first is #1")
        wanted = int(word[1:])
        return lambda subject: subject.ordinal == wanted

    def _place(self, kind: str, place: str) -> _Test:
        if kind not in _WITH_PLACES:
            raise self._unknown(f"{kind!r} has no places", kind, _WITH_PLACES)
        found = re.fullmatch(rf"({_ORDINAL})|({_ORDINAL})?:({_ORDINAL})?", place)
        if found is None:
            expected = f"{kind}[3], {kind}[-1] for the last, {kind}[2:4] for three of them; the first is 1"
            raise self._error(f"{place!r} is no place", expected, self._at + len(kind) + 1)
        first, last = (found[1], found[1]) if found[1] else (found[2] or "1", found[3] or "-1")
        is_open = not found[1] and not found[3]
        is_kind = _KINDS[kind]

        def is_there(subject: Subject) -> bool:
            if subject.index < 1 or not is_kind(subject):
                return False
            begin = _counted(first, subject)
            end = subject.index if is_open else _counted(last, subject)
            return begin is not None and end is not None and begin <= subject.index <= end

        return is_there

    def _field(self, name: str, operator: str, written: str, at: int) -> _Test:
        if operator in ("!=", "=="):
            meant = f"!{name}=…" if operator == "!=" else f"{name}=…"
            raise self._error(f"there is no operator {operator}", f"write {meant}")
        value = _unquoted(written)
        if not written:
            raise self._error(f"{name} has no value", f'{_QUOTES}; {name}{operator}"" for an empty one')
        if name == "id":
            return self._id(operator, value, at)
        if name in _NUMBERS:
            return self._compared(_NUMBERS[name], operator, self._number(name, value, at))
        if not name.startswith("attr.") and name not in _TEXTS:
            raise self._unknown(f"{name!r} is no field", name, _FIELDS)
        texts = _attributes(name[len("attr.") :]) if name.startswith("attr.") else _TEXTS[name]
        if operator == "=":
            return lambda subject: any(fnmatchcase(text, value) for text in texts(subject))
        if operator == "~=":
            return self._searched(texts, value, at)
        if name != "status" and not name.startswith("attr."):
            raise self._error(f"{name} is no number", f"write {name}=… for a pattern or {name}~=… for an expression")
        compare, wanted = _COMPARED[operator], self._number(name, value, at)
        return lambda subject: any(
            compare(told, wanted) for told in map(_as_number, texts(subject)) if told is not None
        )

    def _id(self, operator: str, value: str, at: int) -> _Test:
        if operator != "=" or not re.fullmatch(r"[0-9a-fA-F]{4,16}", value):
            raise self._error(
                f"{value!r} is no span id", "write id= and 4 to 16 of its hex digits, from the first on", at
            )
        prefix = value.lower()
        return lambda subject: subject.span.span_id.startswith(prefix)

    def _searched(self, texts: Callable[[Subject], tuple[str, ...]], value: str, at: int) -> _Test:
        try:
            pattern = expression(value)
        except ValueError as error:
            raise self._error(
                f"{value!r} is no regular expression: {error}", "mend it, or write = for a pattern", at
            ) from None
        return lambda subject: any(pattern.search(text) for text in texts(subject))

    def _compared(self, told: Callable[[Subject], float | None], operator: str, wanted: float) -> _Test:
        if operator == "~=":
            raise self._error("a number has no text to search in", "write = > < >= or <=")
        compare = _COMPARED[operator]

        def holds(subject: Subject) -> bool:
            value = told(subject)
            return value is not None and compare(value, wanted)

        return holds

    def _number(self, name: str, value: str, at: int) -> float:
        found = _NUMBER.fullmatch(value)
        units = _UNITS if name in _TIMES else {"": 1.0}
        if found is None or found[2] not in units:
            units_told = (
                f"a number and one of {', '.join(_UNITS)}" if name in _TIMES else "a number, such as 1000 or 0.01"
            )
            raise self._error(f"{value!r} is no {'time' if name in _TIMES else 'number'}", units_told, at)
        return float(found[1]) * units[found[2]]


def _counted(written: str, subject: Subject) -> int | None:
    """Return a place counted from 1; one from the end is known only when the count is."""
    place = int(written)
    if place > 0:
        return place
    return None if subject.count is None else subject.count + 1 + place


def _as_number(text: str) -> float | None:
    try:
        return number(float(text))
    except ValueError:
        return None


def _unquoted(written: str) -> str:
    """Return a value without its quotes: a backslash keeps its meaning but before the quote itself."""
    pieces = _QUOTED.split(written)
    return "".join(
        piece[1:-1].replace(f"\\{piece[0]}", piece[0]) if position % 2 else piece
        for position, piece in enumerate(pieces)
    )
