"""Download links that are signed and expire, as those of Discord's content network."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from tests.fakes.discord.records import Upload

LINK_LIFE = 24 * 3600
"""Seconds that a link can be used."""


def path_of(upload: Upload) -> str:
    """Return the path of a file on the host."""
    return f"/attachments/{upload.channel_id}/{upload.id}/{quote(upload.name)}"


def link(origin: str, secret: bytes, upload: Upload, now: float) -> str:
    """A link that serves for a day from `now`, in seconds since 1970."""
    issued, expires = f"{int(now):x}", f"{int(now) + LINK_LIFE:x}"
    sign = _sign(secret, upload, issued, expires)
    return f"{origin}{path_of(upload)}?ex={expires}&is={issued}&hm={sign}"


def opens(secret: bytes, upload: Upload, query: Mapping[str, str], now: float) -> bool:
    """Return True if the fake issued this link and it has not expired."""
    issued, expires = query.get("is", ""), query.get("ex", "")
    sign = _sign(secret, upload, issued, expires)
    return hmac.compare_digest(sign, query.get("hm", "")) and int(expires, 16) > now


def _sign(secret: bytes, upload: Upload, issued: str, expires: str) -> str:
    text = f"{path_of(upload)}|{issued}|{expires}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
