"""Read YAML that nobody vouches for. Text in, plain values out: no objects, no dates, no bombs of aliases.

Numbers, texts, bytes, lists and mappings are built; what asks for more becomes `Unbuilt`. An alias is the same value
once more and costs nothing here, but whoever walks the document pays for each: so its whole extent is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import int64

__all__ = ["NotYaml", "Unbuilt", "parsed_yaml"]

_ALWAYS: Final = 64 << 20
_MAX_RATIO: Final = 20
"""A document that, with each alias written out, has more than 64 Mi characters and 20 times its size is a bomb."""

_DEEPEST: Final = 200
_RESOLVED: Final = frozenset({"bool", "float", "int", "null"})
_TAG: Final = "tag:yaml.org,2002:"


class NotYaml(ValueError):
    """A text that is no YAML, or may not be read: the text says why."""


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A value that a file wants to be an object of some class. It is never built."""

    tag: str


def parsed_yaml(content: bytes, *, extra: str, unique_keys: bool = False) -> object:
    """Return the one document of a file.

    Args:
        content: The file.
        extra: The extra of this package that brings PyYAML, for who has to install it.
        unique_keys: Whether a mapping that has a key twice is refused; else the last one counts.

    Raises:
        NotYaml: If it is no YAML, nested too deeply, or its aliases make it a bomb.
        ConfigError: If PyYAML is not there.
    """
    yaml = _yaml(extra)
    _check_depth(yaml, content)
    try:
        value: object = yaml.load(content, _strict_loader(yaml) if unique_keys else _loader(yaml))
    except yaml.YAMLError as error:
        raise NotYaml(f"not readable as YAML: {_shown(error)}") from None
    # explicit tags on values they do not fit: `!!int ''`, `!!bool perhaps`
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NotYaml(f"not readable as YAML: {type(error).__name__}: {error}") from None
    except RecursionError:
        raise NotYaml("not readable as YAML: it is nested too deeply") from None
    if _extent(value) > max(_ALWAYS, len(content) * _MAX_RATIO):
        raise NotYaml("refused: its aliases make it many times larger than it is")
    return value


def _shown(error: Exception) -> str:
    told = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    return " ".join(f"{told}".split())[:200] + (f", line {mark.line + 1}" if mark is not None else "")


def _yaml(extra: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"YAML files need PyYAML.\n  to fix   pip install 'otel-agenttrace[{extra}]'") from None
    return yaml


def _base(yaml: Any) -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_depth(yaml: Any, content: bytes) -> None:
    """Refuse deep nesting before anything recurses into it: the parser in C would end the process."""
    depth = 0
    try:
        for event in yaml.parse(content, _base(yaml)):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST:
                    raise NotYaml(f"not readable as YAML: it is nested more than {_DEEPEST} levels deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError as error:
        raise NotYaml(f"not readable as YAML: {_shown(error)}") from None


@cache
def _loader(yaml: Any) -> Any:
    """Return a loader of plain values. The tags of Python it knows are those that vcrpy writes, as plain values too."""
    base = _base(yaml)
    plain: dict[str | None, Callable[[Any, Any], object]] = {
        tag: base.yaml_constructors[tag]
        for tag in (_TAG + name for name in ("binary", "bool", "float", "int", "map", "null", "seq", "str"))
    }

    class PlainLoader(base):
        yaml_implicit_resolvers: Mapping[str, list[tuple[str, Any]]] = {
            first: [(tag, pattern) for tag, pattern in pairs if tag.removeprefix(_TAG) in _RESOLVED]
            for first, pairs in base.yaml_implicit_resolvers.items()
        }
        yaml_constructors: Mapping[str | None, Callable[[Any, Any], object]] = {
            **plain,
            _TAG + "int": _number_or_text(plain[_TAG + "int"]),
            "!binary": plain[_TAG + "binary"],  # Ruby's
            _TAG + "python/str": plain[_TAG + "str"],
            _TAG + "python/unicode": plain[_TAG + "str"],
            _TAG + "python/tuple": plain[_TAG + "seq"],
            _TAG + "python/object/new:_io.BytesIO": _first_of("state"),
            _TAG + "python/object/apply:builtins.iter": _first_of("args"),
            None: _unbuilt,
        }
        yaml_multi_constructors: Mapping[str, object] = {}

        def flatten_mapping(self, node: Any) -> None:
            """Leave `<<` a key like any other: merged mappings can double at each level."""

    return PlainLoader


@cache
def _strict_loader(yaml: Any) -> Any:
    """Return the loader of plain values that refuses a mapping with the same key twice."""
    plain: Any = _loader(yaml)

    class StrictLoader(plain):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            """Return the mapping of a node."""
            inherited: Any = super()
            mapping: Any = inherited.construct_mapping(node, deep)
            if len(mapping) < len(node.value):
                keys = [key.value for key, _ in node.value]
                twice = next((key for key in keys if keys.count(key) > 1), "")
                problem = f"a mapping has the key {str(twice)[:80]!r} twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
            return mapping

    return StrictLoader


def _unbuilt(_: Any, node: Any) -> object:
    return Unbuilt(str(node.tag)[:200])


def _number_or_text(number: Callable[[Any, Any], object]) -> Callable[[Any, Any], object]:
    """Return a constructor that leaves a number as it is written if it is larger than those of any recorder."""

    def construct(loader: Any, node: Any) -> object:
        value = number(loader, node)
        return str(node.value) if int64(value) is None else value

    return construct


def _first_of(member: str) -> Callable[[Any, Any], object]:
    """Return a constructor that gives the first item of a member: what is in a buffer, or behind an iterator."""

    def construct(loader: Any, node: Any) -> object:
        held: Any = loader.construct_mapping(node, deep=True).get(member)
        return cast("object", held[0]) if isinstance(held, list | tuple) and held else None

    return construct


def _extent(value: object) -> int:
    """Return how many characters a value has, about, with each alias written out.

    Raises:
        NotYaml: If it holds itself.
    """
    known: dict[int, int | None] = {}
    waiting: list[tuple[object, bool]] = [(value, False)]
    while waiting:
        one, is_walked = waiting.pop()
        inner = _inner(one)
        if is_walked:
            known[id(one)] = 1 + sum(_size(item, known) for item in inner)
        elif id(one) not in known:
            known[id(one)] = None
            waiting.append((one, True))
            waiting += [(item, False) for item in inner if isinstance(item, list | dict)]
        elif known[id(one)] is None:
            raise NotYaml("refused: a value holds itself")
    return _size(value, known)


def _inner(value: object) -> list[object]:
    if isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        return [*mapping, *mapping.values()]
    return cast("list[object]", value) if isinstance(value, list) else []


def _size(value: object, known: Mapping[int, int | None]) -> int:
    if isinstance(value, list | dict):
        return known[id(cast("object", value))] or 0
    return 1 + len(value) if isinstance(value, str | bytes) else 1
