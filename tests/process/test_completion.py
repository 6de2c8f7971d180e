"""What a shell is told when somebody presses the tab key."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import instrumented_environment

_COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
_SHELLS: Final = ("bash", "fish", "zsh")


def _completed(*words: str, last: str = "") -> list[str]:
    """Ask as bash does: the words before the cursor, and the one that is being written."""
    told = {
        "_OTEL_AGENTTRACE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join((_COMMAND.name, *words, last)),
        "COMP_CWORD": str(len(words) + 1),
    }
    environment = instrumented_environment(None, None) | told
    shown = subprocess.run([_COMMAND], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert shown.stderr == ""
    return shown.stdout.splitlines()


def test_commands_are_completed() -> None:
    assert {"plain,record", "plain,replay", "plain,report"} <= set(_completed(last="re"))
    assert "plain,show" in _completed()


def test_another_name_of_a_command_is_completed_once_it_is_begun() -> None:
    assert _completed(last="insp") == ["plain,inspect"]
    assert "plain,inspect" not in _completed()


@pytest.mark.parametrize("name", ["show", "inspect"])
def test_options_are_completed_of_a_command_by_each_of_its_names(name: str) -> None:
    assert {"plain,--json", "plain,--tools"} <= set(_completed(name, last="--"))


def test_values_of_an_option_are_completed() -> None:
    assert _completed("export", "run.otlp.jsonl", "--format", last="") == [
        "plain,csv",
        "plain,json",
        "plain,ndjson",
        "plain,otlp",
    ]


@pytest.mark.parametrize("words", [("show",), ("export",), ("export", "run.otlp.jsonl", "-o"), ("validate",)])
def test_files_are_completed_by_the_shell(words: tuple[str, ...]) -> None:
    assert _completed(*words, last="run") == ["file,run"]


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_script_of_a_shell_is_one_that_it_can_read(shell: str) -> None:
    told = subprocess.run(
        [_COMMAND, "completion", shell],
        env=instrumented_environment(None, None),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"_OTEL_AGENTTRACE_COMPLETE={shell}_complete" in told.stdout
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed: that it reads the script is not tried")
    subprocess.run([found, "-n"], input=told.stdout, text=True, check=True, timeout=60)


def test_a_shell_that_has_read_its_script_completes(tmp_path: Path) -> None:
    program = """
eval "$(otel-agenttrace completion bash)"
COMP_WORDS=(otel-agenttrace sho) COMP_CWORD=1
_otel_agenttrace_completion otel-agenttrace
echo "${COMPREPLY[@]}"
"""
    environment = instrumented_environment(None, None)
    environment["PATH"] = f"{_COMMAND.parent}:{environment['PATH']}"
    command = ["bash", "--norc", "-c", program]
    shown = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (shown.stdout, shown.stderr) == ("show\n", "")


def test_no_command_is_loaded_to_complete_names() -> None:
    program = """
import sys
from click.shell_completion import ShellComplete
from otel_agenttrace import cli
names = [each.value for each in ShellComplete(cli._cli, {}, "otel-agenttrace", "X").get_completions([], "s")]
assert "show" in names
assert not [name for name in sys.modules if name.startswith("otel_agenttrace.cli.")]
"""
    environment = instrumented_environment(None, None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
