"""Turn texts into vectors that stand near each other where the texts are about the same. Texts in, one vector each out."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from otel_agenttrace.errors import ConfigError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Embedder", "local_embedder", "openai_embedder"]

_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_KEPT: Final = 512
"""How many texts the local embedder remembers the vectors of."""


class Embedder(Protocol):
    """Gives a vector for each text, in their order, all of the same length."""

    def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        """Return one vector for each text."""
        ...


@cache
def local_embedder() -> Embedder:
    """Return the embedder of the extra `semantic`: the mean of word vectors, on this machine, with no network.

    The files of the package wordllama are read without importing it: its import sets up the program's logging, and its
    loader may download.

    Raises:
        ConfigError: If the extra is not installed, or its package lacks the model.
    """
    found = find_spec("wordllama")
    if found is None or found.origin is None:
        raise _unusable("the package wordllama is not installed")
    folder = Path(found.origin).parent
    missing = [name for name in (_WEIGHTS, _TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise _unusable(f"the installed wordllama has no {' and no '.join(missing)}")
    return _WordVectors(folder)


def _unusable(reason: str) -> ConfigError:
    return ConfigError(
        f"Texts cannot be compared on this machine: {reason}.\n"
        "  to fix   pip install --upgrade 'otel-agenttrace[semantic]', or give an embedder"
    )


class _WordVectors:
    """The mean of the vectors of a text's tokens: which words stand in it, not in which order."""

    def __init__(self, folder: Path) -> None:
        from safetensors import numpy as stored
        from tokenizers import Tokenizer

        self._vectors: Any = cast("Any", stored).load_file(folder / _WEIGHTS)["embedding.weight"]
        self._tokenizer: Any = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._remembered = lru_cache(maxsize=_KEPT)(self._vector)

    def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        return [self._remembered(text) for text in texts]

    def _vector(self, text: str) -> Sequence[float]:
        import numpy as np

        # one by one: a batch starts threads, which stay, and which a program that forks does not want
        tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
        kinds, counts = np.unique(tokens, return_counts=True)
        total: Any = counts @ self._vectors[kinds].astype("float32")
        return tuple((total / len(tokens)).tolist())


def openai_embedder(client: OpenAI, model: str = "text-embedding-3-small") -> Embedder:
    """Return an embedder that asks OpenAI by a client of yours: recorded, replayed and paid like any call of it.

    Nothing is remembered from one comparison to the next: the cassette of each has what it needs.

    Args:
        client: A client that is not async.
        model: The embedding model.

    Raises:
        ConfigError: If the client is async.
    """
    if inspect.iscoroutinefunction(client.embeddings.create):
        raise ConfigError(
            "The client is async, and texts are compared at once.\n  to fix   give an openai.OpenAI client"
        )

    def embed(texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        answered = client.embeddings.create(model=model, input=list(texts))
        return [each.embedding for each in sorted(answered.data, key=lambda each: each.index)]

    return embed
