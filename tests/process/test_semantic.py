"""The local embedder in a process of its own: quiet, alone, as the package's own code has it, and paid for on use only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.processes import instrumented_environment, run_python

_TEXTS: Final = ["Your refund will arrive.", "Ein ß, ein 🙂, and\n\ttabs", "word " * 3000, "\0"]

_EMBED: Final = """
import json, logging, sys
import otel_agenttrace.semantic
from otel_agenttrace.embedders import local_embedder
heavy = {"numpy", "tokenizers", "safetensors", "wordllama", "requests"}
before = heavy & set(sys.modules)
vectors = local_embedder()(json.loads(sys.argv[1]))
print(json.dumps({
    "before": sorted(before), "after": sorted(heavy & set(sys.modules)), "handlers": len(logging.root.handlers),
    "level": logging.root.level, "vectors": vectors,
}))
"""

_THEIRS: Final = """
import json, sys
from pathlib import Path
import wordllama
folder = Path(wordllama.__file__).parent
own = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
print(json.dumps([own.embed(text).tolist()[0] for text in json.loads(sys.argv[1])]))
"""


def _run(code: str, *, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-c", code, json.dumps(_TEXTS)]
    environment = instrumented_environment(None, None)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)


def test_it_is_quiet_loads_on_use_and_gives_the_vectors_of_the_packages_own_code() -> None:
    ours = _run(_EMBED, flags=("-W", "error"))
    told = json.loads(ours.stdout)
    assert ours.stderr == ""
    assert (told["before"], told["after"]) == ([], ["numpy", "safetensors", "tokenizers"])
    assert (told["handlers"], told["level"]) == (0, 30)
    theirs = json.loads(_run(_THEIRS).stdout)
    gaps = [
        abs(a - b) for one, other in zip(told["vectors"], theirs, strict=True) for a, b in zip(one, other, strict=True)
    ]
    assert len(gaps) == 256 * len(_TEXTS)
    assert max(gaps) < 1e-5


def test_a_package_without_its_model_is_named_and_nothing_is_fetched(tmp_path: Path) -> None:
    package = tmp_path / "wordllama"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "weights" / "l2_supercat_256.safetensors").touch()
    code = "from otel_agenttrace.semantic import semantic_similarity\nsemantic_similarity('a', 'b')"
    environment = instrumented_environment(None, None, PYTHONPATH=os.fspath(tmp_path))
    result = run_python(code, environment, check=False)
    assert result.returncode == 1
    assert (
        "ConfigError: Texts cannot be compared on this machine: the installed wordllama has no tokenizers/"
        in result.stderr
    )
    assert "pip install --upgrade 'otel-agenttrace[semantic]', or give an embedder" in result.stderr


def test_without_the_extra_an_embedder_of_ones_own_is_enough() -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(["wordllama", "numpy", "tokenizers", "safetensors"]))
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.semantic import assert_semantic_similarity
assert_semantic_similarity("a", "b", embedder=lambda texts: [[1.0] for _ in texts])
try:
    assert_semantic_similarity("a", "b")
except ConfigError as error:
    print(error)
"""
    told = run_python(code, instrumented_environment(None, None)).stdout
    assert told.startswith("Texts cannot be compared on this machine: the package wordllama is not installed.")
