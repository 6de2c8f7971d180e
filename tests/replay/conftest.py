"""What the tests of this folder stand on."""

from tests.support.certificates import no_certificates
from tests.support.surroundings import home, provider

__all__ = ["home", "no_certificates", "provider"]
