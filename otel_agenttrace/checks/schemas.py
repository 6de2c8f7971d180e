"""JSON Schemas of users: compiled once, asked often. Schema in, what is wrong with a value out. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from otel_agenttrace.checks.wording import short
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json

__all__ = ["Schema", "schema_of"]


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema. `source` names the rule it is from."""

    told: Mapping[str, object] | bool
    source: str
    validator: Any = field(repr=False, compare=False)

    def problem(self, value: Json) -> str:
        """Return the first thing that is wrong with a value, and where; empty if it fits.

        Raises:
            ConfigError: If the schema refers to one that it does not hold, or to itself without an end.
        """
        unresolvable: Any = import_module("referencing.exceptions").Unresolvable
        try:
            error = next(iter(self.validator.iter_errors(value)), None)
        except unresolvable as error:
            raise ConfigError(
                f"{self.source} refers to a schema that it does not hold: {error}\n"
                "  to fix   put it into $defs and refer to it by #/$defs/NAME; nothing is fetched"
            ) from None
        except RecursionError:
            raise ConfigError(
                f"{self.source} refers to itself without an end.\n  to fix   end the circle of $ref"
            ) from None
        return "" if error is None else f"{error.json_path}: {short(error.message)}"


def schema_of(told: Mapping[str, object] | bool, source: str) -> Schema:
    """Return a schema, by its `$schema`, else by the draft of 2020-12.

    Raises:
        ConfigError: If it is none, or if jsonschema is not there.
    """
    try:
        jsonschema: Any = import_module("jsonschema")
        known: Any = import_module("jsonschema_specifications")
    except ImportError:
        raise ConfigError(f"{source} needs jsonschema.\n  to fix   pip install 'otel-agenttrace[checks]'") from None
    kind = jsonschema.validators.validator_for(told, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(told)
    except jsonschema.SchemaError as error:
        raise ConfigError(
            f"{source} is no JSON Schema: {short(error.message)} at {error.json_path}\n  to fix   mend it"
        ) from None
    return Schema(told, source, kind(told, registry=known.REGISTRY))
