"""Dynos: machines that throw their disk away at each restart."""

import logging
import os
from collections.abc import Sequence

log = logging.getLogger("parley")

THROWN_AWAY = (
    "this dyno throws its disk away at each restart, and everything that SQLite stores there with"
    " it: set DATABASE_URL to a PostgreSQL database"
)


def loses(files: Sequence[str]) -> bool:
    """Return whether this machine is a dyno, which would lose the files of an SQLite database."""
    return bool(files and os.environ.get("DYNO"))


def warn(files: Sequence[str]) -> None:
    """Log a line if the files of an SQLite database do not outlive this machine's restart."""
    if loses(files):
        log.warning("DATABASE_URL: %s", THROWN_AWAY)
