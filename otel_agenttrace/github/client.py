"""Ask the REST API of GitHub. Path in, parsed JSON out; pages, limits and refusals are told by name.

The client is httpx, so what it asks is recorded and replayed as any HTTP. It leaves out the token when it is sent elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from otel_agenttrace.errors import ConfigError, GitHubError, GitHubLimited
from otel_agenttrace.github.addresses import Token
from otel_agenttrace.jsonvalue import Json, JsonArray, digits, obj, parse, text

if TYPE_CHECKING:
    import httpx

__all__ = ["GitHub"]

_MOST_WAITS: Final = 5
_LONGEST_MESSAGE: Final = 200
_WITHOUT_HINT_S: Final = 60.0
"""GitHub asks to wait a minute where it names no time."""


class GitHub:
    """The API of one host, between entering and leaving its block."""

    def __init__(
        self,
        api: str,
        token: Token,
        *,
        now: Callable[[], float],
        wait: Callable[[float], None] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """Make a client.

        Args:
            api: The base address.
            token: For this address only.
            now: Tells the time, in seconds since 1970: limits end at one.
            wait: Waits so many seconds when a limit is reached; without it a limit is an error.
            timeout_s: How long one answer may let wait for itself.

        Raises:
            ConfigError: If httpx is not installed.
        """
        self._http = _httpx()
        self._api = api
        self._token = token
        self._now = now
        self._wait = wait
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "otel-agenttrace",
        }
        if token.value is not None:
            headers["Authorization"] = f"Bearer {token.value}"
        self._client = self._http.Client(headers=headers, timeout=timeout_s, follow_redirects=True, max_redirects=5)

    def __enter__(self) -> GitHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def one(self, path: str) -> Json:
        """Return what the API tells at a path.

        Raises:
            GitHubError: If it tells nothing there.
        """
        return self._json(self._answer(f"{self._api}{path}"))

    def pages(self, path: str) -> Iterator[JsonArray]:
        """Yield the pages of a list, each asked for when it is wanted.

        Raises:
            GitHubError: If one is not told, is no list, or would be on another host.
        """
        url: str | None = f"{self._api}{path}{'&' if '?' in path else '?'}per_page=100"
        seen: set[str] = set()
        while url is not None:
            seen.add(url)
            answer = self._answer(url)
            page = self._json(answer)
            if not isinstance(page, list):
                raise self.damaged(_bare(str(answer.url)), "a list was expected")
            yield page
            url = self._next(answer, seen)

    def damaged(self, url: str, reason: str) -> GitHubError:
        """Return the error for an answer that is not what the API promises."""
        return GitHubError(
            url, f"the answer is not that of GitHub's API: {reason}", "look at the address, or give --api URL"
        )

    def _next(self, answer: httpx.Response, seen: set[str]) -> str | None:
        url = answer.links.get("next", {}).get("url")
        if url is None:
            return None
        if urlsplit(url)[:2] != urlsplit(self._api)[:2]:
            raise self.damaged(_bare(str(answer.url)), f"its next page is on another host, {urlsplit(url).netloc}")
        if url in seen:
            raise self.damaged(_bare(str(answer.url)), "its next page is one that was read")
        return url

    def _answer(self, url: str) -> httpx.Response:
        waits = 0
        while True:
            answer = self._sent(url)
            limited = self._limited(answer)
            if limited is None:
                return answer if answer.is_success else self._refused(answer)
            if self._wait is None or waits == _MOST_WAITS:
                raise limited
            waits += 1
            self._wait(_WITHOUT_HINT_S if limited.resets_in_s is None else limited.resets_in_s)

    def _sent(self, url: str) -> httpx.Response:
        try:
            return self._client.get(url)
        except self._http.TimeoutException as error:
            raise GitHubError(
                _bare(url), "there was no answer in time", "try again later, or --timeout SECONDS"
            ) from error
        except (self._http.RequestError, self._http.InvalidURL) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise GitHubError(
                _bare(url), f"it cannot be read: {reason}", "look at the address and the network"
            ) from error

    def _json(self, answer: httpx.Response) -> Json:
        try:
            return parse(answer.content)
        except ValueError as error:
            raise self.damaged(_bare(str(answer.url)), f"it is no JSON, {error}") from error

    def _limited(self, answer: httpx.Response) -> GitHubLimited | None:
        """Return the error for an answer that says that a limit is reached: the one of an hour, or that of too much at once."""
        after = digits(answer.headers.get("retry-after", ""))
        is_used_up = answer.headers.get("x-ratelimit-remaining") == "0"
        if answer.status_code not in (403, 429) or not (is_used_up or after is not None or answer.status_code == 429):
            return None
        at = digits(answer.headers.get("x-ratelimit-reset", "")) if is_used_up else None
        left = max(0.0, at - self._now()) if after is None and at is not None else after
        told = "it does not say for how long" if left is None else f"for another {_span(left)}"
        limit = digits(answer.headers.get("x-ratelimit-limit", "")) if is_used_up else None
        reason = f"its limit{'' if limit is None else f' of {limit:,} requests an hour'} is used up, {told}"
        more = "" if self._token.value is not None else f"set {self._token.names[0]}, which allows more, or "
        return GitHubLimited(_bare(str(answer.url)), reason, f"{more}wait with --wait", left)

    def _refused(self, answer: httpx.Response) -> NoReturn:
        names = " or ".join(self._token.names)
        status = answer.status_code
        if status == 404 and self._token.value is None:
            reason = "there is nothing there, or it is private"
            cure = f"look at the name; for a private repository set {names}"
        elif status == 404:
            reason, cure = "there is nothing there, or the token may not read it", f"look at the name and at {names}"
        elif status == 401:
            reason, cure = "the token is refused", f"renew or unset {names}"
        else:
            reason, cure = (
                f"it answers {status}{_message(answer)}",
                "try again later" if status >= 500 else f"look at {names}",
            )
        raise GitHubError(_bare(str(answer.url)), reason, cure)


def _message(answer: httpx.Response) -> str:
    try:
        told = text(obj(parse(answer.content)).get("message"))
    except ValueError:
        return ""
    return f", {told[:_LONGEST_MESSAGE]}" if told else ""


def _httpx() -> ModuleType:
    try:
        return import_module("httpx")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Pull requests are read by httpx, which is not installed.\n  to fix   pip install 'otel-agenttrace[github]'"
        ) from error


def _span(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 120 else f"{math.ceil(seconds / 60):,} min"


def _bare(url: str) -> str:
    """Return an address without its query."""
    return url.partition("?")[0]
