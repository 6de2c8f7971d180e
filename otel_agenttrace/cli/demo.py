"""`demo`: record an agent, stop its provider, replay it, compare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from otel_agenttrace.demo.provider import DemoProvider
from otel_agenttrace.report.screen import console as terminal
from otel_agenttrace.report.text import escaped_lines

__all__ = ["demo"]


@click.command(epilog="Example: otel-agenttrace demo")
def demo() -> None:
    """Record a small agent against a provider on this machine, stop the provider, replay, compare. No key needed."""
    console = terminal()
    cassette = Path(".agenttrace", "demo.otlp.jsonl")
    with DemoProvider() as provider:
        _say(console, 1, f"record: an agent asks a provider at {provider.url}")
        recorded = _run("record", cassette, provider.url)
        console.print(Text(f"   the agent says: {escaped_lines(recorded)}"))
    _say(console, 2, f"replay: the provider is stopped after {provider.calls} calls")
    replayed = _run("replay", cassette, provider.url)
    console.print(Text(f"   the agent says: {escaped_lines(replayed)}"))
    _say(console, 3, f"look: otel-agenttrace show {cassette}")
    subprocess.run([*_cli(), "show", str(cassette)], check=True)
    same = recorded == replayed
    _say(console, 4, "compare: the two runs said the same" if same else "compare: the two runs DIFFER")
    console.print("   next: otel-agenttrace record run.otlp.jsonl -- python your_agent.py")
    raise SystemExit(0 if same and recorded else 1)


def _say(console: Console, step: int, text: str) -> None:
    console.print(Text.assemble((f"{step}.", "bold"), f" {text}"), soft_wrap=True)


def _cli() -> list[str]:
    return [sys.executable, "-m", "otel_agenttrace"]


def _run(verb: str, cassette: Path, url: str) -> str:
    """Run the demo's agent under `record` or `replay` and return what it printed."""
    command = [*_cli(), verb, str(cassette), "--", sys.executable, "-m", "otel_agenttrace.demo.agent", url]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:  # it has said why
        raise SystemExit(result.returncode)
    return result.stdout.strip()
