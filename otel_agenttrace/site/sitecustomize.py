"""Put on PYTHONPATH by `otel-agenttrace record` and `replay`: starts us in every Python process of the command."""

import importlib.util
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


_run_shadowed_sitecustomize()

try:
    from otel_agenttrace.autoload import pre_instrument
except ImportError:  # another interpreter, in which we are not installed
    pass
else:
    pre_instrument()
