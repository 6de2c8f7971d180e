"""Is it installed right: entry points, SDKs, seams, settings. The environment in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final, Literal

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.config import Config, resolve
from otel_agenttrace.errors import AgentTraceError, ConfigError
from otel_agenttrace_instrumentation import seams
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["Check", "checkup"]

_HOOKS: Final = {
    "opentelemetry_pre_instrument": "starts us under opentelemetry-instrument",
    "opentelemetry_environment_variables": "shows our settings as flags",
    "opentelemetry_traces_exporter": "OTEL_TRACES_EXPORTER=agenttrace",
    "opentelemetry_traces_sampler": "OTEL_TRACES_SAMPLER=agenttrace",
}
_OPTIONAL: Final = {
    "opentelemetry-distro": "opentelemetry-instrument sets a provider up: pip install 'otel-agenttrace[otlp]'",
    "opentelemetry-exporter-otlp": "spans can be shipped: pip install 'otel-agenttrace[otlp]'",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the check-up: `ok`, `warning` (it works, but look), or `problem`."""

    area: str
    subject: str
    verdict: Literal["ok", "warning", "problem"]
    detail: str


def checkup(environ: Mapping[str, str], folder: Path) -> tuple[Check, ...]:
    """Return what is installed, what is missing, and what the settings say; imports the SDKs that are there."""
    return (*_hooks(), *_packages(), *_sdks(), *_settings(environ, folder))


def _hooks() -> Iterator[Check]:
    for group, purpose in _HOOKS.items():
        found = [point for point in entry_points(group=group) if point.value.startswith("otel_agenttrace")]
        yield Check("hooks", group, "ok" if found else "problem", purpose if found else "not registered: install again")


def _packages() -> Iterator[Check]:
    for name in ("opentelemetry-sdk", "opentelemetry-instrumentation"):
        yield Check("packages", name, "ok", version(name))
    for name, purpose in _OPTIONAL.items():
        found = _version(name)
        yield Check("packages", name, "ok" if found else "warning", found or f"not installed; with it {purpose}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _sdks() -> Iterator[Check]:
    found = {name: _version(name) for name in (*seams.PROVIDERS, *seams.HTTP_LIBRARIES)}
    if not any(found[name] for name in seams.PROVIDERS):
        yield Check("SDKs", ", ".join(seams.PROVIDERS), "warning", "none is installed; only bare HTTP calls are seen")
    seams.install(checkup)
    for name, number in found.items():
        if number is not None:
            yield _sdk(name, number)


def _sdk(name: str, number: str) -> Check:
    places = [seam for seam in seams.seams() if seam.module.partition(".")[0] == name]
    for module in dict.fromkeys(seam.module for seam in places):
        import_module(module)
    missing = [seam.name for seam in places if seam.name in seams.missing_seams()]
    if missing:
        return Check("SDKs", f"{name} {number}", "problem", f"seam missing: {', '.join(missing)}")
    return Check("SDKs", f"{name} {number}", "ok", f"{len(places)} seams found")


def _settings(environ: Mapping[str, str], folder: Path) -> Iterator[Check]:
    try:
        config = resolve(environ, pyproject_settings(folder))
    except ConfigError as error:
        yield Check("settings", "configuration", "problem", str(error))
        return
    yield Check("settings", "mode", "ok", _mode(config))
    yield _cassette(config)
    guard = (
        "an httpx call without a recording is stopped, but to this machine; other HTTP libraries are not seen"
        if config.mode == "none"
        else "not replaying"
    )
    yield Check("settings", "guard", "ok", guard)


def _mode(config: Config) -> str:
    if config.mode == "once" and config.cassette is not None:
        return f"once: {'replay, the cassette is there' if config.cassette.exists() else 'record, there is no cassette yet'}"
    return config.mode


def _cassette(config: Config) -> Check:
    if config.cassette is None:
        return Check("settings", "cassette", "ok", "none is set; OTEL_AGENTTRACE_CASSETTE or an argument names one")
    try:
        calls = len(open_cassette(config.cassette).index.calls)
    except AgentTraceError as error:
        needed = config.mode == "none" or config.cassette.exists()
        left = partial_path(config.cassette)
        told = (
            f"{error}"
            if needed
            else f"{config.cassette}: not there yet" + (f"; {left} is left" if left.exists() else "")
        )
        return Check("settings", "cassette", "problem" if needed else "ok", told)
    return Check("settings", "cassette", "ok", f"{config.cassette}: {calls} recorded calls")
