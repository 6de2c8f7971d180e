"""The pull requests of a repository on 127.0.0.1, by the REST API of GitHub: pages, limits, refusals, a renamed repository."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tests.support.loopback import Answer, Received, Service

__all__ = ["FakeGitHub", "changed", "pull"]

_PAGE: Final = 2
"""Pull requests on a page: few, so that a few make several pages."""


def changed(path: str, added: int = 1, deleted: int = 0, **more: str) -> dict[str, Any]:
    """Return a file of a pull request."""
    told = {"sha": "0" * 40, "filename": path, "status": "modified", "additions": added, "deletions": deleted}
    return {**told, "changes": added + deleted, "patch": "@@ -1 +1 @@", **more}


def pull(number: int, merged_at: str | None, updated_at: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a pull request of `octo/agent` as a list has it."""
    return {
        "number": number,
        "title": f"Change {number}",
        "body": f"Please change {number}.\r\n\r\nIt is needed.",
        "html_url": f"https://github.com/octo/agent/pull/{number}",
        "state": "closed",
        "user": {"login": "mona", "type": "User"},
        "merged_at": merged_at,
        "updated_at": updated_at or merged_at or "2026-01-01T00:00:00Z",
        "merge_commit_sha": f"{number:040x}",
        "base": {"ref": "main", "sha": f"{number + 1000:040x}", "repo": {"full_name": "octo/agent"}},
        "head": {"ref": f"change-{number}", "sha": f"{number + 2000:040x}"},
        **more,
    }


class FakeGitHub(Service):
    """Serves between entering and leaving its block. `requests` keeps what came; `first` are answers that are given before all others.

    The repository `octo/old-name` is called `octo/agent` today; `octo/private` is seen only with `token`.
    """

    def __init__(
        self,
        pulls: Sequence[Mapping[str, Any]] = (),
        files: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
        *,
        token: str = "",
        then: Callable[[Received, Answer], Answer] = lambda _, answer: answer,
    ) -> None:
        self.requests: list[Received] = []
        self.first: list[Answer] = []
        self._pulls = sorted(pulls, key=lambda each: each["updated_at"], reverse=True)
        self._files = files or {}
        self._token = token
        self._then = then
        self._lock = threading.Lock()
        super().__init__(self._answer)

    @property
    def api(self) -> str:
        """The base address, with a path as an enterprise server has it."""
        return f"{self.url}/api/v3"

    def _answer(self, request: Received) -> Answer:
        with self._lock:
            self.requests.append(request)
            if self.first:
                return self.first.pop(0)
        return self._then(request, self._told(request))

    def _told(self, request: Received) -> Answer:
        path = request.path.removeprefix("/api/v3")
        if path.startswith("/repos/octo/old-name/"):
            moved = request.target.replace("/repos/octo/old-name/", "/repositories/7/")
            return _json({"message": "Moved Permanently"}, 301, ("location", f"{self.url}{moved}"))
        is_allowed = bool(self._token) and request.header("authorization") == f"Bearer {self._token}"
        known = ["/repos/octo/agent/pulls", "/repositories/7/pulls", *["/repos/octo/private/pulls"] * is_allowed]
        root = next((each for each in known if path == each or path.startswith(f"{each}/")), None)
        if root is None:
            return _json({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, 404)
        return self._below(path.removeprefix(root).strip("/"), request)

    def _below(self, place: str, request: Received) -> Answer:
        if not place:
            return self._page(self._pulls, request)
        number, _, rest = place.partition("/")
        if rest == "files":
            return self._page(self._files.get(int(number), ()), request)
        found = [each for each in self._pulls if each["number"] == int(number)]
        return _json(found[0]) if found else _json({"message": "Not Found"}, 404)

    def _page(self, listed: Sequence[Mapping[str, Any]], request: Received) -> Answer:
        number = int(request.query.get("page", "1"))
        shown = listed[(number - 1) * _PAGE : number * _PAGE]
        if number * _PAGE >= len(listed):
            return _json(shown)
        query = "&".join(f"{key}={value}" for key, value in {**request.query, "page": str(number + 1)}.items())
        return _json(shown, 200, ("link", f'<{self.url}{request.path}?{query}>; rel="next"'))


def _json(value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    head = (("content-type", "application/json; charset=utf-8"), ("x-ratelimit-remaining", "4999"), *headers)
    return Answer(status, head, (json.dumps(value).encode(),))
