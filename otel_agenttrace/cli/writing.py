"""What commands that write a report to a file have in common."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from otel_agenttrace.errors import CassetteError, ConfigError

__all__ = ["OUTPUT_FILE", "writable", "write_file"]

OUTPUT_FILE = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON to this file too."
)


def write_file(path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        ConfigError: If the system does not let us.
    """
    with writable(path):
        path.write_bytes(content)


@contextmanager
def writable(path: Path) -> Generator[None]:
    """Tell of a file that cannot be written.

    Raises:
        ConfigError: If the system does not let the block write it.
    """
    try:
        yield
    except CassetteError:
        raise
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.\n  to fix   name a file in a folder that is there"
        ) from None
