"""What the tests of this folder stand on."""

from tests.support.surroundings import provider

__all__ = ["provider"]
