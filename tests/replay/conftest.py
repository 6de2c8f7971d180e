"""What the tests of this folder stand on."""

from tests.support.certificates import no_certificates

__all__ = ["no_certificates"]
