"""Ask a retriever of the user's own a list of queries, and keep what it finds as a cassette. Function and queries in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from otel_agenttrace.annotate import retrieval
from otel_agenttrace.api import record
from otel_agenttrace.counting import counted
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, number

__all__ = ["Retriever", "document_of", "snapshot"]

Retriever = Callable[[str], Any]
"""Takes a query, and returns what it found, best first; may be a coroutine function."""

_CONTENT: Final = ("page_content", "text", "content")
_ID: Final = ("id", "node_id", "id_")


def snapshot(retriever: Retriever, queries: Iterable[str], path: Path) -> None:
    """Record what a retriever finds for each query, each as a retrieval span.

    Calls to providers that it makes on the way, as for embeddings, are recorded too.

    Raises:
        ConfigError: If it returns something that is no list of documents.
    """
    with record(path, quiet=True):
        for query in queries:
            with retrieval(query) as found:
                found.documents(_documents(_answered(retriever(query))))


def _answered(answer: Any) -> Any:
    async def awaited(pending: Awaitable[Any]) -> Any:
        return await pending

    return asyncio.run(awaited(answer)) if inspect.isawaitable(answer) else answer


def _documents(answer: Any) -> list[Mapping[str, Json]]:
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        kind = type(cast("object", answer)).__name__
        raise ConfigError(
            f"The retriever returned {kind}, which is no list of documents.\n"
            "  to fix   return a list: of texts, of {'id', 'score', 'content'}, or of (document, score)"
        )
    return [document_of(each) for each in cast("Iterable[Any]", answer)]


def document_of(found: Any) -> Mapping[str, Json]:
    """Return what a retriever found as `id`, `score` and `content`, as far as it tells them.

    Args:
        found: A text, a mapping of these, a pair of one of these and its score, or an object that has them as attributes,
            such as a document of LangChain or a node of LlamaIndex.

    Raises:
        ConfigError: If it is nothing of that.
    """
    if isinstance(found, str):
        return {"content": found}
    if isinstance(found, Mapping):
        return dict(cast("Mapping[str, Json]", found))
    if isinstance(found, tuple):
        document, score = _pair(cast("tuple[Any, ...]", found))
        return {**document_of(document), "score": score}
    told = {
        "id": _attribute(found, _ID),
        "score": _attribute(found, ("score",)),
        "content": _attribute(found, _CONTENT),
    }
    if told["content"] is None and told["id"] is None:
        raise ConfigError(
            f"The retriever found a {type(found).__name__}, of which neither id nor content is known.\n"
            "  to fix   return texts, {'id', 'score', 'content'}, or (document, score)"
        )
    return {name: value for name, value in told.items() if value is not None}


def _pair(found: tuple[Any, ...]) -> tuple[Any, float]:
    try:
        document, score = found
        return document, float(score)
    except (TypeError, ValueError):
        raise ConfigError(
            f"The retriever found a tuple of {counted(len(found), 'member')}, which is no document with its score.\n"
            "  to fix   return (document, score), the score a number"
        ) from None


def _attribute(found: Any, names: Sequence[str]) -> Json:
    told = (getattr(found, name, None) for name in names)
    return next((_plain(value) for value in told if value is not None and not callable(value)), None)


def _plain(value: Any) -> Json:
    told = number(value)
    return told if told is not None else str(value)
