"""Stand a cassette server in the place of the fake provider. Cassette in, something with the provider's base URLs out."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, cast

import otel_agenttrace as at
from otel_agenttrace.capture.serving import CassetteServer
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.redact import redactor
from tests.support.observed import Observed
from tests.support.provider import Provider

__all__ = ["ServedProvider", "Shelf", "served", "told_of"]


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


def _exchange(asked: Requested, number: int, *, status: int | None = 200, body: bytes = b"", **told: Any) -> Exchange:
    """Return an attempt as it is recorded."""
    settings: dict[str, Any] = {"headers": (("content-type", "application/json"),), "end": "complete", **told}
    return Exchange(request=asked.request, start_ns=number, end_ns=number + 10, status=status, body=body, **settings)


class Shelf:
    """Writes recorded calls to one cassette, in the order they are given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = Writer(path, {"service.name": "s"})
        self._number = 0

    def put(
        self,
        url: str,
        value: Json = None,
        *attempts: Mapping[str, Any],
        method: str = "POST",
    ) -> None:
        """Write a call; an attempt is told by the fields of its exchange, `url` its own address, `value` its own body."""
        self._number += 1
        first = _asked(method, url, value)
        told = [
            _exchange(
                _asked(attempt.get("method", method), attempt.get("url", url), attempt.get("value", value)),
                self._number * 1_000 + index,
                **{name: held for name, held in attempt.items() if name not in ("url", "value", "method")},
            )
            for index, attempt in enumerate(attempts)
        ]
        span = Span(
            "0af7651916cd43dd8448eb211c80319c", f"{self._number:016x}", "call", told[0].start_ns, told[-1].end_ns
        )
        self._writer.write(span, RecordedCall(Call(first.key, tuple(told), "", self._number), first))


def _asked(method: str, url: str, value: Json) -> Requested:
    body = b"" if value is None else json.dumps(value).encode()
    return requested(method, url, "application/json", body, redactor({}))
