"""Load what the rules of redaction name: a function of the user's, a file of gitleaks rules. Rules in, the same with it out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from otel_agenttrace.config import Config, redaction_settings
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.in_force import open_sessions
from otel_agenttrace.redact import Redactor, environment_redactor
from otel_agenttrace.redaction import RedactionRules, SpanFinder
from otel_agenttrace.spans import telemetry
from otel_agenttrace_instrumentation.named import named_function
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["loaded_rules", "redactor_of", "settle_rules"]

_log: Final = logging.getLogger("otel_agenttrace")


def redactor_of(config: Config) -> Redactor:
    """Return the redactor that the settings ask for, with the secrets of this process's environment.

    Raises:
        ConfigError: If what they name is not there.
    """
    return environment_redactor(os.environ, loaded_rules(config.redact))


def loaded_rules(rules: RedactionRules) -> RedactionRules:
    """Return the rules with what they name.

    Raises:
        ConfigError: If it is not there: what was asked to be removed may not be written.
    """
    return replace(rules, loaded=tuple(_finders(rules))) if rules.hook or rules.gitleaks else rules


def settle_rules() -> None:
    """Read the rules for what is exported while no session is in force, once.

    If they cannot be read, one warning says so, and no text is exported: what they were to remove is not known.
    """
    if telemetry.rules is not None or open_sessions():
        return
    try:
        telemetry.rules = loaded_rules(redaction_settings(os.environ, pyproject_settings(Path.cwd())))
    except (ConfigError, OSError) as error:
        _log.warning("spans and metrics are exported without their texts: %s", error)
        telemetry.rules = RedactionRules(finders=(_unreadable,))


def _unreadable(_: str) -> Sequence[tuple[int, int]]:
    raise ConfigError("the rules of redaction cannot be read")


def _finders(rules: RedactionRules) -> Iterator[SpanFinder]:
    if rules.hook:
        yield cast("SpanFinder", named_function(rules.hook, "redaction hook"))
    if rules.gitleaks:
        from otel_agenttrace.redact.gitleaks import gitleaks_finder

        path = Path(rules.gitleaks)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the gitleaks rules {path} cannot be read: {error}") from error
        yield gitleaks_finder(text, str(path))
