"""What a check, a comparison or a policy has found. Rule and evidence in one frozen line of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text

__all__ = ["Finding", "Severity", "finding_of"]

Severity: TypeAlias = Literal["info", "warning", "critical"]
_SEVERITIES: Final = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        rule: The name of the rule that is broken, such as `max_cost_usd`.
        message: What was found, beside what was wanted. Further lines are indented by two: evidence, then `to fix`.
        severity: How bad it is.
        span_ids: The spans that show it, in order of start.
    """

    rule: str
    message: str
    severity: Severity = "critical"
    span_ids: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the finding as JSON: `rule`, `message`, `severity`, `span_ids`."""
        return {
            "rule": self.rule,
            "message": self.message,
            "severity": self.severity,
            "span_ids": list(self.span_ids),
        }

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


def finding_of(document: Json) -> Finding:
    """Return the finding that a JSON value tells, as `Finding.to_json` writes it; an odd severity is critical."""
    told = obj(document)
    severity = told.get("severity")
    return Finding(
        rule=text(told.get("rule")) or "",
        message=text(told.get("message")) or "",
        severity=cast("Severity", severity) if severity in _SEVERITIES else "critical",
        span_ids=tuple(filter(None, map(text, array(told.get("span_ids"))))),
    )
