"""What the README tells a reader to install is what the reader gets: current OpenTelemetry packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.published import ROOT

FLOORS = {
    "opentelemetry-api": "1.40",
    "opentelemetry-sdk": "1.40",
    "opentelemetry-instrumentation": "0.60b0",
    "opentelemetry-distro": "0.60b0",
    "opentelemetry-exporter-otlp": "1.40",
    "openai": "2",
    "anthropic": "1",
}


@pytest.mark.slow
def test_the_line_of_the_readme_resolves_to_current_packages(tmp_path: Path) -> None:
    said = re.search(r"pip install '?otel-agenttrace(\[[\w,]+\])", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert said, "the README has no install line with extras"
    versions = resolve(said[1], tmp_path)
    assert {name: versions[name] for name, floor in FLOORS.items() if versions[name] < Version(floor)} == {}


def resolve(extras: str, folder: Path) -> dict[str, Version]:
    """Return what pip takes for the tree with these extras, in an empty environment."""
    report = folder / "report.json"
    command = (sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-build-isolation")
    ended = subprocess.run(
        [*command, "--quiet", "--report", str(report), f"{ROOT}{extras}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    installed = [each["metadata"] for each in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {canonicalize_name(each["name"]): Version(each["version"]) for each in installed}
