"""Drop credentials from addresses. URL or path and query in, the same without them out; what cannot be parsed passes.

A parameter that may be a credential or an identifier keeps its name and a digest: two of them are two requests.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from otel_agenttrace.redact.findings import Finding, is_placeholder
from otel_agenttrace.redact.standins import is_random

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
        "auth-token",
        "authorization",
        "awsaccesskeyid",
        "client-assertion",
        "client-secret",
        "id-token",
        "jwt",
        "password",
        "passwd",
        "pwd",
        "refresh-token",
        "secret",
        "session-token",
        "subscription-key",
        "ocp-apim-subscription-key",
        "x-api-key",
    }
)
_AMBIGUOUS: Final = frozenset({"auth", "code", "credential", "credentials", "key", "sig", "signature", "token"})
"""Names of credentials and of ordinary things: the value decides, a currency's `code` is part of the request."""

_IDENTIFIERS: Final = frozenset({"code", "key", "token"})
"""Of these, the ones that may as well say what is asked for: a stock's `code`, an object's `key`, a page's `token`."""

_KNOWN_KEYS: Final = re.compile(r"AIza|sk-|pk-|ghp_|xox")
"""Beginnings of keys that are keys."""

_MIN_LENGTH: Final = 12
_SIGNING: Final = ("x-amz-", "x-goog-")
"""Prefixes of pre-signed addresses: signature, credential, date, expiry."""

_WORDS: Final = re.compile(r"[A-Za-z]{1,20}(?:[ ._-][A-Za-z]{1,20})*|\d+")
"""What no credential looks like: words, or a plain number."""

_AUTHORITY: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?//(?P<authority>[^/?#]*)")


def without_credentials(target: str, *, may_be_signed: bool = False) -> str:
    """Return path and query, or a whole address, without credential parameters and without a fragment.

    Args:
        target: Path and query, or a whole address.
        may_be_signed: Whether an ambiguous name that is no identifier's always means a credential, however short.
    """
    path, _, query = target.partition("#")[0].partition("?")
    parameters = query.split("&")
    kept = [stored for each in parameters if (stored := _stored(each, may_be_signed=may_be_signed)) is not None]
    return f"{path}?{'&'.join(kept)}" if query and kept else path


def _stored(parameter: str, *, may_be_signed: bool) -> str | None:
    """Return what is kept of a parameter: all of it, its name and a digest, or nothing."""
    if not _is_credential(parameter, may_be_signed=may_be_signed):
        return parameter
    name, _, written = parameter.partition("=")
    value = unquote_plus(written)
    if unquote_plus(name).lower() not in _IDENTIFIERS or _KNOWN_KEYS.match(value):
        return None
    if is_placeholder(value):  # a redirect leads back here
        return f"{name}={value}"
    return f"{name}={Finding(0, len(value), 'query', value).placeholder}"


def _is_credential(parameter: str, *, may_be_signed: bool) -> bool:
    name, _, value = parameter.partition("=")
    name = unquote_plus(name).lower().replace("_", "-")
    if name in _AMBIGUOUS:
        if may_be_signed and name not in _IDENTIFIERS:
            return True
        plain = unquote_plus(value)
        return (len(value) >= _MIN_LENGTH and not _WORDS.fullmatch(plain)) or is_random(
            plain.encode("ascii", "replace")
        )
    return name in _CREDENTIALS or name.startswith(_SIGNING)


def without_user_info(url: str) -> str:
    """Return an address without the user name and password before its host."""
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    host = found["authority"].rpartition("@")[2]
    return f"{found['scheme'] or ''}//{host}{url[found.end() :]}"
