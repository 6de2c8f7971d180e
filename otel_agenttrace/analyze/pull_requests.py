"""Read a pull request as a baseline: the task and the change that people accepted for it. GitHub's or a stored JSON in, pull request out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, parse, text

__all__ = [
    "ChangedFile",
    "PullRequest",
    "is_test",
    "made_by_bot",
    "pull_request_of",
    "stored_form",
    "stored_pull_request",
]

_MOST_FILES: Final = 3_000
"""GitHub lists no more files of one pull request."""

_VERSION: Final = 1
_TESTS: Final = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?)/"
    r"|(?:^|/)(?:test_[^/]*|conftest\.py|[^/]*[._-](?:test|tests|spec)\.\w+|[^/]*(?:Tests?|Spec)\.\w+)$"
)
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_BOTS: Final = frozenset({"dependabot", "dependabot-preview", "renovate", "renovate-bot", "pre-commit-ci", "snyk-bot"})
_BUMPS: Final = ("dependabot/", "renovate/", "pre-commit-ci-update", "snyk-")
"""How the branches of dependency updates begin, whoever opens their pull requests."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of a change.

    Attributes:
        path: In the repository, after the change.
        status: As GitHub tells it: `added`, `modified`, `removed`, `renamed`, `copied`, `changed`, `unchanged`.
        additions: Lines; None where that is not known. A binary file has none.
        deletions: The same.
        previous_path: Before the change, where the file was renamed.
        is_test: Whether its path is one of a test.
    """

    path: str
    status: str
    additions: int | None
    deletions: int | None
    previous_path: str | None
    is_test: bool


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A task and what was changed for it.

    Attributes:
        repository: `owner/name`, as it is called today.
        number: Of the pull request.
        title: The task in one line.
        body: The task in full; empty where nobody wrote one.
        url: Of its page.
        author: The login; None for an account that is gone.
        is_bot: Whether a bot opened it, or its branch is that of a dependency update.
        base_branch: The branch it goes to.
        base_sha: The commit it begins at, which an agent's run begins at, too.
        head_branch: The branch it comes from.
        head_sha: Its last commit.
        merge_sha: The commit by which it was merged.
        merged_at: ISO 8601, in UTC; None where it is not merged.
        additions: Lines, of all files.
        deletions: The same.
        files: What it changed, in GitHub's order.
        is_cut: Whether it may have more files than GitHub lists.
    """

    repository: str
    number: int
    title: str
    body: str
    url: str
    author: str | None
    is_bot: bool
    base_branch: str
    base_sha: str
    head_branch: str
    head_sha: str
    merge_sha: str | None
    merged_at: str | None
    additions: int
    deletions: int
    files: tuple[ChangedFile, ...]
    is_cut: bool


def is_test(path: str) -> bool:
    """Whether a path is one of a test, by the folders and names that are usual; docs/pull-requests.md lists them."""
    return _TESTS.search(path) is not None


def made_by_bot(answer: JsonObject) -> bool:
    """Whether a bot opened a pull request, or its branch is that of a dependency update. `answer` is GitHub's."""
    user = obj(answer.get("user"))
    login = text(user.get("login")) or ""
    branch = text(obj(answer.get("head")).get("ref")) or ""
    return user.get("type") == "Bot" or login.endswith("[bot]") or login in _BOTS or branch.startswith(_BUMPS)


def pull_request_of(answer: Json, files: Iterable[Json]) -> PullRequest:
    """Return the pull request that GitHub tells of, with its files.

    Raises:
        ValueError: If the answer lacks something that every pull request has.
    """
    told = obj(answer)
    base, head = obj(told.get("base")), obj(told.get("head"))
    changed = tuple(_file(obj(each), "filename", "previous_filename") for each in files)
    return PullRequest(
        repository=_repository(obj(base.get("repo")), "full_name"),
        number=_whole(told, "number"),
        title=_text(told, "title"),
        body=(text(told.get("body")) or "").replace("\r\n", "\n"),
        url=_text(told, "html_url"),
        author=text(obj(told.get("user")).get("login")),
        is_bot=made_by_bot(told),
        base_branch=_text(base, "ref"),
        base_sha=_text(base, "sha"),
        head_branch=_text(head, "ref"),
        head_sha=_text(head, "sha"),
        merge_sha=text(told.get("merge_commit_sha")),
        merged_at=text(told.get("merged_at")),
        additions=sum(each.additions or 0 for each in changed),
        deletions=sum(each.deletions or 0 for each in changed),
        files=changed,
        is_cut=len(changed) >= _MOST_FILES,
    )


def stored_form(pull: PullRequest) -> bytes:
    """Return a pull request as a file: its attributes as JSON, and the `version` of this form."""
    return (json.dumps({"version": _VERSION, **asdict(pull)}, indent=2, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"
    )


def stored_pull_request(content: bytes) -> PullRequest:
    """Return the pull request of a stored file.

    Raises:
        ValueError: If it is no such file, or a newer release wrote it.
    """
    told = obj(parse(content))
    version = integer(told.get("version"))
    if version is not None and version > _VERSION:
        raise ValueError(f"it has version {version}; this release reads up to {_VERSION}")
    if version is None or "repository" not in told:
        raise ValueError("it is no stored pull request")
    return PullRequest(
        repository=_repository(told, "repository"),
        number=_whole(told, "number"),
        title=_text(told, "title"),
        body=_text(told, "body"),
        url=_text(told, "url"),
        author=text(told.get("author")),
        is_bot=told.get("is_bot") is True,
        base_branch=_text(told, "base_branch"),
        base_sha=_text(told, "base_sha"),
        head_branch=_text(told, "head_branch"),
        head_sha=_text(told, "head_sha"),
        merge_sha=text(told.get("merge_sha")),
        merged_at=text(told.get("merged_at")),
        additions=_whole(told, "additions"),
        deletions=_whole(told, "deletions"),
        files=tuple(_file(obj(each), "path", "previous_path") for each in array(told.get("files"))),
        is_cut=told.get("is_cut") is True,
    )


def _file(told: JsonObject, path_key: str, previous_key: str) -> ChangedFile:
    path = _text(told, path_key)
    return ChangedFile(
        path=path,
        status=_text(told, "status"),
        additions=_whole(told, "additions"),
        deletions=_whole(told, "deletions"),
        previous_path=text(told.get(previous_key)),
        is_test=is_test(path),
    )


def _repository(told: JsonObject, key: str) -> str:
    """Return `owner/name`, which becomes a path."""
    name = _text(told, key)
    if not _REPOSITORY.fullmatch(name) or not {".", ".."}.isdisjoint(name.split("/")):
        raise ValueError(f"{key!r} is no owner/name")
    return name


def _text(told: JsonObject, key: str) -> str:
    value = text(told.get(key))
    if value is None:
        raise ValueError(f"{key!r} is missing or no text")
    return value


def _whole(told: JsonObject, key: str) -> int:
    value = integer(told.get(key))
    if value is None or value < 0:
        raise ValueError(f"{key!r} is missing or no number")
    return value
