"""Stand-in credentials while a replay is guarded: cloud libraries would ask the network for real ones, which opens nothing.

Each function makes the wrapper of one kind of seam. A stand-in is past its time at once, so that nobody keeps it.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from otel_agenttrace.in_force import is_guarded_here

__all__ = ["PLACEHOLDER", "aws", "azure_token", "azure_token_info", "google_default", "google_refresh"]

PLACEHOLDER: Final = "agenttrace-replay"


def azure_token(_: ModuleType) -> Callable[..., Any]:
    """Give Azure's `get_token` a token."""
    return _azure("AccessToken")


def azure_token_info(_: ModuleType) -> Callable[..., Any]:
    """Give Azure's `get_token_info` a token."""
    return _azure("AccessTokenInfo")


def _azure(kind: str) -> Callable[..., Any]:
    def wrapper(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_guarded_here():
            return wrapped(*args, **kwargs)
        token = getattr(import_module("azure.core.credentials"), kind)(PLACEHOLDER, int(time.time()))
        return _soon(token) if inspect.iscoroutinefunction(wrapped) else token

    return wrapper


async def _soon(token: Any) -> Any:
    return token


def google_default(_: ModuleType) -> Callable[..., Any]:
    """Give `google.auth.default` credentials, with the project that it finds on this machine."""

    def wrapper(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_guarded_here():
            return wrapped(*args, **kwargs)
        google: Any = import_module("google.oauth2.credentials")
        try:
            project = wrapped(*args, **kwargs)[1]
        except google.exceptions.DefaultCredentialsError:
            project = None
        return google.Credentials(PLACEHOLDER), project or os.environ.get("GOOGLE_CLOUD_PROJECT") or PLACEHOLDER

    return wrapper


def google_refresh(_: ModuleType) -> Callable[..., Any]:
    """Give Google's credentials a token when they are refreshed."""

    def wrapper(wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _refresh(owner) if is_guarded_here() else wrapped(*args, **kwargs)

    return wrapper


def _refresh(credentials: Any) -> None:
    credentials.token = PLACEHOLDER
    credentials.expiry = datetime.now(timezone.utc).replace(tzinfo=None)


def aws(_: ModuleType) -> Callable[..., Any]:
    """Give a session of botocore keys to sign with."""

    def wrapper(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_guarded_here():
            return wrapped(*args, **kwargs)
        return import_module("botocore.credentials").Credentials(PLACEHOLDER, PLACEHOLDER)

    return wrapper
