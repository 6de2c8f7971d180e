"""The distribution, built once for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.packaging.published import Distribution, built


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Return the distribution, built from the tree and from its own sdist."""
    return built(tmp_path_factory.mktemp("distribution"))
