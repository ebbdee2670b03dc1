"""Start `python -m bots` in milliseconds: a process that has loaded its modules forks.

To load them takes a second of CPU, and the tests start the bot some hundred times. Everything that
comes after them is the same: a forked bot has its own memory, files, environment and signals, and
can be killed as any other process.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from bots.trust import trust

MODULES = (
    *("bots.__main__", "bots.composition", "bots.telegram.adapter", "bots.telegram.mailbox"),
    *("bots.telegram.markup", "bots.discord.adapter", "bots.web", "uvloop", "psycopg"),
)
"""The modules that a running bot loads on most platforms and databases."""
MOST = 1 << 20
"""The bytes of a request: the arguments, the folder and the environment of a bot."""


class Fork:
    """A bot that was forked: the part of `asyncio.subprocess.Process` that tests use."""

    def __init__(self, pid: int, stdin: asyncio.StreamWriter, end: Awaitable[int]) -> None:
        self.pid = pid
        self.stdin = stdin
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._follow(end))

    async def _follow(self, end: Awaitable[int]) -> int:
        self.returncode = await end
        return self.returncode

    async def wait(self) -> int:
        """Return the exit status once the bot has ended; -9 for one that was killed."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the bot has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)


async def fork(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes],
    terminal: int | None = None,
) -> Fork:
    """Start a bot; in a terminal, if one is given, from which it reads and to which it writes."""
    request = json.dumps([arguments, str(folder), dict(environment)]).encode()
    (typed, source), (heard, told) = socket.socketpair(), socket.socketpair()
    with source, told:
        typing = source.fileno() if terminal is None else terminal
        files = [typing, output.fileno(), errors.fileno(), told.fileno()]
        socket.send_fds(_server()[0], [request], files)
    _, stdin = await asyncio.open_connection(sock=typed)
    news, ear = await asyncio.open_connection(sock=heard)

    async def end() -> int:
        status = int(await news.readline())
        for each in (stdin, ear):
            each.close()
        return status

    return Fork(int(await news.readline()), stdin, end())


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return the process that forks, and the way to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    nothing = subprocess.DEVNULL
    with theirs:
        server = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
            cwd=Path(__file__).parent.parent,
            env={"PATH": os.environ["PATH"]},
            pass_fds=[theirs.fileno()],
            stdin=nothing,
            stdout=nothing,
        )
    return ours, server


def start() -> None:
    """Start the process that forks, if it does not run; the forks of this process share it."""
    _server()


def stop() -> None:
    """End the process that forks, if there is one."""
    if _server.cache_info().currsize:
        requests, server = _server()
        requests.close()
        server.wait()
        _server.cache_clear()


def _serve(requests: socket.socket) -> None:
    """Fork a guard for each request; return in the bots, with everything set as they need it."""
    while True:
        request, files, _, _ = socket.recv_fds(requests, MOST, 4)
        if not request:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            if _guard(*files):
                _become(*json.loads(request), *files)
                return
        for file in files:
            os.close(file)
        while _reap():
            pass


def _reap() -> bool:
    """Take note of a guard that has ended; return whether there was one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _guard(source: int, output: int, errors: int, told: int) -> bool:
    """Fork a bot; tell its number and, once it has ended, its status. Return True in the bot."""
    pid = os.fork()
    if pid == 0:
        return True
    for file in (source, output, errors):
        os.close(file)
    os.write(told, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    source: int,
    output: int,
    errors: int,
    told: int,
) -> None:
    """Set this process up as if it had been started as a bot."""
    os.close(told)
    in_terminal = os.isatty(source)
    for file, standard in ((source, 0), (output, 1), (errors, 2)):
        os.dup2(file, standard)
        os.close(file)
    if in_terminal:
        # As in a real one: Ctrl-C is a signal, and secrets are read from /dev/tty.
        os.login_tty(0)
        cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if environment.keys() & {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
        trust.cache_clear()
    time.tzset()
    sys.argv = ["bots", *arguments]


if __name__ == "__main__":
    gc.disable()  # as the bot does until it runs
    for module in MODULES:
        import_module(module)
    trust()  # its certificates take as long as all else until a bot runs
    gc.freeze()  # a search would make copies of all of it in each bot
    _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.modules["bots.__main__"].main()
