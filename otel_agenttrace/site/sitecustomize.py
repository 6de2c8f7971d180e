"""Put on PYTHONPATH by `otel-agenttrace record` and `replay`: starts us in every Python process of the command."""

import importlib.util
import json
import os
import sys
from pathlib import Path


def _run_shadowed_sitecustomize() -> None:
    """Run the sitecustomize that this one hides."""
    here = Path(__file__).resolve().parent
    for place in sys.path:
        path = Path(place or ".") / "sitecustomize.py"
        if path.is_file() and path.resolve().parent != here:
            spec = importlib.util.spec_from_file_location("sitecustomize", path)
            if spec is not None and spec.loader is not None:
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
            return


def _tell_that_we_are_missing() -> None:
    """Say that this process is not watched. The command of a replay may not go live; tools beside it may run."""
    told = os.environ.get("_OTEL_AGENTTRACE_RUN")
    if not told:
        return
    run = json.loads(told)
    sys.stderr.write(
        f"otel-agenttrace is not installed in {sys.executable}: nothing this process does is recorded or answered.\n"
        "  to fix   install it there, or run the command with the Python that has it\n"
    )
    is_command = os.environ.get("OTEL_AGENTTRACE_CASSETTE") and run["root_pid"] == os.getppid()
    if run["mode"] == "none" and is_command:
        sys.stderr.flush()
        os._exit(3)


_run_shadowed_sitecustomize()

try:
    from otel_agenttrace.autoload import pre_instrument
except ImportError:  # another interpreter, in which we are not installed
    _tell_that_we_are_missing()
else:
    pre_instrument()
