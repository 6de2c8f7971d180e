"""The laws that fuzzing holds input to, on good input and on the same with one hostile value. `make fuzz` looks further."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, inputs

_SLOWEST_S = 20
_MUTATIONS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_law(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    for content in inputs(target, _MUTATIONS):
        faulthandler.dump_traceback_later(_SLOWEST_S, exit=True)
        try:
            target.check(content)
        except BaseException:
            (tmp_path / "input").write_bytes(content)
            print(f"to reproduce: python -m tests.fuzz {name} {tmp_path / 'input'}")
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
