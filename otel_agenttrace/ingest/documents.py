"""Parse a file that is JSON or YAML, maybe compressed. Bytes in, one plain value out."""

from __future__ import annotations

import codecs

from otel_agenttrace.ingest.encodings import GZIP, gunzipped
from otel_agenttrace.ingest.interactions import NotReadable
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.safe_yaml import NotYaml, parsed_yaml

__all__ = ["document", "json_document"]


def document(content: bytes) -> object:
    """Return the value of a YAML or JSON file.

    Raises:
        NotReadable: If it is neither.
        ConfigError: If it is YAML and PyYAML is not there.
    """
    content = _unpacked(content)
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            return json_document(content)
        except NotReadable:  # YAML may begin like that, too
            pass
    try:
        return parsed_yaml(content, extra="vcr")
    except NotYaml as error:
        raise NotReadable(str(error)) from None


def json_document(content: bytes) -> object:
    """Return the value of a JSON file.

    Raises:
        NotReadable: If it is none.
    """
    try:
        value: object = parse(_unpacked(content).removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        raise NotReadable(f"not readable as JSON: {error}"[:300]) from None
    return value


def _unpacked(content: bytes) -> bytes:
    return gunzipped(content) if content.startswith(GZIP) else content
