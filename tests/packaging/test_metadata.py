"""What pyproject.toml promises is there: entry points load, dependencies leave room, modules have their row."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.packaging.published import PYPROJECT, ROOT

PROJECT = PYPROJECT["project"]
ENTRY_POINTS = [
    EntryPoint(name, value, group)
    for group, entries in {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}.items()
    for name, value in entries.items()
]
EXTRAS = PROJECT["optional-dependencies"]
SHIPPED = [Requirement(line) for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines]


@pytest.mark.parametrize("entry", ENTRY_POINTS, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_an_entry_point_loads(entry: EntryPoint) -> None:
    entry.load()


def test_no_extra_takes_the_name_that_opentelemetry_gives_a_meaning() -> None:
    assert "instruments" not in EXTRAS


@pytest.mark.parametrize("asked", SHIPPED, ids=str)
def test_a_dependency_has_a_floor_and_is_not_pinned(asked: Requirement) -> None:
    if asked.name == PROJECT["name"]:
        assert asked.extras <= set(EXTRAS)
    else:
        operators = {each.operator for each in asked.specifier}
        assert ">=" in operators
        assert operators <= {">=", "<"}


def test_constraints_hold_names_and_versions_only() -> None:
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]
    assert pins
    assert [
        str(pin) for pin in pins if pin.url or pin.extras or not re.fullmatch(r"==[\w.]+", str(pin.specifier))
    ] == []


def test_constraints_allow_what_is_asked_for() -> None:
    pins: dict[str, list[Version]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        pin = Requirement(line)
        pins.setdefault(pin.name, []).append(Version(str(pin.specifier).removeprefix("==")))
    not_installed_here = {Requirement(line).name for line in EXTRAS["rag"]}
    held = [asked for asked in SHIPPED if asked.name not in {PROJECT["name"], *not_installed_here}]
    assert [str(asked) for asked in held if asked.name not in pins] == []
    assert [str(asked) for asked in held for pin in pins[asked.name] if not asked.specifier.contains(pin, True)] == []


def test_every_module_has_its_row_in_the_import_rules() -> None:
    (layers,) = (each["layers"] for each in PYPROJECT["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    rows = {name for row in layers for name in re.findall(r"[\w.]+", row)}
    room = ROOT / "otel_agenttrace"
    modules = {path.stem for path in room.glob("*.py")} | {path.parent.name for path in room.glob("*/__init__.py")}
    assert {f"otel_agenttrace.{name}" for name in modules - {"__init__"}} - rows == set()
