"""Hold spans and metrics against the registry of the GenAI conventions: telemetry in, findings out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from opentelemetry.sdk.metrics.export import Histogram, Metric, Sum
from opentelemetry.sdk.trace import ReadableSpan

from otel_agenttrace import semconv
from otel_agenttrace.model import Span
from otel_agenttrace.processor import model_span

__all__ = ["CONTENT", "findings", "metric_findings"]

_HOME: Final = Path(__file__).parents[2] / "semconv"
_CHECKED: Final = ("gen_ai.", "openai.", "agenttrace.", "server.", "error.")

Place: TypeAlias = Literal["span", "event", "link", "resource", "metric"]
_Rows: TypeAlias = "Mapping[str, Mapping[str, Any]]"


# --- the registry -----------------------------------------------------------------------------------------------------


def _upstream(name: str) -> Mapping[str, Any]:
    return json.loads((_HOME / "upstream" / name).read_text(encoding="utf-8"))


# not the safe loader: to YAML 1.1 the key `on` is a truth
_OWN: Final[Mapping[str, Any]] = yaml.load((_HOME / "agenttrace.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
_GEN_AI: Final[_Rows] = _upstream("attributes.json")["attributes"]
_ATTRIBUTES: Final[_Rows] = {**_GEN_AI, **_OWN["attributes"]}
_TEMPLATES: Final = tuple(name for name, row in _ATTRIBUTES.items() if row["type"].startswith("template["))
_SPANS: Final[_Rows] = _upstream("spans.json")["spans"]
_REFINEMENTS: Final[_Rows] = _upstream("spans.json")["refinements"]
_METRICS: Final[_Rows] = _upstream("metrics_events.json")["metrics"]
_EVENTS: Final = frozenset({*_upstream("metrics_events.json")["events"], *_OWN["events"]})

CONTENT: Final = frozenset(name for row in _SPANS.values() for name in row["attributes"]["opt_in"])
"""The attributes that hold what users and models said: exported only where it is asked for."""

_OPEN_ENUMS: Final = frozenset(
    {
        semconv.ERROR_TYPE,
        semconv.GEN_AI_PROVIDER_NAME,
        semconv.GEN_AI_RESPONSE_STATUS,
        semconv.OPENAI_REQUEST_SERVICE_TIER,
    }
)
"""Their values are given by providers and errors; the values of all other enums are chosen by the instrumentation."""

_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "enum": str,
    "int": int,
    "double": float,
    "boolean": bool,
    "bytes": bytes,
}


def _row(name: str) -> Mapping[str, Any] | None:
    known = _ATTRIBUTES.get(name)
    if known is not None:
        return known
    template = next((each for each in _TEMPLATES if name.startswith(f"{each}.")), None)
    return {**_ATTRIBUTES[template], "type": _ATTRIBUTES[template]["type"][len("template[") : -1]} if template else None


def _members(row: Mapping[str, Any]) -> frozenset[str]:
    members: Sequence[Any] = row["members"]
    return frozenset(each if isinstance(each, str) else each["value"] for each in members)


# --- attributes -------------------------------------------------------------------------------------------------------


def _attribute_findings(place: Place, attributes: Mapping[str, object]) -> Iterator[str]:
    for name, value in attributes.items():
        if name.startswith(_CHECKED):
            yield from (f"{name}: {finding}" for finding in _value_findings(place, name, value))


def _value_findings(place: Place, name: str, value: object) -> Iterator[str]:
    row = _row(name)
    if row is None:
        yield "not in the registry"
        return
    if row.get("deprecated"):
        yield "deprecated"
    if row.get("on", place) != place:
        yield f"on a {place}, belongs on a {row['on']}"
    if not _is_of_type(value, row["type"]):
        yield f"{type(value).__name__} {value!r}, expected {row['type']}"
    elif row["type"] == "enum" and name not in _OPEN_ENUMS and value not in _members(row):
        yield f"{value!r} is none of its members"


def _is_of_type(value: object, wanted: str) -> bool:
    if wanted.endswith("[]"):
        items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else (None,)
        return all(_is_of_type(item, wanted.removesuffix("[]")) for item in items)
    if isinstance(value, bool) or wanted == "any":
        return wanted in ("boolean", "any")
    return isinstance(value, _TYPES[wanted])


# --- content ----------------------------------------------------------------------------------------------------------

_SCHEMAS: Final = _HOME / "upstream" / "schemas"
_JSON_CONTENT: Final = tuple(sorted(name for name in CONTENT if _ATTRIBUTES[name]["type"] == "any"))
_formats: Final = FormatChecker(formats=())


@_formats.checks("binary", raises=ValueError)
def _is_base64(value: object) -> bool:
    if isinstance(value, str):
        base64.b64decode(value, validate=True)
    return True


def _content_findings(attributes: Mapping[str, object]) -> Iterator[str]:
    for name in _JSON_CONTENT:
        if name in attributes:
            yield from (f"{name}{finding}" for finding in _document_findings(name, attributes[name]))


def _document_findings(name: str, written: object) -> Iterator[str]:
    if not isinstance(written, str):
        yield f": {type(written).__name__}, expected a JSON string"
        return
    try:
        document = json.loads(written)
    except ValueError:
        yield f": {written[:60]!r} is no JSON"
        return
    yield from _validated(name)(document)


@cache
def _validated(name: str) -> Callable[[Any], list[str]]:
    """Return what tells where a document is not as its schema has it."""
    file = _SCHEMAS / f"{re.sub(r'[._]', '-', name)}.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    validator: Any = Draft202012Validator(_dispatching(schema, schema.get("$defs", {})), format_checker=_formats)
    return lambda document: [
        f"{error.json_path.removeprefix('$')}: {error.message[:200]}" for error in validator.iter_errors(document)
    ]


def _dispatching(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema where a part is judged by its type: upstream's would let any part pass as a generic one."""
    if isinstance(schema, list):
        return [_dispatching(item, definitions) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    told = cast("Mapping[str, Any]", schema)
    choices: Sequence[Any] = told.get("anyOf", ())
    if any("Generic" in choice.get("$ref", "") for choice in choices):
        return {"allOf": [_applied(choice, definitions[choice["$ref"].rpartition("/")[2]]) for choice in choices]}
    return {name: _dispatching(value, definitions) for name, value in told.items()}


def _applied(choice: Mapping[str, Any], definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a choice that binds values of its type only; a generic one binds all."""
    kind = definition["properties"]["type"].get("const")
    if kind is None:
        return choice
    return {"if": {"properties": {"type": {"const": kind}}, "required": ["type"]}, "then": choice}


# --- spans ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _SpanType:
    """A span type of the registry, as it applies to one span."""

    name: str
    kinds: frozenset[str]
    names: tuple[str, ...]
    required: frozenset[str]
    listed: frozenset[str]


def findings(span: Span | ReadableSpan) -> list[str]:
    """Return what of a span is not as the conventions have it; spans that tell no GenAI operation have no set form."""
    told = span if isinstance(span, Span) else model_span(span)
    return [
        *_attribute_findings("span", told.attributes),
        *_attribute_findings("resource", told.resource),
        *(finding for link in told.links for finding in _attribute_findings("link", link.attributes)),
        *_event_findings(told),
        *_content_findings(told.attributes),
        *_form_findings(told),
        *_status_findings(told),
    ]


def _event_findings(span: Span) -> Iterator[str]:
    for event in span.events:
        if event.name.startswith(_CHECKED) and event.name not in _EVENTS:
            yield f"event {event.name}: not in the registry"
        yield from _attribute_findings("event", event.attributes)


def _status_findings(span: Span) -> Iterator[str]:
    if span.status == "OK":
        yield "status OK, which is for the application to set"
    if span.status == "ERROR" and semconv.ERROR_TYPE not in span.attributes:
        yield "error.type: missing, the status is ERROR"
    if span.status != "ERROR" and semconv.ERROR_TYPE in span.attributes:
        yield f"error.type: present, the status is {span.status}"


def _form_findings(span: Span) -> Iterator[str]:
    if span.operation is None:
        yield from _without_operation_findings(span.attributes)
        return
    types = _types_of(span)
    if not types:
        return
    fitting = [each for each in types if span.kind in each.kinds]
    if not fitting:
        yield f"kind {span.kind}, expected {_either(kind for each in types for kind in each.kinds)}"
    yield from _name_findings(span, fitting or types)
    yield from _presence_findings(span.attributes, (fitting or types)[0])


def _without_operation_findings(attributes: Mapping[str, object]) -> Iterator[str]:
    if any(name.startswith("gen_ai.") for name in attributes) and "mcp.method.name" not in attributes:
        yield "gen_ai.operation.name: missing beside other gen_ai attributes"


def _types_of(span: Span) -> list[_SpanType]:
    rows = ((name, row) for name, row in _SPANS.items() if span.operation in row["operation_names"])
    return [_span_type(name, row, span.attributes) for name, row in rows]


def _span_type(name: str, row: Mapping[str, Any], attributes: Mapping[str, object]) -> _SpanType:
    refined = [each for each in _REFINEMENTS.values() if each["ref"] == name and _applies(each, attributes)]
    levels: Mapping[str, Mapping[str, str]] = row["attributes"]
    return _SpanType(
        name,
        frozenset(kind.upper() for kind in (row["kind"], row["kind_may_be"]) if kind),
        tuple(row["name"]),
        frozenset({*levels["required"], *(each for extra in refined for each in extra.get("required", ()))}),
        frozenset(each for level in levels.values() for each in level),
    )


def _applies(refinement: Mapping[str, Any], attributes: Mapping[str, object]) -> bool:
    when: Mapping[str, str] = refinement.get("when", {})
    return all(attributes.get(name) == value for name, value in when.items())


def _name_findings(span: Span, types: Iterable[_SpanType]) -> Iterator[str]:
    expected = {_name_of(each.names, span.attributes) for each in types} - {None}
    if expected and span.name not in expected:
        yield f"name {span.name!r}, expected {_either(repr(name) for name in expected)}"


def _name_of(formats: Iterable[str], attributes: Mapping[str, object]) -> str | None:
    """Return the first form of a span's name whose attributes are there."""
    for form in formats:
        if all(name in attributes for name in re.findall(r"{(.+?)}", form)):
            return re.sub(r"{(.+?)}", lambda found: str(attributes[found[1]]), form)
    return None


def _presence_findings(attributes: Mapping[str, object], kind: _SpanType) -> Iterator[str]:
    for name in sorted(kind.required - attributes.keys()):
        yield f"{name}: required by {kind.name}"
    if semconv.SERVER_ADDRESS in attributes and semconv.SERVER_PORT not in attributes:
        yield f"{semconv.SERVER_PORT}: missing beside {semconv.SERVER_ADDRESS}"
    for name in attributes:
        if (name.startswith("gen_ai.usage.") or name in CONTENT) and name not in kind.listed:
            yield f"{name}: no attribute of {kind.name}"


def _either(values: Iterable[str]) -> str:
    return " or ".join(sorted(set(values)))


# --- metrics ----------------------------------------------------------------------------------------------------------


def metric_findings(metric: Metric) -> list[str]:
    """Return what of a metric is not as the conventions have it: name, unit, instrument, buckets, attributes."""
    row = _METRICS.get(metric.name)
    if row is None:
        return ["not in the registry"]
    points: list[str] = [each for point in metric.data.data_points for each in _point_findings(metric.name, row, point)]
    return [*_instrument_findings(metric, row), *dict.fromkeys(points)]


def _instrument_findings(metric: Metric, row: Mapping[str, Any]) -> Iterator[str]:
    if metric.unit != row["unit"]:
        yield f"unit {metric.unit!r}, expected {row['unit']!r}"
    if _instrument(metric) != row["instrument"]:
        yield f"{_instrument(metric)}, expected {row['instrument']}"


def _instrument(metric: Metric) -> str:
    if isinstance(metric.data, Histogram):
        return "histogram"
    if isinstance(metric.data, Sum):
        return "counter" if metric.data.is_monotonic else "updowncounter"
    return type(metric.data).__name__.lower()


def _point_findings(metric: str, row: Mapping[str, Any], point: Any) -> Iterator[str]:
    attributes: Mapping[str, object] = point.attributes
    levels: Mapping[str, Mapping[str, str]] = row["attributes"]
    yield from _attribute_findings("metric", attributes)
    yield from (f"{name}: required" for name in levels["required"] if name not in attributes)
    listed = {name for level in levels.values() for name in level}
    yield from (f"{name}: no attribute of this metric" for name in attributes if name not in listed)
    buckets = list(getattr(point, "explicit_bounds", ()))
    if buckets != (row["buckets"] or []):
        yield f"buckets {buckets}, expected {row['buckets']}"
    measured = getattr(point, "value", None) if row["instrument"] == "counter" else point.sum
    if row.get("value_type") == "int" and isinstance(measured, float):
        yield f"value {measured!r}, expected int"
    operation, meant = attributes.get(semconv.GEN_AI_OPERATION_NAME), _operations_meant(metric)
    if meant and operation not in meant:
        yield f"measures {operation}, is for {_either(meant)}"


def _operations_meant(metric: str) -> frozenset[str]:
    """Return the operations of the span type a metric is named after, none if it is named after none."""
    owner = next((name for name in _SPANS if metric.startswith(f"{name}.")), None)
    return frozenset(_SPANS[owner]["operation_names"]) if owner else frozenset()
