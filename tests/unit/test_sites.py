"""Where in the user's program a call was made: which frames are the user's, and which a library's."""

from __future__ import annotations

import code
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_TELLS: Final = "from otel_agenttrace.sites import call_site\nprint(call_site())\n"


def _told(*command: str, folder: Path, stdin: str | None = None) -> str:
    result = subprocess.run(
        (sys.executable, *command), cwd=folder, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("place", ["lib/python/agents", "lib/python3.11/agents", "my-site-packages", "app"])
def test_a_program_is_the_users_wherever_its_folder_stands(place: str, tmp_path: Path) -> None:
    program = tmp_path / place / "agent.py"
    program.parent.mkdir(parents=True)
    program.write_text(_TELLS, encoding="utf-8")
    assert _told(str(program), folder=tmp_path) == f"{Path(place) / 'agent.py'}:2"


def test_code_without_a_file_is_the_users(tmp_path: Path) -> None:
    assert _told("-c", _TELLS, folder=tmp_path) == "<string>:2"
    assert _told("-", folder=tmp_path, stdin=_TELLS) == "<stdin>:2"


@pytest.mark.parametrize("name", ["<ipython-input-3-abc>", "<python-input-0>", "<console>"])
def test_what_is_typed_is_the_users(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = code.InteractiveInterpreter()
    console.runcode(compile(_TELLS, name, "exec"))
    assert capsys.readouterr().out == f"{name}:2\n"


def test_what_libraries_compile_or_run_is_not_the_users(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "lib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"def work(): exec({_TELLS!r}, globals())\n", encoding="utf-8")
    (tmp_path / "program.py").write_text(
        "import json, sys\nsys.path.insert(0, 'site-packages')\nimport lib\n"
        "json.loads('{}', object_hook=lambda _: lib.work())\n",
        encoding="utf-8",
    )
    assert _told("program.py", folder=tmp_path) == "program.py:4"


def test_the_standard_library_is_not_the_users(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\nfrom otel_agenttrace.sites import call_site\n"
        "with ThreadPoolExecutor(thread_name_prefix='pool') as pool:\n"
        "    print(pool.submit(call_site).result())\n",
        encoding="utf-8",
    )
    assert _told("program.py", folder=tmp_path) == "program.py:4, in thread 'pool_0'"
