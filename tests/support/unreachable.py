"""Run commands where no network is: in a namespace of its own where the system lets us, and watched anywhere.

Each Python process tells every address that is not this machine's own to a file, and dies of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["alone", "ended_by_watch", "is_namespace_there", "run_unreachable", "watched"]

ended_by_watch: Final = 99
"""The exit code of a process that asked for another machine."""

_SITE: Final = f"""
import os, sys

OWN = ("localhost", "127.", "::1", "0.0.0.0")
EVENTS = {{"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0, "socket.gethostbyaddr": 0, "socket.getnameinfo": 0}}

def hear(event, arguments):
    if event not in EVENTS:
        return
    where = arguments[EVENTS[event]]
    host = where[0] if isinstance(where, tuple) else where if EVENTS[event] == 0 else None
    if host is None or host == "" or str(host).startswith(OWN):
        return
    with open(os.environ["NETWORK_EVENTS"], "a") as file:
        file.write(f"{{event}} {{host}} {{sys.argv}}\\n")
    os._exit({ended_by_watch})

sys.addaudithook(hear)
"""
_RAISE_LOOPBACK: Final = """
import fcntl, os, socket, struct, sys

UP, GET, SET = 1, 0x8913, 0x8914
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    name, flags = struct.unpack("16sh", fcntl.ioctl(control, GET, struct.pack("16sh", b"lo", 0))[:18])
    fcntl.ioctl(control, SET, struct.pack("16sh", name, flags | UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""
_INSIDE: Final = """
import json, subprocess, sys
from otel_agenttrace.demo.provider import DemoProvider

with DemoProvider() as provider:
    for command in json.loads(sys.argv[1]):
        code = subprocess.run([word.replace("{url}", provider.url) for word in command]).returncode
sys.exit(code)
"""


@cache
def _namespace() -> tuple[str, ...]:
    """Return the command that gives a process a network of its own, with nothing in it; empty if there is none."""
    for command in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        try:
            subprocess.run([*command, "true"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return ()


def alone() -> tuple[str, ...]:
    """Return what stands before a command that is to have no network but its own loopback; nothing where none can be made."""
    namespace = _namespace()
    return (*namespace, sys.executable, "-I", "-c", _RAISE_LOOPBACK) if namespace else ()


def is_namespace_there() -> bool:
    """Whether commands run in a network of their own, and not only watched."""
    return bool(_namespace())


def run_unreachable(
    commands: Sequence[Sequence[str]], folder: Path, variables: Mapping[str, str]
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run commands one after the other; return the result, with the code of the last, and the addresses asked for.

    `{url}` in a command is the address of the demo's provider, which runs beside them on loopback.
    """
    import json

    watch = watched(folder)
    dropped = ("OTEL_", "_OTEL_", "OPENAI_", "ANTHROPIC_", "CI", "NO_COLOR", "FORCE_COLOR")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment |= {**watch, "NO_COLOR": "1", **variables}
    result = subprocess.run(
        [*alone(), sys.executable, "-c", _INSIDE, json.dumps(commands)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return result, Path(watch["NETWORK_EVENTS"]).read_text(encoding="utf-8")


def watched(folder: Path) -> dict[str, str]:
    """Return the variables of a Python process that dies of another machine's address, told in the file `NETWORK_EVENTS`."""
    site = folder / "watch"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
    events = folder / "network-events"
    events.touch()
    return {"PYTHONPATH": str(site), "NETWORK_EVENTS": str(events)}
