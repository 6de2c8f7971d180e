from __future__ import annotations

import json


def json_events(body):
    out = []
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            try:
                out.append(json.loads(line[6:]))
            except ValueError:
                pass
    return out
