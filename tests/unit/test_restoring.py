"""What a tool gives is written down with its types and given again equal; what cannot be is named."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import io
import json
import os
import sys
import types
import zoneinfo
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.restoring import read, write
from otel_agenttrace.scopes import NotRestorable, Scope


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: Any


class Row(TypedDict):
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    value: Any


@dataclasses.dataclass
class Node:
    name: str
    children: list[Any] = dataclasses.field(default_factory=list[Any])
    made: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.made = 1
        self.extra = "set later"


class Item(pydantic.BaseModel):
    name: str
    when: date
    more: dict[str, Any] = {}
    _hidden: int = pydantic.PrivateAttr(default=3)


class Loose(pydantic.BaseModel, extra="allow"):
    items: list[Item] = []


_T = TypeVar("_T")


@dataclasses.dataclass
class Box(Generic[_T]):
    held: _T


class Outer:
    @dataclasses.dataclass
    class Inner:
        n: int


class Refused(Exception):
    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Missing(FileNotFoundError):
    def __init__(self, name: str) -> None:
        super().__init__(2, "not there", name)


def _tool() -> None:
    """Stand for a tool of this module."""


HERE = Scope(_tool)


def _again(value: Any) -> Any:
    return read(write(value, HERE).text, HERE)


def _told(value: Any) -> Any:
    """Return a value in a form that tells types apart which are equal: 1, 1.0 and True."""
    if isinstance(value, list | tuple):
        return type(value), [_told(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    if isinstance(value, dict):
        return type(value), [(_told(key), _told(member)) for key, member in value.items()]
    if isinstance(value, Node):
        return Node, _told(vars(value))
    if isinstance(value, Leaf):
        return Leaf, _told(value.value)
    return type(value), repr(value)


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
_HASHABLE = (
    _PLAIN | st.binary() | st.dates() | st.datetimes() | st.uuids() | st.decimals(allow_nan=False) | st.timedeltas()
)
_JSON = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_HASHABLE.filter(lambda key: key == key), inner, max_size=3)
        | st.builds(Leaf, inner)
        | st.builds(Node, st.text(), st.lists(inner, max_size=2))
        | st.builds(Point, st.integers(), inner)
        | st.sets(st.integers() | st.text(), max_size=3)
        | st.frozensets(st.binary(), max_size=3)
    )


@settings(max_examples=50)
@given(_JSON)
def test_any_json_value_is_given_again_with_its_types(value: Any) -> None:
    assert _told(_again(value)) == _told(value)


@settings(max_examples=50)
@given(st.recursive(_HASHABLE | st.sampled_from([*Colour, *Level, *Access]), _containers, max_leaves=15))
def test_any_value_of_known_types_is_given_again_with_its_types(value: Any) -> None:
    assert _told(_again(value)) == _told(value)


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"])), st.lists))
def test_a_value_that_json_tells_needs_no_types(value: Any) -> None:
    written = write(value, HERE)
    assert written.is_plain
    assert json.loads(written.text) == value


ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=ZURICH, fold=1),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        time(3, 4, 5, 6),
        Decimal("1.10"),
        complex(1, -0.0),
        bytearray(b"\x00"),
        Path("a/b"),
        PurePosixPath("/a"),
        PureWindowsPath("c:/a"),
        {"$": "date", "value": "not a date"},
        {("a", 1): {2: None}},
        Outer.Inner(1),
        Box([1]),
        Item(name="n", when=date(2026, 1, 1), more={"when": datetime(2026, 1, 1)}),
        Loose(items=[Item(name="n", when=date(2026, 1, 1))], other=(1, 2)),  # pyright: ignore[reportCallIssue] - extra
        [{"item": Item(name="n", when=date(2026, 1, 1))}],
        Row(name="n"),
        Access.READ | Access.WRITE,
        "\ud800",
        "\ud83d\ude00",
        float("inf"),
    ],
    ids=repr,
)
def test_a_value_is_given_again_equal_and_of_its_type(value: Any) -> None:
    again = _again(value)
    assert (again, repr(again), type(again)) == (value, repr(value), type(value))


def test_a_time_keeps_its_zone_and_its_fold() -> None:
    again = _again(datetime(2026, 10, 25, 2, 30, tzinfo=ZURICH, fold=1))
    assert (again.tzinfo, again.fold, again.utcoffset()) == (ZURICH, 1, timedelta(hours=1))


def test_a_model_keeps_what_was_set_and_what_is_hidden() -> None:
    item = Item(name="n", when=date(2026, 1, 1))
    item._hidden = 7
    again = _again(item)
    assert (again.model_fields_set, again._hidden) == ({"name", "when"}, 7)


def test_no_code_of_a_class_runs_when_it_is_given_again() -> None:
    node = Node("n")
    node.made, node.extra = 5, "changed"
    again = _again(node)
    assert (again.made, again.extra) == (5, "changed")


@pytest.mark.parametrize(
    "error",
    [
        KeyError("k"),
        OSError(2, "no", "file"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        ImportError("no", name="module"),
        Refused(4, why="closed"),
        Missing("file"),
        json.JSONDecodeError("bad", "{", 1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_given_again_as_it_was(error: Exception) -> None:
    again = _again(error)
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert vars(again) == vars(error)
    for name in ("errno", "filename", "name", "reason"):
        assert getattr(again, name, None) == getattr(error, name, None)


class _OwnWay:
    pass


class _Text(str):
    __slots__ = ()


@dataclasses.dataclass
class _Half:
    a: int = dataclasses.field(init=False)


_CIRCLE: list[Any] = []
_CIRCLE.append(_CIRCLE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_OwnWay(), "_OwnWay is not restored"),
        ({"a": [1, _OwnWay()]}, "at /a/1, a .*_OwnWay is not restored"),
        (Leaf({"deep": io.StringIO()}), "at /value/deep, a _io.StringIO is not restored"),
        (
            Item(name="n", when=date(2026, 1, 1), more={"f": io.StringIO()}),
            "at /more/f, a _io.StringIO is not restored",
        ),
        (lambda: 1, "function is not restored"),
        (_Text("t"), "_Text is not restored"),
        (collections.OrderedDict(a=1), "OrderedDict is not restored"),
        (_Half(), "has no value in a"),
        (_CIRCLE, "holds itself"),
        (10**5000, "too long a number"),
        (__import__("http").HTTPStatus.OK, "HTTPStatus of http stands neither"),
        (os.stat_result(range(10)), "stat_result is not restored"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_given_again_is_refused_with_its_place(value: Any, reason: str) -> None:
    with pytest.raises(NotRestorable, match=reason):
        write(value, HERE)


# --- where classes are looked up ------------------------------------------------------------------------------------


def _module(name: str, code: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(code, vars(module))
    return module


@pytest.fixture
def shapes() -> Iterator[types.ModuleType]:
    code = "import dataclasses\n@dataclasses.dataclass\nclass Shape:\n    side: int\n"
    yield _module("shapes_of_a_test", code)
    del sys.modules["shapes_of_a_test"]


def test_a_class_is_found_by_the_return_annotation_and_in_what_that_refers_to(shapes: types.ModuleType) -> None:
    drawing = dataclasses.make_dataclass("Drawing", [("shapes", list[shapes.Shape])])
    drawing.__module__ = "elsewhere"

    def draw() -> None: ...

    draw.__annotations__["return"] = dict[str, drawing | None]
    scope = Scope(draw)
    written = write({"a": drawing([shapes.Shape(2)])}, scope).text
    assert read(written, scope) == {"a": drawing([shapes.Shape(2)])}
    with pytest.raises(NotRestorable, match="Drawing of elsewhere stands neither in the tool's return annotation nor"):
        read(written, HERE)


def test_a_class_is_found_in_a_module_that_stands_beside_the_tool(shapes: types.ModuleType) -> None:
    beside = types.FunctionType(_tool.__code__, {"shapes": shapes})
    assert read(write(shapes.Shape(1), Scope(beside)).text, Scope(beside)) == shapes.Shape(1)


def test_a_class_that_is_defined_anew_is_the_one_that_is_made(shapes: types.ModuleType) -> None:
    beside = Scope(types.FunctionType(_tool.__code__, {"shapes": shapes}))
    written = write(shapes.Shape(1), beside).text
    exec("@dataclasses.dataclass\nclass Shape:\n    side: int\n", vars(shapes))
    assert type(read(written, beside)) is shapes.Shape
    assert write(shapes.Shape(1), beside).text == written


def test_a_class_is_found_behind_wrappers_and_in_closures() -> None:
    @dataclasses.dataclass
    class Local:
        n: int

    def tool() -> Local:
        return Local(1)

    scope = Scope(functools.partial(functools.wraps(tool)(lambda: None)))
    assert read(write(Local(2), scope).text, scope) == Local(2)


def test_a_cassette_imports_nothing_and_makes_nothing_but_data() -> None:
    for named in (["subprocess", "Popen"], ["os", "system"], ["builtins", "eval"], ["antigravity", "Any"]):
        for tag in ("dataclass", "model", "enum", "namedtuple", "error"):
            with pytest.raises(NotRestorable):
                read(json.dumps({"$": tag, "class": named, "fields": {}, "more": {}, "args": [], "state": {}}), HERE)
    assert "antigravity" not in sys.modules
    for named in ("Path", "Scope", "Outer"):
        with pytest.raises(NotRestorable):
            read(json.dumps({"$": "dataclass", "class": [__name__, named], "fields": {}, "more": {}}), HERE)


def test_a_class_that_has_changed_since_is_refused() -> None:
    written = write(Leaf(1), HERE).text.replace('"value"', '"was"')
    with pytest.raises(NotRestorable, match="the class Leaf has changed since: value, was"):
        read(written, HERE)
    with pytest.raises(NotRestorable, match="does not fit"):
        read(write(Colour.RED, HERE).text.replace("RED", "BLUE"), HERE)


def test_a_class_of_a_program_is_found_where_the_program_is_imported() -> None:
    written = write(Leaf(1), HERE).text.replace(f'"{__name__}"', '"__main__"')
    assert read(written, HERE) == Leaf(1)


@pytest.mark.parametrize(
    "text", ["{", '{"$":"unknown"}', '{"$":"date","value":"[REDACTED:env:0a1b2c3d]"}', '{"$":"date"}']
)
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(NotRestorable):
        read(text, HERE)
