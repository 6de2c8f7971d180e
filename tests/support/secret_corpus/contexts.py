"""Where secrets stand in what an agent reads and writes: prompts, bodies, logs, files, commands."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

__all__ = ["CONTEXTS", "Context", "Shape", "tool_arguments"]

Shape: TypeAlias = Literal["token", "line", "block"]
"""A word that tells itself, a line that tells its secret, several lines."""

_ALL: Final[tuple[Shape, ...]] = ("token", "line", "block")
_TOKEN: Final[tuple[Shape, ...]] = ("token",)
_LINE: Final[tuple[Shape, ...]] = ("token", "line")


@dataclass(frozen=True, slots=True)
class Context:
    """A text around what is told; `is_json` says that it must be JSON afterwards, with the same members."""

    name: str
    render: Callable[[str], str]
    takes: tuple[Shape, ...] = _ALL
    is_json: bool = False


def _prose(told: str) -> str:
    return f"It fails since Monday, this is all I have:\n\n{told}\n\nWhat should I change?"


def _sentence(told: str) -> str:
    return f"I think ({told}) is the one; is it still in use?"


def _quoted(told: str) -> str:
    return f"Der Wert „{told}“ steht so im Wiki — 🔎 stimmt er noch?"


def _chat_request(told: str) -> str:
    system = {"role": "system", "content": "You are a careful assistant."}
    user = {"role": "user", "content": f"Deploy with this:\n{told}\nand say when it is done."}
    return json.dumps({"model": "gpt-5", "messages": [system, user], "temperature": 0.5, "max_tokens": 4096})


def tool_arguments(told: str) -> str:
    """Return the arguments of a tool call, as a model writes them."""
    return json.dumps({"path": "notes/todo.txt", "content": f"first line\n{told}\nlast line", "mode": 420})


def _tool_call(told: str) -> str:
    function = {"name": "write_file", "arguments": tool_arguments(told)}
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "function": function}]}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})


def _three_levels(told: str) -> str:
    inner = json.dumps({"answer": {"output": f"begin\n{told}\nend"}, "exit_code": 0})
    middle = json.dumps({"result": inner, "seconds": 0.25})
    return json.dumps({"input": [{"type": "function_call_output", "call_id": "call_7", "output": middle}]})


def _log(told: str) -> str:
    lines = (
        "2026-11-20 10:00:00,120 INFO  worker: started with 4 threads",
        f"2026-11-20 10:00:00,431 DEBUG worker: {told}",
        "2026-11-20 10:00:01,007 ERROR worker: gave up after 3 attempts",
    )
    return json.dumps({"role": "tool", "tool_call_id": "call_2", "content": "\n".join(lines)}, indent=1)


def _traceback(told: str) -> str:
    return (
        'Traceback (most recent call last):\n  File "app/main.py", line 42, in <module>\n    run(settings)\n'
        f"ValueError: refused by the server: {told}\n"
    )


def _env_file(told: str) -> str:
    return f"DEBUG=1\nREGION=eu-west-1\nUPSTREAM={told}\nWORKERS=4\n"


def _settings_file(told: str) -> str:
    return f"# local settings\n{told}\n# end\n"


def _diff(told: str) -> str:
    added = "\n".join(f"+{line}" for line in told.split("\n"))
    return f"diff --git a/conf b/conf\n--- a/conf\n+++ b/conf\n@@ -1,2 +1,3 @@\n a = 1\n{added}\n-b = 2\n"


def _yaml(told: str) -> str:
    indented = "\n".join(f"    {line}" for line in told.split("\n"))
    return f"version: 2\nnotes:\n  text: |\n{indented}\n  author: ann\n"


def _shell(told: str) -> str:
    return f"app@host:~$ cat notes.txt\n{told}\napp@host:~$ echo $?\n0\n"


def _curl(told: str) -> str:
    return f"curl -sS -X POST https://api.example.com/v1/items -H 'X-Debug: {told}' -d '{{\"a\": 1}}'"


def _fence(told: str) -> str:
    return f"Put this into the file:\n\n```\n{told}\n```\n\nThen restart it."


def _html(told: str) -> str:
    return f"<html><body><p>Seen:</p><pre>\n{html.escape(told, quote=False)}\n</pre><p>end</p></body></html>"


def _url(told: str) -> str:
    return f"Open https://api.example.com/v1/items?note={quote(told, safe='')}&page=2 in the browser."


def _header_dump(told: str) -> str:
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Debug: 1\r\n{told}\r\nX-Cache: MISS\r\n\r\n"


def _header_value(told: str) -> str:
    return f"GET /v1/items HTTP/1.1\r\nHost: api.example.com\r\nX-Debug: {told}\r\nAccept: */*\r\n\r\n"


def _member(told: str) -> str:
    return json.dumps({"id": 7, "note": told, "tags": ["a", "b"]}, separators=(",", ":"))


def _escaped(told: str) -> str:
    """Return JSON as PHP and Jackson write it, with slashes escaped and letters as code points."""
    return json.dumps({"größe": f"„{told}“", "n": 1}).replace("/", "\\/")


def _csv(told: str) -> str:
    return f'id,note,state\n1,"first",ok\n2,"{told}",ok\n3,third,failed\n'


def _sql(told: str) -> str:
    return f"INSERT INTO notes (id, text) VALUES (1, '{told}');"


def _repr(told: str) -> str:
    escaped = told.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'")
    return f"result: ['first', '{escaped}', 3]"


def _ndjson(told: str) -> str:
    rows = ({"n": 1, "text": "first"}, {"n": 2, "text": f"see:\n{told}\nthere"}, {"n": 3, "text": "last"})
    return "".join(f"{json.dumps(row)}\n" for row in rows)


CONTEXTS: Final[tuple[Context, ...]] = (
    Context("prose", _prose),
    Context("sentence", _sentence, _TOKEN),
    Context("quoted", _quoted, _TOKEN),
    Context("chat request", _chat_request, is_json=True),
    Context("tool call", _tool_call, is_json=True),
    Context("three levels of JSON", _three_levels, is_json=True),
    Context("log in a tool result", _log, is_json=True),
    Context("traceback", _traceback),
    Context("env file", _env_file, _TOKEN),
    Context("settings file", _settings_file),
    Context("diff", _diff),
    Context("yaml", _yaml),
    Context("shell session", _shell),
    Context("curl", _curl, _TOKEN),
    Context("fence", _fence),
    Context("html", _html),
    Context("url", _url, _TOKEN),
    Context("header dump", _header_dump, _LINE),
    Context("header value", _header_value, _TOKEN),
    Context("member", _member, is_json=True),
    Context("escaped member", _escaped, is_json=True),
    Context("csv", _csv, _TOKEN),
    Context("sql", _sql, _TOKEN),
    Context("repr", _repr),
    Context("ndjson", _ndjson),
)
