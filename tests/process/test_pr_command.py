"""`otel-agenttrace pr`, run as a user runs it: asked of a server, recorded, replayed without it, kept and read again."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.github import FakeGitHub, changed, pull
from tests.support.loopback import Answer
from tests.support.processes import instrumented_environment

_ROOT: Final = Path(__file__).parents[2]
_COMMAND: Final = str(Path(sys.executable).with_name("otel-agenttrace"))
_PULLS: Final = [pull(number, f"2026-0{number}-01T00:00:00Z") for number in range(1, 6)]
_FILES: Final = {
    number: [changed("src/agent.py", 30, 4), changed("docs/use.md", 2), changed("tests/test_agent.py", 12)]
    for number in range(1, 6)
}


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with FakeGitHub(_PULLS, _FILES) as serving:
        yield serving


def _run(*arguments: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    dropped = ("GH_", "GITHUB_")
    environment = {k: v for k, v in instrumented_environment(None, None).items() if not k.startswith(dropped)}
    command = [_COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=60, check=False
    )


def _written(folder: Path, *arguments: tuple[str, Mapping[str, str]]) -> Path:
    """Return a trace of a run that called these tools."""
    attributes = [
        [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
            {"key": "gen_ai.tool.name", "value": {"stringValue": name}},
            {"key": "gen_ai.tool.call.arguments", "value": {"stringValue": json.dumps(told)}},
        ]
        for name, told in arguments
    ]
    spans = [
        {
            "traceId": "1" * 32,
            "spanId": f"{n:016x}",
            "name": "execute_tool",
            "startTimeUnixNano": f"{n}",
            "attributes": told,
        }
        for n, told in enumerate(attributes, 1)
    ]
    path = folder / "run.json"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    return path


def test_the_last_that_were_merged_are_a_table(server: FakeGitHub, tmp_path: Path) -> None:
    result = _run("pr", "octo/agent", "--api", server.api, "-n", "2", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "Pull requests of octo/agent\n"
        "#  merged      author  files  tests   +  −  title   \n"
        "5  2026-05-01  mona        3      1  44  4  Change 5\n"
        "4  2026-04-01  mona        3      1  44  4  Change 4\n"
    )


def test_the_names_of_its_predecessor_work(server: FakeGitHub, tmp_path: Path) -> None:
    address = "https://github.com/octo/agent/pull/3"
    task = _run("pr-diff", address, "--api", server.api, "--task", folder=tmp_path).stdout
    files = _run("pr-diff", address, "--api", server.api, "--files", folder=tmp_path).stdout
    assert "Please change 3.\n\nIt is needed." in task
    assert "src/agent.py" not in task
    assert "src/agent.py         modified  30  4" in files
    assert "Please change 3." not in files


def test_what_is_kept_needs_no_network_later(server: FakeGitHub, tmp_path: Path) -> None:
    asked = _run("pr", "octo/agent", "--api", server.api, "-o", "kept", "--json", folder=tmp_path)
    assert asked.stderr == "otel-agenttrace: kept 5 pull requests in kept\n"
    hits = len(server.requests)
    kept = _run("pr", "kept", "--json", folder=tmp_path)
    assert json.loads(kept.stdout) == json.loads(asked.stdout)
    assert len(server.requests) == hits
    (one,) = json.loads(_run("pr", "kept/github.com/octo/agent/4.json", "--json", folder=tmp_path).stdout)[
        "pull_requests"
    ]
    assert (one["number"], one["base_sha"]) == (4, f"{1004:040x}")


def test_a_damaged_file_is_named_and_the_rest_is_read(server: FakeGitHub, tmp_path: Path) -> None:
    _run("pr", "octo/agent#5", "--api", server.api, "-o", "kept", folder=tmp_path)
    damaged = tmp_path / "kept" / "4.json"
    damaged.write_text("{")
    result = _run("pr", "kept", folder=tmp_path)
    assert result.returncode == 0
    assert "Change 5" in result.stdout
    assert f"not read: {Path('kept/4.json')}" in result.stderr
    assert _run("pr", damaged, folder=tmp_path).returncode == 3


def test_a_run_is_compared_with_a_pull_request(server: FakeGitHub, tmp_path: Path) -> None:
    run = _written(
        tmp_path,
        ("Write", {"file_path": "/srv/clone/src/agent.py", "content": "a\nb\n"}),
        ("Write", {"file_path": "/srv/clone/src/new.py", "content": "c\n"}),
        ("bash", {"command": "make"}),
    )
    result = _run("pr", "octo/agent#5", "--api", server.api, "--run", run.name, "--format", "md", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "| 5 | `run.json` | 1 of 3 | 1 | 0 of 1 | 0 | ~3 for 44 | ~0 for 4 |" in result.stdout
    assert "  src/agent.py\n- docs/use.md\n- tests/test_agent.py\n+ src/new.py\n" in result.stdout
    assert "`run.json`: paths are below `/srv/clone/`" in result.stdout
    assert "`run.json`: 1 shell command may have changed files that nobody names" in result.stdout


def test_a_run_that_cannot_be_read_exits_with_3(server: FakeGitHub, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    result = _run("pr", "octo/agent#5", "--api", server.api, "--run", "run.json", folder=tmp_path)
    assert (result.returncode, "not read: run.json" in result.stderr) == (3, True)


def test_each_key_of_the_json_is_documented(server: FakeGitHub, tmp_path: Path) -> None:
    documented = set(re.findall(r"`(\w+)`", (_ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")))
    run = _written(tmp_path, ("Write", {"file_path": "a.py", "content": ""}))
    result = _run("pr", "octo/agent#5", "--api", server.api, "--run", run, "--json", folder=tmp_path)
    assert set(_keys(json.loads(result.stdout))) <= documented


def _keys(value: Any) -> Iterator[str]:
    for each in value.items() if isinstance(value, Mapping) else ():
        yield each[0]
        yield from _keys(each[1])
    for member in value if isinstance(value, list) else ():
        yield from _keys(member)


# --- as any HTTP ----------------------------------------------------------------------------------------------------


def test_what_it_asks_is_recorded_without_the_token_and_replayed_without_the_server(tmp_path: Path) -> None:
    token = secrets.token_hex(20)
    with FakeGitHub(_PULLS, _FILES, token=token) as server:
        # an old name that leads to the new one, pages, and a limit that is waited for
        server.first = [Answer(429, (("retry-after", "0"),), (b"{}",))]
        asked = (_COMMAND, "pr", "octo/old-name", "--api", server.api, "--wait", "--task", "--files")
        told = _run("record", "run.otlp.jsonl", "--", *asked, folder=tmp_path, GH_ENTERPRISE_TOKEN=token)
        assert told.returncode == 0, told.stderr
        assert all(request.header("authorization") == f"Bearer {token}" for request in server.requests)
        hits = len(server.requests)
    assert hits > 10
    assert "Please change 1." in told.stdout
    assert all(token not in path.read_bytes().decode() for path in tmp_path.rglob("*") if path.is_file())
    again = _run("replay", "run.otlp.jsonl", "--", *asked, folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, told.stdout), again.stderr
    assert "waiting 0 s for GitHub's rate limit" in again.stderr


# --- errors ---------------------------------------------------------------------------------------------------------


def test_a_token_is_never_printed(tmp_path: Path) -> None:
    token = secrets.token_hex(20)
    with FakeGitHub(token="another") as server:
        result = _run("pr", "octo/private", "--api", server.api, folder=tmp_path, GH_ENTERPRISE_TOKEN=token)
    assert result.returncode == 3
    assert token not in result.stdout + result.stderr


def test_without_httpx_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['httpx'] = None; from otel_agenttrace.cli import main; main()"
    command = [sys.executable, "-c", code, "pr", "octo/agent", "--api", "http://127.0.0.1:9"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "pip install 'otel-agenttrace[github]'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("octo",), 2, "no repository and no pull request"),
        (("octo/agent", "--api", "ftp://127.0.0.1"), 2, "The address of the API is none"),
        (("octo/agent", "--api", "http://127.0.0.1:9", "--timeout", "5"), 3, "it cannot be read"),
        ((".",), 3, "no stored pull request"),
    ],
)
def test_what_is_wrong_is_told_with_its_exit_code(
    arguments: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    result = _run("pr", *arguments, folder=tmp_path)
    assert (result.returncode, told in result.stderr) == (code, True), result.stderr
