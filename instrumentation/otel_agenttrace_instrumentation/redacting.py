"""Load what the rules of redaction name: a function of the user's, a file of gitleaks rules. Rules in, the same with it out."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from otel_agenttrace.config import Config
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.redact import Redactor, environment_redactor
from otel_agenttrace.redaction import RedactionRules, SpanFinder

__all__ = ["loaded_rules", "redactor_of"]


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


def _finders(rules: RedactionRules) -> Iterator[SpanFinder]:
    if rules.hook:
        yield _function(rules.hook)
    if rules.gitleaks:
        from otel_agenttrace.redact.gitleaks import gitleaks_finder

        path = Path(rules.gitleaks)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the gitleaks rules {path} cannot be read: {error}") from error
        yield gitleaks_finder(text, str(path))


def _function(hook: str) -> SpanFinder:
    module, _, name = hook.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the redaction hook {hook!r} cannot be loaded: {error}.\n  to fix   module:function, a module that Python finds"
        ) from error
    if not callable(function):
        raise ConfigError(f"the redaction hook {hook!r} is no function")
    return cast("SpanFinder", function)
