"""The permissions of our files: the database and the settings are for their owner alone."""

import logging
import os
import stat
from pathlib import Path
from shlex import quote

log = logging.getLogger(__name__)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The permissions of everybody but the owner."""


def narrow() -> None:
    """Let others neither read nor write any file that this process makes."""
    os.umask(OTHERS)


def warn(*paths: str) -> None:
    """Log a line if others may read or write existing files of ours, with the remedy."""
    if found := " ".join(map(quote, open_ones(*paths))):
        log.warning("other users of this machine can read files of ours; run: chmod 600 %s", found)


def open_ones(*paths: str) -> list[str]:
    """Return those of some files that others may read or write."""
    return [path for path in paths if _is_open(Path(path), OTHERS)]


def lets_others_write(folder: str) -> bool:
    """Return whether everybody may add, replace and delete files of a folder."""
    return _is_open(Path(folder), stat.S_IWOTH) and not _is_open(Path(folder), stat.S_ISVTX)


def _is_open(path: Path, bits: int) -> bool:
    if os.name == "nt":  # it keeps permissions elsewhere
        return False
    try:
        return bool(path.stat().st_mode & bits)
    except OSError:
        return False
