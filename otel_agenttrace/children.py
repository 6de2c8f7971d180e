"""Child processes of a guarded replay: what environment they are given, and which cannot be brought under it.

A Python child is led into the replay by two variables. Any other gets the address of a proxy that nobody listens at.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import wrapt

from otel_agenttrace.environment import RUN
from otel_agenttrace.proxies import drop_nowhere, leading_nowhere

__all__ = ["escape", "join", "leave", "python_path"]

_SITE: Final = Path(__file__).parent / "site"
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*w?t?d?(\.exe)?", re.IGNORECASE)
_WITH_VALUE: Final = "--check-hash-based-pycs"
"""The one long option of an interpreter that is followed by a value."""

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
    name = _name(program) if program is not None else "".join(words[:1])
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
        is_value = option == _WITH_VALUE or (letters[-1:] in ("W", "X") and len(letters) == len(flags) + 1)
    return None


# --- what children are given ------------------------------------------------------------------------------------------


class _Patch:
    """A function that starts programs, wrapped while a guard is open; a place somebody wrapped since is left."""

    def __init__(self, owner: object, name: str, wrapper: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._wrapper = wrapper
        self._original: Any = None
        self._ours: Any = None

    def put_in(self) -> None:
        self._original = vars(self._owner)[self._name]
        self._ours = wrapt.FunctionWrapper(self._original, self._wrapper)
        setattr(self._owner, self._name, self._ours)

    def take_out(self) -> None:
        if vars(self._owner)[self._name] is self._ours:
            setattr(self._owner, self._name, self._original)


class _Asked:
    """Whom to ask for the hosts that a child may reach which is started here and now; None: it is not kept in."""

    def __init__(self) -> None:
        self.direct: Callable[[], tuple[str, ...] | None] = lambda: None


_asked: Final = _Asked()


def join(direct: Callable[[], tuple[str, ...] | None]) -> None:
    """Give each child an environment that brings it into the replay, or keeps it in.

    Args:
        direct: Returns the hosts that a child may reach which is started here and now; None if no guard is meant.
    """
    _asked.direct = direct
    for patch in _patches:
        patch.put_in()


def leave() -> None:
    """Let children have the environment that the program gives them."""
    for patch in _patches:
        patch.take_out()


def _begin(wrapped: Callable[..., None], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the constructor of `subprocess.Popen`."""
    given = args[_ENV] if len(args) > _ENV else kwargs.get("env")
    before = _decoded(given) if given is not None else dict(os.environ)
    environment = _environment(before, is_python=_is_python(_program(args, kwargs)))
    if environment == before:
        wrapped(*args, **kwargs)
    elif len(args) > _ENV:
        wrapped(*args[:_ENV], environment, *args[_ENV + 1 :], **kwargs)
    else:
        wrapped(*args, **{**kwargs, "env": environment})


def _system(wrapped: Callable[..., int], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Run `os.system`: its shell has the environment of this process, and is told what it lacks in its first line."""
    command = args[0] if args else kwargs.get("command")
    changed = _environment(os.environ, is_python=False).items() - os.environ.items()
    if not changed or not isinstance(command, str | bytes | os.PathLike):
        return wrapped(*args, **kwargs)
    told = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(changed))
    return wrapped(f"export {told}; {os.fsdecode(cast('Any', command))}")


def _replace(wrapped: Callable[..., None], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run `os.execv`, which gives the environment of this process; if it fails, that is as it was."""
    before = dict(os.environ)
    if args and not _is_python(_name(args[0])):
        os.environ.update(_environment(before, is_python=False))
    try:
        wrapped(*args, **kwargs)
    finally:
        _restore(before)


def _restore(before: Mapping[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _begin_other(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a function that is given program, arguments and environment; a Python without ours is not started at all."""
    program = args[0] if args else kwargs.get("path")
    given = args[2] if len(args) > 2 else kwargs.get("env")
    if not isinstance(given, Mapping) or _is_python(_name(program)):
        return wrapped(*args, **kwargs)
    environment = _environment(_decoded(cast("Mapping[Any, Any]", given)), is_python=False)
    if len(args) > 2:
        return wrapped(*args[:2], environment, *args[3:], **kwargs)
    return wrapped(*args, **{**kwargs, "env": environment})


_WRAPPERS: Final = {
    "execv": _replace,
    "execve": _begin_other,
    "posix_spawn": _begin_other,
    "posix_spawnp": _begin_other,
    **({"system": _system} if os.name == "posix" else {}),
}
"""What stands in for functions of `os`; those for `spawn…`, the other `exec…` and `popen` go by these."""

_patches: Final = (
    _Patch(subprocess.Popen, "__init__", _begin),
    *(_Patch(os, name, wrapper) for name, wrapper in _WRAPPERS.items() if hasattr(os, name)),
)


def _program(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the program that `Popen` is to run; a command for a shell is no Python."""
    command = kwargs.get("executable") or (args[0] if args else kwargs.get("args"))
    first = command[0] if _is_list(command) and command else command
    return "" if kwargs.get("shell") else _name(first)


def _name(program: object) -> str:
    """Return a program as a text; one that is open already has no name."""
    return os.fsdecode(cast("Any", program)) if isinstance(program, str | bytes | os.PathLike) else ""


def _environment(given: Mapping[str, str], *, is_python: bool) -> dict[str, str]:
    environment = dict(given)
    direct = _asked.direct()
    if direct is None:
        return environment
    if RUN in os.environ:
        environment |= {RUN: os.environ[RUN], "PYTHONPATH": python_path(given)}
    if is_python:
        drop_nowhere(environment)
    else:
        environment |= leading_nowhere(direct)
    return environment


def _decoded(environment: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
