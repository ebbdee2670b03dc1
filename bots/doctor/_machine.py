"""The checks of this machine: its disk, its clock, and its way to the network."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

from bots import asking, dynos, permissions
from bots.proxies import proxies
from bots.trust import trust
from core.errors import SettingsError, Unreachable
from core.findings import Finding, fault, warning

SKEW = 10.0
"""The seconds by which the clock may be off."""
CONNECT = 5.0
"""The most seconds to reach a proxy."""


def files(paths: list[str]) -> list[Finding]:
    """Return what is wrong with the files of an SQLite database and their folder."""
    found = []
    if exposed := [path for path in permissions.open_ones(*paths) if Path(path).is_file()]:
        what = "other users of this machine can read the database, and all that people said"
        remedy = f"run: chmod 600 {' '.join(map(quote, exposed))}"
        found.append(warning("database.permissions", what, remedy))
    if paths and permissions.lets_others_write(folder := str(Path(paths[0]).absolute().parent)):
        what = f"every user of this machine can replace and delete the database in {folder}"
        found.append(warning("database.folder", what, f"run: chmod o-w {quote(folder)}"))
    if dynos.loses(paths):
        what, _, remedy = dynos.THROWN_AWAY.partition(": ")
        found.append(fault("database.dyno", what, remedy))
    return found


def way() -> list[Finding]:
    """Return what keeps every connection from being opened: a wrong proxy or certificate."""
    found = []
    for look in (proxies, trust):
        try:
            look()
        except SettingsError as error:
            what, _, remedy = str(error).rpartition("; ")
            found.append(fault("network.settings", what, remedy))
    return found


async def reach_proxies() -> list[Finding]:
    """Return the proxies at which nobody answers."""
    found = await asyncio.gather(*map(_reach, dict.fromkeys(proxies().of.values())))
    return [each for each in found if each is not None]


async def _reach(url: str) -> Finding | None:
    split = urlsplit(url)
    port = split.port or {"http": 80, "https": 443}.get(split.scheme, 1080)
    try:
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(split.hostname, port)
    except (OSError, TimeoutError):
        what = f"nobody answers at the proxy {split.hostname}:{port}"
        return fault("network.proxy", what, "see HTTPS_PROXY, HTTP_PROXY and ALL_PROXY")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


async def clock(url: str) -> list[Finding]:
    """Return a finding if this machine's clock differs from that of a server."""
    try:
        async with asking.client(url) as client:
            told = await asking.ask(client, url)
    except Unreachable:
        return []  # another check tells that nobody answers
    off = (datetime.now(UTC) - told.date).total_seconds() if told.date else 0.0
    if abs(off) <= SKEW:
        return []
    direction = "ahead of" if off > 0 else "behind"
    what = f"this machine's clock is {abs(off):,.0f} s {direction} that of the model API"
    return [warning("clock", what, "let it follow a time server, as by chrony or timesyncd")]
