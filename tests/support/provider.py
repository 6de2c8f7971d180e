"""The fake provider: OpenAI and Anthropic on 127.0.0.1, with answers that tell a wrong replay from a right one.

Each answer carries the number of its request, so that two identical requests are answered differently, and what the
request said. Requests ask for bad days by a header, `x-fake: 429*2 gzip`, or in their text, `[fake sse-error] hello`
(see `tests.support.faults`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.support import anthropic_answers, openai_answers
from tests.support.answers import Question, error_answer
from tests.support.faults import with_faults
from tests.support.loopback import Answer, Received, Service

__all__ = ["Provider"]

_AZURE: Final = "/openai/deployments/"
_PREFIXES: Final = ("/api/v1", "/openai/v1", "/v1", "/openai")


class Provider(Service):
    """Serves between entering and leaving its block; `requests` keeps what came, `then` has the last word on an answer."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.then: Callable[[Answer], Answer] = lambda answer: answer
        super().__init__(self._answer)
        self._lock = threading.Lock()
        self._seen: Counter[Received] = Counter()

    @property
    def openai_url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def openrouter_url(self) -> str:
        """The base URL of a router that speaks OpenAI's API, with comments in its streams."""
        return f"{self.url}/api/v1"

    @property
    def azure_url(self) -> str:
        """The endpoint for an Azure OpenAI client."""
        return self.url

    @property
    def anthropic_url(self) -> str:
        """The base URL for an Anthropic client."""
        return self.url

    @property
    def hits(self) -> int:
        """How many requests came, retries included."""
        return len(self.requests)

    def _answer(self, request: Received) -> Answer:
        question = self._noted(request)
        answer = with_faults(_plain_answer(question), question)
        return self.then(replace(answer, headers=(*answer.headers, *_account_headers(question))))

    def _noted(self, request: Received) -> Question:
        # a retry is the same request, though its headers count the attempts
        same = Received(request.method, request.target, (("x-fake", request.header("x-fake")),), request.body)
        with self._lock:
            self.requests.append(request)
            self._seen[same] += 1
            return Question(request, _api_path(request.path), number=len(self.requests), again=self._seen[same] - 1)


def _plain_answer(question: Question) -> Answer:
    answers = anthropic_answers if question.is_anthropic else openai_answers
    return answers.answer(question) or error_answer(question, 404)


def _api_path(path: str) -> str:
    """Return a path as the API's documentation writes it, without version, prefix and deployment."""
    if path.startswith(_AZURE):
        return "/" + path.removeprefix(_AZURE).partition("/")[2]
    prefix = next((prefix for prefix in _PREFIXES if path.startswith(f"{prefix}/")), "")
    return path.removeprefix(prefix)


def _account_headers(question: Question) -> tuple[tuple[str, str], ...]:
    """Return what real providers send along: ids to keep, and ids of the account, which no cassette may hold."""
    number = question.number
    common = (
        ("date", "Thu, 20 Nov 2026 10:00:00 GMT"),
        ("set-cookie", f"__cf_bm=cookie-{number}; path=/; HttpOnly"),
        ("set-cookie", "_cfuvid=second-cookie; path=/"),
        ("cf-ray", f"ray-{number:04}"),
    )
    if question.is_anthropic:
        return (
            *common,
            ("request-id", f"req_ant_{number:04}"),
            ("anthropic-organization-id", "org-fake-anthropic"),
            ("anthropic-ratelimit-requests-remaining", str(1000 - number)),
        )
    return (
        *common,
        ("x-request-id", f"req_oai_{number:04}"),
        ("openai-organization", "org-fake-openai"),
        ("openai-project", "proj_fake"),
        ("openai-processing-ms", str(100 + number)),
        ("x-ratelimit-remaining-tokens", str(100_000 - number)),
    )
