"""Files that a Bot API server of the operator's keeps on this disk, in its mode `--local`.

Such a server tells an absolute path, which holds the token. Nothing is read but regular files below
the folder that the operator has named, whatever the server tells.
"""

import asyncio
import errno
import logging
import os
import stat
from pathlib import Path, PureWindowsPath

from bots.downloads import check
from core.adapter import Attachment
from core.errors import AttachmentError, Unreachable

log = logging.getLogger(__name__)

SETTING = "TELEGRAM_FILES_DIR"
# Without these flags, a link would be followed and a pipe waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_FLEETING = {errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM}


def is_local(path: str) -> bool:
    """Return whether a server tells a file by its place on a disk."""
    return path.startswith("/") or bool(PureWindowsPath(path).drive)


async def read_local(
    path: str, folder: str, attachment: Attachment, limit: int, refusal: str
) -> bytes:
    """Return the bytes of a file below a folder.

    Raises AttachmentError(refusal) for anything else, with a line in the log that names the
    setting. Raises AttachmentError for more than `limit` bytes too.
    """
    if not folder:
        log.warning("The Bot API server keeps files on its disk: set %s to its folder", SETTING)
        raise AttachmentError(refusal)
    try:
        return await asyncio.to_thread(_read, path, folder, attachment, limit)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError for a circle of links
        if isinstance(error, OSError) and error.errno in _FLEETING:
            raise Unreachable(f"{type(error).__name__} for a file") from None
        why = "no file of that folder" if isinstance(error, ValueError) else type(error).__name__
        log.warning("%s: a file of the Bot API server cannot be read (%s)", SETTING, why)
        raise AttachmentError(refusal) from None


def _read(path: str, folder: str, attachment: Attachment, limit: int) -> bytes:
    """Read a file; raises ValueError for a place outside of the folder, or no regular file."""
    place = Path(path).resolve(strict=True)
    if not place.is_relative_to(Path(folder).resolve(strict=True)):
        raise ValueError("outside of the folder")
    with open(os.open(place, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no regular file")
        data = file.read(limit + 1)
    check(attachment, len(data), limit)
    return data
