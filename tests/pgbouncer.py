"""A real PgBouncer in transaction mode, in front of the tests' PostgreSQL."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, make_url

from tests.postgres import render
from tests.records import eventually

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_CONFIG = """\
[databases]
* = host={host} port={port} user={user}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
"""


@asynccontextmanager
async def pooling(url: str, *, size: int = 3) -> AsyncIterator[str]:
    """Yield the URL of a pooler with `size` connections to the server of a URL.

    As root it runs as the user of the server, who must be able to reach its files; pytest's own
    directories would keep them out.
    """
    server, port = make_url(url), _free_port()
    user = None if os.getuid() else _owner(server)
    with TemporaryDirectory(prefix="parley-pgbouncer-") as folder:
        config = f"{folder}/pgbouncer.ini"
        _write(config, server, port, size)
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(config, user)
        started = await asyncio.create_subprocess_exec(
            str(BINARY), "-q", config, user=user, stderr=asyncio.subprocess.PIPE
        )
        try:
            await eventually(lambda: _answers(port) or started.returncode is not None)
            assert started.returncode is None, (await started.communicate())[1]
            yield render(server.set(host="127.0.0.1", port=port, query={}, password="any"))
        finally:
            if started.returncode is None:
                started.terminate()
            await started.wait()


def _owner(server: URL) -> int:
    """Return the user who may open the socket of a server."""
    return Path(str(server.query["host"])).stat().st_uid


def _write(config: str, server: URL, port: int, size: int) -> None:
    """Write the settings of a pooler that listens at a port."""
    settings = _CONFIG.format(
        host=server.query.get("host", server.host or "127.0.0.1"),
        port=server.port or 5432,
        user=server.username,
        password=f" password={server.password}" if server.password else "",
        listen=port,
        size=size,
    )
    Path(config).write_text(settings)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
