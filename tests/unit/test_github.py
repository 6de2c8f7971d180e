"""The client of GitHub's REST API against a server on loopback that speaks it: pages, limits, refusals, and where the token goes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

import pytest

from otel_agenttrace.analyze.pull_requests import PullRequest
from otel_agenttrace.errors import ConfigError, GitHubError, GitHubLimited
from otel_agenttrace.github.addresses import place_of, token_for
from otel_agenttrace.github.client import GitHub
from otel_agenttrace.github.reading import chosen, with_files
from tests.support.github import FakeGitHub, changed, pull
from tests.support.loopback import Answer, LoopbackServer, Received

_NOW: Final = 1_800_000_000
_BOT: Final = {"login": "dependabot[bot]", "type": "Bot"}
_PULLS: Final = (
    pull(1, "2026-01-01T00:00:00Z", "2026-09-09T00:00:00Z"),  # somebody wrote to it much later
    pull(2, "2026-02-01T00:00:00Z"),
    pull(3, None, "2026-08-01T00:00:00Z"),
    pull(4, "2026-04-01T00:00:00Z", user=_BOT),
    pull(5, "2026-05-01T00:00:00Z"),
    pull(6, "2026-06-01T00:00:00Z"),
    pull(7, "2026-07-01T00:00:00Z"),
)


def _read(server: FakeGitHub, told: str = "octo/agent", most: int = 3, **more: Any) -> list[PullRequest]:
    has_bots = more.pop("has_bots", True)
    environ = more.pop("environ", {})
    place = place_of(told, server.api)
    with GitHub(place.api, token_for(place.api, environ), now=lambda: _NOW, **more) as github:
        return [with_files(github, place, each) for each in chosen(github, place, most, has_bots=has_bots)]


def _refused(status: int, *headers: tuple[str, str], message: str = "") -> Answer:
    return Answer(status, headers, (json.dumps({"message": message}).encode(),))


def _numbers(found: list[PullRequest]) -> list[int]:
    return [each.number for each in found]


def test_those_that_were_merged_last_are_read_not_those_that_were_touched_last() -> None:
    with FakeGitHub(_PULLS) as server:
        assert _numbers(_read(server)) == [7, 6, 5]
        pages = [request.query.get("page", "1") for request in server.requests if request.path.endswith("/pulls")]
    assert pages == ["1", "2", "3"]  # the fourth page has none that can be newer


def test_without_bots_others_take_their_place() -> None:
    with FakeGitHub(_PULLS) as server:
        assert _numbers(_read(server, most=5)) == [7, 6, 5, 4, 2]
        assert _numbers(_read(server, most=5, has_bots=False)) == [7, 6, 5, 2, 1]


def test_a_repository_with_fewer_is_read_to_its_end() -> None:
    with FakeGitHub(_PULLS) as server:
        assert _numbers(_read(server, most=50)) == [7, 6, 5, 4, 2, 1]


def test_the_files_of_all_pages_are_read() -> None:
    files = [changed(f"src/{number}.py", number) for number in range(5)]
    with FakeGitHub(_PULLS, {7: files}) as server:
        (found,) = _read(server, "octo/agent#7")
    assert [each.path for each in found.files] == [f"src/{number}.py" for number in range(5)]
    assert found.additions == 10


def test_a_repository_that_was_renamed_is_read_by_its_old_name() -> None:
    with FakeGitHub(_PULLS, {7: [changed(f"{number}.py") for number in range(3)]}) as server:
        (found,) = _read(server, "octo/old-name#7")
    assert found.repository == "octo/agent"
    assert len(found.files) == 3


def test_a_private_repository_is_read_with_a_token() -> None:
    token = secrets.token_hex(20)
    with FakeGitHub(_PULLS, token=token) as server:
        found = _read(server, "octo/private", environ={"GH_ENTERPRISE_TOKEN": token})
        assert _numbers(found) == [7, 6, 5]
        with pytest.raises(GitHubError, match=r"or it is private(.|\n)*set GH_ENTERPRISE_TOKEN"):
            _read(server, "octo/private")
        with pytest.raises(GitHubError, match="the token may not read it"):
            _read(server, "octo/private", environ={"GH_ENTERPRISE_TOKEN": "another"})


@pytest.mark.parametrize("where", ["redirect", "next page"])
def test_no_other_host_gets_the_token(where: str) -> None:
    token = secrets.token_hex(20)
    heard: list[Received] = []

    def hear(request: Received) -> Answer:
        heard.append(request)
        return Answer(200, (("content-type", "application/json"),), (b"[]",))

    def elsewhere(_: Received, answer: Answer) -> Answer:
        if where == "redirect":
            return Answer(301, (("location", f"{other.url}/taken"),))
        return Answer(200, (("link", f'<{other.url}/taken>; rel="next"'),), answer.pieces)

    with LoopbackServer(hear) as other, FakeGitHub(_PULLS, then=elsewhere) as server:
        if where == "redirect":
            _read(server, environ={"GH_ENTERPRISE_TOKEN": token})
        else:
            with pytest.raises(GitHubError, match="on another host"):
                _read(server, environ={"GH_ENTERPRISE_TOKEN": token}, most=50)
        assert server.requests[0].header("authorization") == f"Bearer {token}"
    assert len(heard) == (1 if where == "redirect" else 0)
    assert all(token not in str(request.headers) for request in heard)


@pytest.mark.parametrize("damage", ["\n", "\0", "\u00e9", " "])
def test_a_token_that_no_header_may_hold_is_refused_and_not_shown(damage: str) -> None:
    token = f"{secrets.token_hex(10)}{damage}{secrets.token_hex(10)}"
    with FakeGitHub(_PULLS) as server, pytest.raises(ConfigError, match="GH_ENTERPRISE_TOKEN is no token") as raised:
        _read(server, environ={"GH_ENTERPRISE_TOKEN": token})
    assert token[:20] not in str(raised.value)


# --- limits ---------------------------------------------------------------------------------------------------------


def _used_up(seconds: int) -> Answer:
    headers = (("x-ratelimit-remaining", "0"), ("x-ratelimit-limit", "60"), ("x-ratelimit-reset", str(_NOW + seconds)))
    return _refused(403, *headers, message="API rate limit exceeded")


@pytest.mark.parametrize(
    ("answer", "told", "seconds"),
    [
        (_used_up(720), "limit of 60 requests an hour is used up, for another 12 min", 720),
        (_used_up(-5), "for another 0 s", 0),
        (_refused(429, ("retry-after", "30")), "for another 30 s", 30),
        (_refused(403, ("retry-after", "30")), "for another 30 s", 30),
        (_refused(429), "it does not say for how long", None),
    ],
)
def test_a_limit_tells_when_it_ends(answer: Answer, told: str, seconds: float | None) -> None:
    with FakeGitHub(_PULLS) as server:
        server.first = [answer]
        with pytest.raises(GitHubLimited, match=told) as raised:
            _read(server)
    assert raised.value.resets_in_s == seconds
    assert "set GH_ENTERPRISE_TOKEN, which allows more, or wait with --wait" in str(raised.value)


def test_who_waits_goes_on_when_the_limit_ends() -> None:
    waited: list[float] = []
    with FakeGitHub(_PULLS) as server:
        server.first = [_used_up(720), _refused(429)]
        assert _numbers(_read(server, wait=waited.append)) == [7, 6, 5]
    assert waited == [720, 60]


def test_who_waits_does_not_wait_for_ever() -> None:
    waited: list[float] = []
    with FakeGitHub(_PULLS, then=lambda *_: _used_up(1)) as server, pytest.raises(GitHubLimited):
        _read(server, wait=waited.append)
    assert len(waited) == 5


# --- refusals and damage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_refused(401), "the token is refused"),
        (_refused(403, message="Resource protected by SAML"), "it answers 403, Resource protected by SAML"),
        (_refused(502), "it answers 502(.|\n)*try again later"),
        (Answer(200, (), (b"<html>",)), "not that of GitHub's API: it is no JSON"),
        (Answer(200, (), (b"{}",)), "a list was expected"),
        (Answer(200, (), (b'[{"merged_at": "2026-01-01T00:00:00Z"}]',)), "not that of GitHub's API"),
        (Answer(302, (("location", "/api/v3/repos/octo/agent/pulls"),)), "it cannot be read|a list"),
        (Answer(end="drop"), "it cannot be read: "),
        (Answer(200, (), (b"[]",), end="cut"), "it cannot be read: "),
        (Answer(200, (("content-encoding", "gzip"),), (b"no gzip",)), "it cannot be read: "),
    ],
)
def test_what_cannot_be_read_is_named(answer: Answer, told: str) -> None:
    with FakeGitHub(_PULLS, then=lambda *_: answer) as server, pytest.raises(GitHubError, match=told) as raised:
        _read(server)
    assert str(raised.value).startswith(f"{server.api}/repos/octo/agent/pulls")
    assert "?" not in str(raised.value).splitlines()[0]


def test_an_answer_that_does_not_come_is_named() -> None:
    late: Callable[[Received, Answer], Answer] = lambda _, answer: Answer(pieces=answer.pieces, delay_s=30)  # noqa: E731
    with FakeGitHub(_PULLS, then=late) as server, pytest.raises(GitHubError, match="no answer in time"):
        _read(server, timeout_s=0.05)


def test_pages_that_lead_back_are_told() -> None:
    def back(request: Received, answer: Answer) -> Answer:
        return Answer(
            200, (("link", f'<{server.api.removesuffix("/api/v3")}{request.target}>; rel="next"'),), answer.pieces
        )

    with FakeGitHub(_PULLS, then=back) as server, pytest.raises(GitHubError, match="one that was read"):
        _read(server, most=50)


def test_nobody_there_is_named() -> None:
    with FakeGitHub() as server:
        pass
    with pytest.raises(GitHubError, match="it cannot be read: "):
        _read(server)
