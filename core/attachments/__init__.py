"""Attachments: the files of a message become parts of the question, their bytes kept by hash.

Messages are stored with references in the place of bytes; `expand` puts the bytes back in.
"""

from core.attachments._load import COUNT, Download, load
from core.attachments._store import LIMIT, expand, sweep

__all__ = ["COUNT", "LIMIT", "Download", "expand", "load", "sweep"]
