"""Drop credentials from addresses. URL or path and query in, the same without them out; what cannot be parsed passes."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

__all__ = ["without_credentials", "without_user_info"]

# Compared in lower case with hyphens. Page tokens and the like are no credentials and belong to the request.
_CREDENTIALS: Final = frozenset(
    {
        "access-key",
        "access-token",
        "accesskey",
        "accesstoken",
        "api-key",
        "apikey",
        "assertion",
        "auth",
        "auth-token",
        "authorization",
        "awsaccesskeyid",
        "client-assertion",
        "client-secret",
        "code",
        "credential",
        "credentials",
        "id-token",
        "jwt",
        "key",
        "password",
        "passwd",
        "pwd",
        "refresh-token",
        "secret",
        "session-token",
        "sig",
        "signature",
        "subscription-key",
        "ocp-apim-subscription-key",
        "token",
        "x-api-key",
    }
)
_SIGNING: Final = ("x-amz-", "x-goog-")
"""Prefixes of pre-signed addresses: signature, credential, date, expiry."""

_AUTHORITY: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?//(?P<authority>[^/?#]*)")


def without_credentials(target: str) -> str:
    """Return path and query without credential parameters and without a fragment."""
    path, _, query = target.partition("#")[0].partition("?")
    kept = [parameter for parameter in query.split("&") if not _is_credential(parameter)]
    return f"{path}?{'&'.join(kept)}" if query and kept else path


def _is_credential(parameter: str) -> bool:
    name = unquote_plus(parameter.partition("=")[0]).lower().replace("_", "-")
    return name in _CREDENTIALS or name.startswith(_SIGNING)


def without_user_info(url: str) -> str:
    """Return an address without the user name and password before its host."""
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    host = found["authority"].rpartition("@")[2]
    return f"{found['scheme'] or ''}//{host}{url[found.end() :]}"
