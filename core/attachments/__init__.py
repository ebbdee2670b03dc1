"""Attachments: the files of a message become blocks of the question; their bytes are kept by hash.

Stored messages hold references; `expand` replaces them by the files, whose bytes are read while a
request is sent. All bytes that are on their way at once fit a `Room`.
"""

from core.attachments._load import COUNT, Download, load
from core.attachments._room import ARRIVING, LEAVING, Room
from core.attachments._store import LIMIT, drop, expand, tidy

__all__ = [
    "ARRIVING",
    "COUNT",
    "LEAVING",
    "LIMIT",
    "Download",
    "Room",
    "drop",
    "expand",
    "load",
    "tidy",
]
