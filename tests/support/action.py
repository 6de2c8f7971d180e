"""Run the steps of action.yml as GitHub does, on this machine: expressions become environment, each step a bash."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.loopback import Answer, Received, Service

__all__ = ["ROOT", "FakeGitHub", "Job", "action"]

ROOT: Final = Path(__file__).parents[2]
_EXPRESSION: Final = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")


def action() -> dict[str, Any]:
    """Return what action.yml says."""
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@dataclass
class Job:
    """A job of a workflow that uses the action: what its contexts say, and what its steps have printed."""

    workspace: Path
    contexts: Mapping[str, str]
    environment: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    printed: list[str] = field(default_factory=list[str])

    def run(self, *names: str) -> int:
        """Run the steps with these names, else all, up to the first that fails; return its exit code, or 0."""
        for step in action()["runs"]["steps"]:
            if (not names or step["name"] in names) and (code := self._step(step)):
                return code
        return 0

    def _step(self, step: Mapping[str, Any]) -> int:
        assert step["shell"] == "bash"
        given = {name: self._filled(value) for name, value in step["env"].items()}
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace / self._filled(step["working-directory"]),
            env={**self.environment, **given, "GITHUB_ACTION_PATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.printed.append(ran.stdout)
        return ran.returncode

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        where, _, key = name.partition(".")
        if where != "inputs":
            return self.contexts.get(name, "")
        default = str(action()["inputs"][key]["default"])
        return self.inputs.get(key, self._filled(default))


class FakeGitHub(Service):
    """The comments of pull request 7 behind GitHub's API. Serves between entering and leaving its block."""

    def __init__(self, token: str) -> None:
        self.comments: list[dict[str, Any]] = []
        self.may_write = True
        self.token = token
        super().__init__(self._answer)

    def add(self, author: str, body: str) -> dict[str, Any]:
        """Write a comment."""
        number = len(self.comments) + 1
        self.comments.append({"id": number, "user": {"login": author}, "body": body, "html_url": f"comment/{number}"})
        return self.comments[-1]

    def _answer(self, request: Received) -> Answer:
        if request.header("authorization") != f"Bearer {self.token}":
            return _json(401, {})
        below = "/repos/acme/agent/issues/"
        if request.method == "GET" and request.path == f"{below}7/comments":
            size, page = int(request.query["per_page"]), int(request.query["page"])
            return _json(200, self.comments[size * (page - 1) : size * page])
        if not self.may_write:
            return _json(403, {"message": "Resource not accessible by integration"})
        if request.method == "POST" and request.path == f"{below}7/comments":
            return _json(201, self.add("github-actions[bot]", request.json()["body"]))
        found = re.fullmatch(rf"{below}comments/(\d+)", request.path)
        if request.method == "PATCH" and found is not None:
            comment = self.comments[int(found[1]) - 1]
            comment["body"] = request.json()["body"]
            return _json(200, comment)
        return _json(404, {})


def _json(status: int, document: Any) -> Answer:
    return Answer(status, (("content-type", "application/json"),), (json.dumps(document).encode(),))
