"""The laws that fuzzing holds input to, on good input and on the same with one hostile value. `make fuzz` looks further."""

from __future__ import annotations

import faulthandler
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, inputs
from tests.support.wire_responses import json_values

_SLOWEST_S = 20
_MUTATIONS = 150
_INPUTS = st.binary(max_size=300) | json_values().map(lambda value: json.dumps(value).encode())


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


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(content=_INPUTS, before=st.binary(min_size=1, max_size=1))
def test_neither_bytes_nor_JSON_of_any_kind_break_a_law(name: str, content: bytes, before: bytes) -> None:
    TARGETS[name].check(content)
    TARGETS[name].check(before + content)
