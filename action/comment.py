"""Put the report on its pull request: one comment, found by its first line, written anew each time. Standard library only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_PAGE: Final = 100
_TIMEOUT_S: Final = 30
_MAY_NOT_WRITE: Final = (
    "the token may not write comments. Give the job `permissions: pull-requests: write`; "
    "the token of a pull request from a fork never may, and the report stands in the summary of the job"
)


def main() -> int:
    """Say in a line what became of the comment; 1 if it should be there, and is not."""
    report = Path(os.environ["AGENTTRACE_REPORT"])
    if os.environ.get("AGENTTRACE_COMMENT", "true") != "true" or not report.is_file():
        return _say("no comment is asked for", 0)
    if os.environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return _say("no pull request, no comment", 0)
    try:
        return _say(_put(report.read_text(encoding="utf-8")), 0)
    except HTTPError as error:
        return _say(_MAY_NOT_WRITE if error.code in {401, 403, 404} else f"no comment was written: {error}", 1)
    except OSError as error:
        return _say(f"no comment was written: {error}", 1)


def _say(told: str, code: int) -> int:
    sys.stdout.write(" ".join(told.split()) + "\n")
    return code


def _put(body: str) -> str:
    """Update our comment, or write the first one."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    issues = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    comments = f"{issues}/{event['pull_request']['number']}/comments"
    marker = body.partition("\n")[0]
    ours = next((each["id"] for each in _comments(comments) if _is_ours(each, marker)), None)
    if ours is None:
        return f"written: {_ask('POST', comments, {'body': body})['html_url']}"
    return f"updated: {_ask('PATCH', f'{issues}/comments/{ours}', {'body': body})['html_url']}"


def _is_ours(comment: dict[str, Any], marker: str) -> bool:
    """Whether a comment is the one to update: anybody may write the marker, so it must be our account's, too."""
    author: dict[str, Any] = comment.get("user") or {}
    return author.get("login") == os.environ["AGENTTRACE_COMMENT_AUTHOR"] and (comment.get("body") or "").startswith(
        marker
    )


def _comments(path: str) -> Iterator[dict[str, Any]]:
    for page in count(1):
        found: list[dict[str, Any]] = _ask("GET", f"{path}?per_page={_PAGE}&page={page}")
        yield from found
        if len(found) < _PAGE:
            return


def _ask(method: str, path: str, body: dict[str, str] | None = None) -> Any:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {os.environ['AGENTTRACE_TOKEN']}",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = Request(os.environ["GITHUB_API_URL"] + path, data, headers, method=method)
    with urlopen(request, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


if __name__ == "__main__":
    raise SystemExit(main())
