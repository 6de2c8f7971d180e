"""Child processes of a guarded replay: what environment they are given, and which cannot be brought under it.

A Python child is led into the replay by two variables. Any other gets the address of a proxy that nobody listens at.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import wrapt

from otel_agenttrace.egress import AllowList
from otel_agenttrace.environment import RUN

__all__ = ["drop_proxies", "escape", "join", "leave", "python_path"]

_SITE: Final = Path(__file__).parent / "site"
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*w?t?d?(\.exe)?", re.IGNORECASE)
_NOWHERE: Final = "http://127.0.0.1:9"
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_DIRECT: Final = ("NO_PROXY", "no_proxy")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_ENV: Final = 10
"""The place of `env` among the arguments of `subprocess.Popen`."""


def python_path(environ: Mapping[str, str]) -> str:
    """Return the PYTHONPATH that brings Python children into the run."""
    paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(_SITE)]
    return os.pathsep.join([str(_SITE), *paths])


# --- what cannot be watched -------------------------------------------------------------------------------------------


def escape(program: object, argv: object, environment: object) -> str | None:
    """Return what a Python child would be called that takes no guard along, or None if it does, or is no Python.

    Args:
        program: What is run; None if the arguments begin with it.
        argv: Its arguments, its own name first.
        environment: Its environment; None for ours.
    """
    words = [os.fsdecode(cast("Any", word)) for word in cast("Sequence[object]", argv)] if _is_list(argv) else []
    name = os.fsdecode(cast("Any", program)) if program is not None else "".join(words[:1])
    if not _is_python(name):
        return None
    flag = _isolating(words[1:])
    if flag is not None:
        return f"python -{flag}"
    told = _decoded(cast("Mapping[Any, Any]", environment)) if environment is not None else os.environ
    is_led = RUN in told and str(_SITE) in told.get("PYTHONPATH", "").split(os.pathsep)
    return None if is_led or RUN not in os.environ else "python with an environment of its own"


def _is_list(argv: object) -> bool:
    return isinstance(argv, list | tuple)


def _is_python(name: str) -> bool:
    return _PYTHON.fullmatch(Path(name).name) is not None


def _isolating(options: Sequence[str]) -> str | None:
    """Return the option of an interpreter that keeps our sitecustomize from it."""
    is_value = False
    for option in options:
        if is_value:
            is_value = False
            continue
        if not option.startswith("-") or option in ("-", "--"):
            return None
        letters = "" if option.startswith("--") else option[1:]
        flags = re.split(r"[cmWX]", letters, maxsplit=1)[0]
        for letter in flags:
            if letter in "IES":
                return letter
        if letters != flags and letters[len(flags)] in "cm":
            return None
        is_value = letters[-1:] in ("W", "X") and len(letters) == len(flags) + 1
    return None


# --- what children are given ------------------------------------------------------------------------------------------


class _Patch:
    """The constructor of `subprocess.Popen`, wrapped while a guard is open; a place somebody wrapped since is left."""

    def __init__(self) -> None:
        self.direct: tuple[str, ...] = ()
        self._original: Any = None
        self._ours: Any = None

    def put_in(self) -> None:
        self._original = vars(subprocess.Popen)["__init__"]
        self._ours = wrapt.FunctionWrapper(self._original, _begin)
        self._set(self._ours)

    def take_out(self) -> None:
        if vars(subprocess.Popen)["__init__"] is self._ours:
            self._set(self._original)

    @staticmethod
    def _set(constructor: Any) -> None:
        cast("Any", subprocess.Popen).__init__ = constructor


_patch: Final = _Patch()


def join(allowed: AllowList) -> None:
    """Give each child that `subprocess` starts an environment that brings it into the replay, or keeps it in."""
    _patch.direct = (*_LOOPBACK, *allowed.hosts)
    _patch.put_in()


def leave() -> None:
    """Let children have the environment that the program gives them."""
    _patch.take_out()


def drop_proxies(environ: MutableMapping[str, str]) -> None:
    """Take back the proxies of a program that started this one, and is no Python: here a guard names the hosts."""
    if environ.get(_PROXIES[0]) == _NOWHERE:
        for name in (*_PROXIES, *_DIRECT):
            environ.pop(name, None)


def _begin(wrapped: Callable[..., None], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    given = args[_ENV] if len(args) > _ENV else kwargs.get("env")
    before = _decoded(given) if given is not None else dict(os.environ)
    environment = _environment(before, is_python=_is_python(_program(args, kwargs)))
    if environment == before:
        wrapped(*args, **kwargs)
    elif len(args) > _ENV:
        wrapped(*args[:_ENV], environment, *args[_ENV + 1 :], **kwargs)
    else:
        wrapped(*args, **{**kwargs, "env": environment})


def _program(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the program that `Popen` is to run; a command for a shell is no Python."""
    command = kwargs.get("executable") or (args[0] if args else kwargs.get("args"))
    first = command[0] if _is_list(command) and command else command
    is_name = isinstance(first, str | bytes | os.PathLike)
    return os.fsdecode(cast("Any", first)) if is_name and not kwargs.get("shell") else ""


def _environment(given: Mapping[str, str], *, is_python: bool) -> dict[str, str]:
    environment = dict(given)
    if RUN in os.environ:
        environment |= {RUN: os.environ[RUN], "PYTHONPATH": python_path(given)}
    if is_python:
        drop_proxies(environment)
    else:
        environment |= {**dict.fromkeys(_PROXIES, _NOWHERE), **dict.fromkeys(_DIRECT, ",".join(_patch.direct))}
    return environment


def _decoded(environment: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
