"""What is published is what stands in the tree, and nothing generic comes with it."""

from __future__ import annotations

import re
import tarfile
from pathlib import PurePosixPath

import pytest

from tests.packaging.published import PYPROJECT, ROOT, Distribution, files_of

ROOTS = {"otel_agenttrace", "otel_agenttrace_instrumentation", "otel_agenttrace_exporters"}

# A letter in brackets, or this file would name what no file may name.
OF_A_MACHINE = re.compile(
    rb"pypi[.]org|python[h]osted|npmjs[.]org"
    rb"|(?<![\w.})$-])/(?:hom[e]/(?!user/)\w|[U]sers/\w|roo[t]/|wor[k]/)"
)


def test_a_wheel_from_the_sdist_equals_a_wheel_from_the_tree(distribution: Distribution) -> None:
    from_tree, from_sdist = files_of(distribution.wheel), files_of(distribution.wheel_of_sdist)
    assert list(from_tree) == list(from_sdist)
    assert [name for name, content in from_tree.items() if from_sdist[name] != content] == []
    assert distribution.wheel.name == distribution.wheel_of_sdist.name
    assert distribution.wheel.read_bytes() == distribution.wheel_of_sdist.read_bytes()


def test_only_the_three_roots_reach_site_packages(distribution: Distribution) -> None:
    top = {PurePosixPath(name).parts[0] for name in files_of(distribution.wheel)}
    assert {name for name in top if not name.endswith(".dist-info")} == ROOTS


def test_every_module_of_the_tree_is_in_the_wheel(distribution: Distribution) -> None:
    folders = [ROOT / package for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    modules = {path.relative_to(folder.parent).as_posix() for folder in folders for path in folder.rglob("*.py")}
    assert {PurePosixPath(module).parts[0] for module in modules} == ROOTS
    assert modules - set(files_of(distribution.wheel)) == set()


def test_every_template_of_a_project_is_in_the_wheel(distribution: Distribution) -> None:
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "otel_agenttrace/scaffold/templates").iterdir()}
    assert len(templates) > 1
    assert templates - set(files_of(distribution.wheel)) == set()


@pytest.mark.parametrize("root", sorted(ROOTS))
def test_a_root_is_marked_as_typed(root: str, distribution: Distribution) -> None:
    assert f"{root}/py.typed" in files_of(distribution.wheel)


def test_no_file_names_a_registry_or_a_machine(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        found = {name: OF_A_MACHINE.search(file.read()) for name, file in files.items() if file}
    assert len(found) > len(ROOTS)
    assert {name: match[0] for name, match in found.items() if match} == {}
