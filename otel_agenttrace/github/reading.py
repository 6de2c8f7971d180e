"""Choose pull requests and read them with their files. Place and API in, pull requests out."""

from __future__ import annotations

from collections.abc import Sequence

from otel_agenttrace.analyze.pull_requests import PullRequest, made_by_bot, pull_request_of
from otel_agenttrace.github.addresses import Place
from otel_agenttrace.github.client import GitHub
from otel_agenttrace.jsonvalue import Json, JsonObject, integer, obj, text

__all__ = ["chosen", "with_files"]


def chosen(github: GitHub, place: Place, most: int, *, has_bots: bool) -> Sequence[JsonObject]:
    """Return the pull request that is meant, or those of the repository that were merged last, as GitHub tells them.

    GitHub sorts by the last update, which is never before the merge: pages are read until no later one can hold a newer merge.

    Args:
        github: The API.
        place: The pull request or the repository.
        most: How many of a repository.
        has_bots: Whether those of bots count.

    Raises:
        GitHubError: If GitHub does not tell.
    """
    path = _path(place)
    if place.number is not None:
        return (obj(github.one(f"{path}/{place.number}")),)
    kept: list[JsonObject] = []
    for page in github.pages(f"{path}?state=closed&sort=updated&direction=desc"):
        told = [obj(each) for each in page]
        kept += [each for each in told if _merged_at(each) and (has_bots or not made_by_bot(each))]
        kept.sort(key=_merged_at, reverse=True)
        del kept[most:]
        if len(kept) == most and told and (text(told[-1].get("updated_at")) or "") < _merged_at(kept[-1]):
            break
    return kept


def with_files(github: GitHub, place: Place, told: JsonObject) -> PullRequest:
    """Return a pull request with the files it changed.

    Raises:
        GitHubError: If GitHub does not tell them, or tells something else than a pull request.
    """
    number = integer(told.get("number"))
    if number is None:
        raise github.damaged(f"{place.api}{_path(place)}", "a pull request has no number")
    path = f"{_path(place)}/{number}"
    files: list[Json] = [each for page in github.pages(f"{path}/files") for each in page]
    try:
        return pull_request_of(told, files)
    except ValueError as error:
        raise github.damaged(f"{place.api}{path}", str(error)) from error


def _path(place: Place) -> str:
    return f"/repos/{place.owner}/{place.name}/pulls"


def _merged_at(told: JsonObject) -> str:
    return text(told.get("merged_at")) or ""
