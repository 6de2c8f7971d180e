"""Tell which response headers are stored. A header's name in, yes or no out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_address", "is_stored"]

# The stored body is decoded and in one piece: these would describe another one.
_WIRE: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# Names of credentials. Rate limits speak of tokens too, but in the plural. `www-authenticate` is kept: it is a
# challenge, holds no credential, and SDKs act on it.
_CREDENTIAL: Final = re.compile(
    r"authorization|cookie|(?:api|access|subscription|functions|auth)-?key|secret|password|authentication-info"
    r"|(?:^|-)(?:auth|auth-?token|bearer|credentials?|jwt|jwt-assertion|sas|session-?id|signature|token)$"
    r"|client-principal|(?:^|-)(?:csrf|xsrf|otp|session)(?:-?token)?$|-token(?:-v?\d+)?$"
)
_ADDRESSES: Final = frozenset({"azure-asyncoperation", "content-location", "location", "operation-location", "refresh"})
_ACCOUNT: Final = re.compile(
    r"(?:^|-)(?:organi[sz]ation|org|project|workspace|tenant|account|subscription|customer)(?:-?id)?$"
)


def is_stored(name: str, *, has_body: bool = True) -> bool:
    """Whether a response header goes into a cassette: no credentials, no account ids, nothing about the wire of a body."""
    lowered = name.lower()
    if lowered.startswith("access-control-"):
        return True
    if has_body and lowered in _WIRE:
        return False
    return not _CREDENTIAL.search(lowered) and not _ACCOUNT.search(lowered)


def is_address(name: str) -> bool:
    """Whether a response header holds an address, which may be a signed one."""
    return name.lower() in _ADDRESSES
