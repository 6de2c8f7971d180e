"""Stand a cassette server in the place of the fake provider. Cassette in, something with the provider's base URLs out."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, cast

import otel_agenttrace as at
from otel_agenttrace.capture.serving import CassetteServer
from tests.support.observed import Observed
from tests.support.provider import Provider

__all__ = ["ServedProvider", "served", "told_of"]


class ServedProvider(Provider):
    """A provider whose port is closed; its base URLs lead to a cassette server."""

    def __init__(self, server: CassetteServer) -> None:
        super().__init__()
        self.stop()
        self.server = server

    @property
    def url(self) -> str:
        """Scheme, host and port of the cassette server."""
        return self.server.url


@contextmanager
def served(cassette: Path) -> Generator[ServedProvider, None, None]:
    """Give a provider that answers from a cassette for the length of a block."""
    with at.serve(cassette) as server:
        yield ServedProvider(server)


def told_of(seen: Observed, *urls: str) -> Any:
    """Return what was observed, with a name in the place of each address of the provider."""
    return reduce(_renamed, urls, [list(seen.results), seen.error])


def _renamed(value: object, url: str) -> object:
    if isinstance(value, bytes):
        return value.replace(url.encode(), b"<provider>")
    if isinstance(value, str):
        return value.replace(url, "<provider>")
    if isinstance(value, Mapping):
        return {key: _renamed(member, url) for key, member in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_renamed(member, url) for member in cast("list[object]", value)]
    return value
