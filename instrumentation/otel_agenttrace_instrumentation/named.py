"""Load a function of the user's own by its name. `module:function` in, function out."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from otel_agenttrace.errors import ConfigError

__all__ = ["named_function"]


def named_function(name: str, what: str) -> Callable[..., Any]:
    """Return a function by the name `module:function`; `what` says what it is for.

    Raises:
        ConfigError: If it cannot be loaded, or is no function.
    """
    module, _, member = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), member)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the {what} {name!r} cannot be loaded: {error}.\n  to fix   module:function, a module that Python finds"
        ) from error
    if not callable(function):
        raise ConfigError(f"the {what} {name!r} is no function")
    return function
