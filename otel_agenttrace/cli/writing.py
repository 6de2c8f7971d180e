"""What commands that write a report to a file have in common."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from otel_agenttrace.cassette.beginning import is_ours
from otel_agenttrace.errors import CassetteError, ConfigError

__all__ = ["OUTPUT_FILE", "refuse_recording", "writable", "write_file"]

OUTPUT_FILE = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON to this file too."
)


def refuse_recording(path: Path) -> None:
    """Refuse to write something else where a recording is.

    Raises:
        ConfigError: If one is there.
        OSError: If it cannot be read.
    """
    if path.is_file() and is_ours(path):
        raise ConfigError(f"{path} is a recording, which would be gone.\n  to fix   name another file to write")


def write_file(path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        ConfigError: If the system does not let us, or a recording is there.
    """
    with writable(path):
        path.write_bytes(content)


@contextmanager
def writable(path: Path) -> Generator[None]:
    """Tell of a file that cannot be written, or must not be.

    Raises:
        ConfigError: If the system does not let the block write it, or a recording is there.
    """
    try:
        refuse_recording(path)
        yield
    except CassetteError:
        raise
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.\n  to fix   name a file in a folder that is there"
        ) from None
