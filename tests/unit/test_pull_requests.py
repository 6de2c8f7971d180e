"""Pull requests as baselines: what GitHub and files tell of them, and how a change is compared with one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.overlaps import Baselines, Change, compare_change
from otel_agenttrace.analyze.pull_requests import (
    ChangedFile,
    PullRequest,
    is_test,
    pull_request_of,
    stored_form,
    stored_pull_request,
)
from otel_agenttrace.analyze.written_files import change_of_run
from otel_agenttrace.cli.working_tree import change_since
from otel_agenttrace.errors import ConfigError, IngestError
from otel_agenttrace.github.addresses import place_of, token_for
from otel_agenttrace.github.storing import read_stored, store, stored_files
from otel_agenttrace.model import Trace
from otel_agenttrace.redact import redactor
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.pull_requests import baselines_page
from tests.support.corpus import CORPORA
from tests.support.foreign_spans import span
from tests.support.github import changed, pull

_SESSION: Final = CORPORA / "claude-code-jsonl-simonw/tests/sample_session.json"


def _pull(*files: dict[str, Any], number: int = 7, **more: Any) -> PullRequest:
    return pull_request_of(pull(number, "2026-07-01T10:00:00Z", **more), files)


def _file(path: str, added: int | None = 1, deleted: int | None = 0) -> ChangedFile:
    return ChangedFile(path, "modified", added, deleted, previous_path=None, is_test=is_test(path))


def _tool(number: int, name: str, arguments: object = None, **more: Any) -> at.Span:
    told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    written = {} if arguments is None else {"gen_ai.tool.call.arguments": json.dumps(arguments)}
    return span(number, told | written, name=f"execute_tool {name}", **more)


def _run(*spans: at.Span) -> Change:
    return change_of_run(Trace(spans), "run")


# --- what is told of one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "tests/data.json",
        "src/__tests__/a.ts",
        "test_agent.py",
        "pkg/agent_test.go",
        "a/conftest.py",
        "web/app.test.tsx",
        "web/app.spec.js",
        "lib/agent_spec.rb",
        "src/AgentTest.java",
        "src/AgentTests.cs",
    ],
)
def test_the_path_of_a_test_is_known(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize("path", ["src/contest.py", "latest/a.py", "src/testing.py", "src/attest.go", "docs/tests.md"])
def test_a_path_that_only_sounds_like_a_test_is_none(path: str) -> None:
    assert not is_test(path)


def test_a_pull_request_tells_task_change_and_where_it_begins() -> None:
    found = _pull(changed("src/a.py", 3, 1), changed("tests/test_a.py", 5), body="Why.\r\nHow.")
    assert (found.repository, found.number, found.title, found.body) == ("octo/agent", 7, "Change 7", "Why.\nHow.")
    assert (found.base_sha, found.head_sha, found.merge_sha) == (f"{1007:040x}", f"{2007:040x}", f"{7:040x}")
    assert (found.additions, found.deletions, [each.is_test for each in found.files]) == (8, 1, [False, True])
    assert (found.author, found.is_bot, found.is_cut) == ("mona", False, False)


def test_what_nobody_wrote_is_empty_and_who_is_gone_is_not_known() -> None:
    found = _pull(body=None, user=None)
    assert (found.body, found.author, found.is_bot) == ("", None, False)


@pytest.mark.parametrize(
    "more",
    [
        {"user": {"login": "renovate[bot]", "type": "Bot"}},
        {"user": {"login": "pre-commit-ci", "type": "User"}},
        {"head": {"ref": "dependabot/pip/httpx-1", "sha": "0" * 40}},
    ],
)
def test_bots_and_dependency_updates_are_known(more: dict[str, Any]) -> None:
    assert _pull(**more).is_bot


def test_as_many_files_as_github_lists_may_not_be_all() -> None:
    assert _pull(*(changed(f"{number}.py") for number in range(3_000))).is_cut


@pytest.mark.parametrize("name", ["../../x", "a/..", "a", "a/b/c", 3, None])
def test_a_repository_that_would_be_another_path_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="full_name"):
        _pull(base={"ref": "main", "sha": "0", "repo": {"full_name": name}})


def test_a_file_without_its_counts_is_refused() -> None:
    with pytest.raises(ValueError, match="additions"):
        _pull({"filename": "a.py", "status": "added", "deletions": 0})


# --- kept -----------------------------------------------------------------------------------------------------------


def test_half_a_character_in_what_github_tells_is_kept(tmp_path: Path) -> None:
    found = _pull(changed("a\ud83d.py"), title="half a \ud83d face")
    assert read_stored(store(found, tmp_path, str)) == found


def test_what_is_kept_is_read_again_the_same(tmp_path: Path) -> None:
    found = _pull(changed("b.py", status="renamed", previous_filename="a.py"), body="Zürich 🦊")
    path = store(found, tmp_path, lambda told: told)
    assert path.relative_to(tmp_path).as_posix() == "github.com/octo/agent/7.json"
    assert read_stored(path) == found == stored_pull_request(stored_form(found))


def test_a_secret_in_a_task_is_not_kept(tmp_path: Path) -> None:
    secret = f"ghp_{secrets.token_hex(18)}"
    path = store(_pull(body=f"Use {secret}."), tmp_path, redactor({}).redact_text)
    assert secret not in path.read_text(encoding="utf-8")
    assert "Use " in read_stored(path).body


def test_the_newest_that_is_kept_comes_first(tmp_path: Path) -> None:
    for number in (9, 100, 10):
        store(_pull(number=number), tmp_path, str)
    assert [read_stored(path).number for path in stored_files(tmp_path)] == [100, 10, 9]


def test_a_host_of_an_address_never_leaves_the_folder(tmp_path: Path) -> None:
    path = store(_pull(html_url="https://../x"), tmp_path, str)
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert len(path.relative_to(tmp_path).parts) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "no stored pull request"),
        ('{"version": 2}', "reads up to 1"),
        ('{"version": 1, "repository": "a/b"}', "'number'"),
    ],
)
def test_a_damaged_file_is_named_with_its_reason(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    path.write_text(content)
    with pytest.raises(IngestError, match=reason) as raised:
        read_stored(path)
    assert raised.value.path == path


# --- compared -------------------------------------------------------------------------------------------------------


def test_files_are_shared_missed_or_others() -> None:
    baseline = _pull(changed("src/a.py", 3), changed("src/b.py"), changed("tests/test_a.py"))
    change = Change("run", (_file("src/a.py", 2, 1), _file("./tests/test_b.py", 4)))
    found = compare_change(baseline, change)
    assert (found.files.both, found.files.missed, found.files.others) == (
        ("src/a.py",),
        ("src/b.py", "tests/test_a.py"),
        ("tests/test_b.py",),
    )
    assert (found.tests.both, found.tests.missed, found.tests.others) == (
        (),
        ("tests/test_a.py",),
        ("tests/test_b.py",),
    )
    assert (found.additions, found.deletions, found.baseline_additions, found.root) == (6, 1, 5, None)


def test_a_change_that_is_the_pull_request_misses_nothing() -> None:
    baseline = _pull(changed("src/a.py", 3), changed("b.py", status="renamed", previous_filename="old.py"))
    found = compare_change(baseline, Change("same", baseline.files))
    assert (found.files.missed, found.files.others) == ((), ())


def test_a_renamed_file_is_the_same_by_either_path() -> None:
    baseline = _pull(changed("new.py", status="renamed", previous_filename="old.py"))
    for path in ("new.py", "old.py"):
        assert compare_change(baseline, Change("run", (_file(path),))).files.both == ("new.py",)


@pytest.mark.parametrize("root", ["/mnt/test/clone", "C:\\work\\clone", "/srv/src/clone"])
def test_the_folder_of_absolute_paths_is_the_one_that_makes_most_of_them_known(root: str) -> None:
    baseline = _pull(changed("src/a.py"), changed("src/b.py"), changed("a.py"))
    written = tuple(_file(f"{root}/{path}") for path in ("src/a.py", "src/b.py", "src/new.py"))
    found = compare_change(baseline, Change("run", written))
    assert found.root == f"{root}/".replace("\\", "/")
    assert (found.files.both, found.files.others) == (("src/a.py", "src/b.py"), ("src/new.py",))
    assert found.tests.others == ()  # a folder above the repository makes no test


def test_a_copy_elsewhere_does_not_move_the_folder() -> None:
    baseline = _pull(changed("src/a.py"), changed("src/b.py"))
    written = ("/tmp/src/a.py", "/mnt/mona/clone/src/a.py", "/mnt/mona/clone/src/b.py")
    found = compare_change(baseline, Change("run", tuple(map(_file, written))))
    assert (found.root, found.files.others) == ("/mnt/mona/clone/", ("/tmp/src/a.py",))


def test_a_folder_that_is_given_counts(tmp_path: Path) -> None:
    change = Change("run", (_file(f"{tmp_path}/pkg/a.py"),))
    assert compare_change(_pull(changed("a.py")), change, str(tmp_path)).files.others == ("pkg/a.py",)


def test_lines_that_are_not_known_of_each_file_are_not_known() -> None:
    found = compare_change(_pull(changed("a.py")), Change("run", (_file("a.py"), _file("b.py", None, None))))
    assert (found.additions, found.deletions) == (None, None)


# --- what a run wrote -----------------------------------------------------------------------------------------------


def test_edits_of_a_file_are_added_up() -> None:
    change = _run(
        _tool(1, "Write", {"file_path": "a.py", "content": "one\ntwo\n"}),
        _tool(2, "Edit", {"file_path": "a.py", "old_string": "one\ntwo", "new_string": "two\nthree\nfour"}),
        _tool(3, "MultiEdit", {"file_path": "b.py", "edits": [{"old_string": "x", "new_string": "y"}] * 2}),
    )
    assert [(each.path, each.additions, each.deletions) for each in change.files] == [("a.py", 4, 1), ("b.py", 2, 2)]
    assert change.is_estimate


def test_a_patch_tells_each_file() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n+more\n*** Add File: tests/test_a.py\n+x\n*** End Patch"
    change = _run(_tool(1, "apply_patch", {"input": patch}))
    assert [(each.path, each.additions, each.deletions) for each in change.files] == [
        ("a.py", 2, 1),
        ("tests/test_a.py", 1, 0),
    ]


def test_what_failed_and_what_only_reads_changed_nothing() -> None:
    failed = _tool(1, "write_file", {"path": "a.py", "content": "x"}, status="ERROR")
    assert failed.is_error
    assert _run(failed, _tool(2, "read_file", {"path": "b.py"}), _tool(3, "bash", {"command": "cat a.py"})) == _run()


def test_commands_and_untold_calls_are_counted_not_guessed() -> None:
    change = _run(_tool(1, "bash", {"command": "sed -i s/a/b/ a.py"}), _tool(2, "write_file"))
    assert (change.files, change.commands, change.untold_calls) == ((), 1, 1)


@pytest.mark.skipif(not _SESSION.exists(), reason="the corpora are not here")
def test_a_session_of_claude_code_tells_what_it_wrote() -> None:
    """By hand: in the file, look for `"name": "Write"` and `"Edit"`; two `pytest`, two `git add` and a `git push` are its commands.

    One of the two `pytest` failed, and may have written something all the same. Three lines of `math_utils.py` are written whole,
    two edits add five each; one line of `test_math.py` is replaced.
    """
    told = json.loads(_SESSION.read_text(encoding="utf-8"))["loglines"]
    contents = [each["message"]["content"] for each in told if each["type"] == "assistant"]
    used = [part for content in contents if isinstance(content, list) for part in content if part["type"] == "tool_use"]
    written = [part["input"]["file_path"] for part in used if part["name"] in ("Write", "Edit")]
    change = change_of_run(at.load(_SESSION), "session")
    assert [each.path for each in change.files] == list(dict.fromkeys(written))
    assert change.commands == sum(part["name"] == "Bash" for part in used) == 5
    baseline = _pull(changed("math_utils.py", 11), changed("README.md"), changed("tests/test_math.py"))
    found = compare_change(baseline, change)
    assert (found.root, found.files.both, found.files.missed) == (
        "/project/",
        ("math_utils.py", "tests/test_math.py"),
        ("README.md",),
    )
    assert (found.additions, found.deletions) == (3 + 5 + 5 + 1, 1)


# --- what a working tree changed ------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a.py").write_text("one\ntwo\n")
    (tmp_path / "kept.py").write_text("".join(f"line {number}\n" for number in range(20)))
    (tmp_path / ".gitignore").write_text("*.log\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "begin")
    return tmp_path


def _git(folder: Path, *arguments: str) -> None:
    who = [f"{key}_{what}" for key in ("GIT_AUTHOR", "GIT_COMMITTER") for what in ("NAME", "EMAIL")]
    environment = {**os.environ, **dict.fromkeys(who, "mona"), "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "-C", str(folder), *arguments], env=environment, check=True)


def test_a_working_tree_tells_what_changed_and_what_git_does_not_know_yet(repository: Path) -> None:
    (repository / "a.py").write_text("one\n2\n3\n")
    (repository / "tests").mkdir()
    (repository / "tests/test ü.py").write_text("a\nb")
    (repository / "noise.log").write_text("x")
    (repository / "image.bin").write_bytes(b"\0\1\n")
    (repository / "kept.py").rename(repository / "moved.py")
    _git(repository, "add", "moved.py", "kept.py")
    told = {each.path: each for each in change_since("main", repository / "tests").files}
    assert {path: (each.additions, each.deletions) for path, each in told.items()} == {
        "a.py": (2, 1),
        "moved.py": (0, 0),
        "tests/test ü.py": (2, 0),
        "image.bin": (0, 0),
    }
    assert told["moved.py"].previous_path == "kept.py"
    assert told["tests/test ü.py"].is_test


def test_a_new_file_is_read_in_pieces(repository: Path) -> None:
    with (repository / "weights.txt").open("wb") as file:
        for _ in range(64):
            file.write(b"x" * ((1 << 20) - 1) + b"\n")
    tracemalloc.start()
    try:
        (found,) = change_since("main", repository).files
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.additions, most < 8 << 20) == (64, True)


def test_what_others_did_since_on_the_base_is_not_the_change(repository: Path) -> None:
    _git(repository, "checkout", "-q", "-b", "work")
    (repository / "a.py").write_text("mine\n")
    _git(repository, "commit", "-q", "-a", "-m", "mine")
    _git(repository, "checkout", "-q", "main")
    (repository / "theirs.py").write_text("theirs\n")
    _git(repository, "add", ".")
    _git(repository, "commit", "-q", "-m", "theirs")
    _git(repository, "checkout", "-q", "work")
    assert [each.path for each in change_since("main", repository).files] == ["a.py"]
    assert [each.path for each in change_since("main...work", repository).files] == ["a.py"]


@pytest.mark.parametrize("base", ["no-such-branch", "--output=made", "-p"])
def test_a_base_that_is_no_revision_is_told(base: str, repository: Path) -> None:
    with pytest.raises(ConfigError, match="git does not tell"):
        change_since(base, repository)
    assert not (repository / "made").exists()


# --- addresses and tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "api", "number"),
    [
        ("octo/agent", "https://api.github.com", None),
        ("octo/agent#12", "https://api.github.com", 12),
        ("https://github.com/octo/agent", "https://api.github.com", None),
        ("https://github.com/octo/agent.git", "https://api.github.com", None),
        ("https://github.com/octo/agent/pulls", "https://api.github.com", None),
        ("https://github.com/octo/agent/pull/12/files?w=1", "https://api.github.com", 12),
        ("git@github.com:octo/agent.git", "https://api.github.com", None),
        ("https://git.example.test/octo/agent/pull/12", "https://git.example.test/api/v3", 12),
        ("https://mona:pass@git.example.test:8443/octo/agent", "https://git.example.test:8443/api/v3", None),
        ("https://octo.ghe.com/octo/agent", "https://api.octo.ghe.com", None),
    ],
)
def test_a_place_is_known_by_the_forms_people_copy(told: str, api: str, number: int | None) -> None:
    found = place_of(told)
    assert (found.api, found.owner, found.name, found.number) == (api, "octo", "agent", number)


@pytest.mark.parametrize(
    "told", ["octo", "../agent", "https://github.com/octo", "ftp://github.com/a/b", "a/b/c", "a b/c"]
)
def test_what_is_no_place_is_told(told: str) -> None:
    with pytest.raises(ConfigError, match="no repository"):
        place_of(told)


def test_each_host_gets_the_token_of_its_own_variables() -> None:
    environ = {"GITHUB_TOKEN": "public", "GITHUB_ENTERPRISE_TOKEN": "own"}
    assert token_for("https://api.github.com", environ).value == "public"
    assert token_for("https://api.octo.ghe.com", environ).value == "public"
    assert token_for("https://git.example.test/api/v3", environ).value == "own"
    assert token_for("https://api.github.com.example.test", {"GH_TOKEN": "public"}).value is None
    assert "public" not in repr(token_for("https://api.github.com", environ))


def test_no_token_goes_unencrypted_to_another_machine() -> None:
    environ = {"GH_ENTERPRISE_TOKEN": "own"}
    with pytest.raises(ConfigError, match="not sent unencrypted"):
        token_for("http://git.example.test/api/v3", environ)
    assert token_for("http://git.example.test/api/v3", {}).value is None
    assert token_for("http://127.0.0.1:8080", environ).value == "own"


# --- shown ----------------------------------------------------------------------------------------------------------


def test_what_people_wrote_means_nothing_in_markdown() -> None:
    hostile = "a|b <img src=x> @you\x1b[31m"
    baseline = _pull(changed(hostile), title=hostile, body=f"{hostile}\n```\n# no")
    report = Baselines((baseline,), (compare_change(baseline, Change(hostile, (_file(hostile),))),))
    told = page_markdown(baselines_page(report, has_task=True, has_files=True))
    assert "\x1b" not in told
    assert all("`" in line for line in told.splitlines() if "<img" in line and not line.startswith(("a|b", "  a|b")))


def test_a_comparison_is_told_in_counts() -> None:
    baseline = _pull(changed("src/a.py", 3), changed("tests/test_a.py", 2))
    change = Change("run.jsonl", (_file("src/a.py", None, None), _file("x.py")), is_estimate=True, commands=2)
    told = page_markdown(baselines_page(Baselines((baseline,), (compare_change(baseline, change),))))
    assert "| 7 | `run.jsonl` | 1 of 2 | 1 | 0 of 1 | 0 | ? for 5 | ? for 0 |" in told
    assert "2 shell commands may have changed files" in told
    assert "- tests/test_a.py\n+ x.py" in told
