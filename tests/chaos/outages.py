"""The database goes away, refuses, waits, or has no room."""

import asyncio
import os
import resource
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests import postgres
from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict

KIBIBYTE = 1024
ENOUGH = 110
"""More connections than the server takes."""

Outage = Callable[[Arena, float], Awaitable[None]]
"""Something is wrong with the database for so many seconds."""


async def endure(
    arena: Arena, outages: list[Outage], seconds: float, *, workers: int = 1
) -> Verdict:
    """People write while one outage after the other comes and goes; no process ends."""
    for number in range(workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    async with arena.crowd.talking():
        for outage in outages:
            await arena.quiet_enough()
            await outage(arena, seconds)
            arena.fleet.check()
        await arena.quiet_enough()
    await arena.quiet()
    return arena.audit()


async def restart(arena: Arena, seconds: float) -> None:
    """The server is restarted as for an upgrade."""
    await asyncio.to_thread(_restart, arena.records.url, "fast")


async def crash(arena: Arena, seconds: float) -> None:
    """The server's processes die, and it starts again from its log."""
    await asyncio.to_thread(_restart, arena.records.url, "immediate")


def _restart(url: str, mode: str) -> None:
    """Let the server's own tool restart it, as the user whose files they are."""
    with postgres.administer(make_url(url)) as connection:
        [directory] = connection.execute("SHOW data_directory").fetchone() or [""]
    pid = Path(directory, "postmaster.pid").read_text().split()[0]
    binary = Path(os.readlink(f"/proc/{pid}/exe")).with_name("pg_ctl")
    subprocess.run(  # noqa: S603 - a tool that came with the server
        [binary, "-w", "-D", directory, "-l", f"{directory}/restarted", "-m", mode, "restart"],
        check=True,
        user=os.stat(directory).st_uid,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


async def crowded(arena: Arena, seconds: float) -> None:
    """Others take every connection that the server has."""
    url = make_url(arena.records.url)
    with ExitStack() as stack:
        _drive_out(arena)
        for _ in range(ENOUGH):
            try:
                await asyncio.sleep(0)
                stack.enter_context(psycopg.connect(postgres.conninfo(url)))
            except psycopg.OperationalError:
                break
        await asyncio.sleep(seconds)


def _drive_out(arena: Arena) -> None:
    """End the connections that the bot has."""
    with postgres.administer(make_url(arena.records.url)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def locked(arena: Arena, seconds: float) -> None:
    """Somebody holds the table of turns: statements wait, and end at their time-out."""
    conninfo = postgres.conninfo(make_url(arena.records.url))
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.execute("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(seconds)


async def busy(arena: Arena, seconds: float) -> None:
    """Another process holds the SQLite file for itself."""
    connection = sqlite3.connect(_path(arena), isolation_level=None)
    try:
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("BEGIN EXCLUSIVE")
        await asyncio.sleep(seconds)
    finally:
        connection.close()


async def full(arena: Arena, seconds: float) -> None:
    """The disk is full: no file of the bot's may grow. A limit stands in for the last block."""
    path = _path(arena)
    size = max(path.stat().st_size, path.with_name(f"{path.name}-wal").stat().st_size)
    limit = size + 4 * KIBIBYTE
    for member in arena.fleet.members.values():
        _, most = resource.prlimit(member.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(member.pid, resource.RLIMIT_FSIZE, (limit, most))
    await asyncio.sleep(seconds)
    for member in arena.fleet.members.values():
        _, most = resource.prlimit(member.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(member.pid, resource.RLIMIT_FSIZE, (most, most))


def _path(arena: Arena) -> Path:
    return Path(make_url(arena.records.url).database or "")
