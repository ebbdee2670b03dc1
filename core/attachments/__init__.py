"""Attachments: the files of a message become blocks of the question; their bytes are kept by hash.

Stored messages hold references; `expand` replaces them by the bytes.
"""

from core.attachments._load import COUNT, Download, load
from core.attachments._store import LIMIT, expand, sweep

__all__ = ["COUNT", "LIMIT", "Download", "expand", "load", "sweep"]
