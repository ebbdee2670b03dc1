"""The terminal as a platform: one person, one private chat, one answer at a time."""

import asyncio
import getpass
import io
import os
import re
import socket
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from bots.console import Console, terminal
from core import words
from core.adapter import Address, Attachment, Author, Button, Change, ChangeKind, InboundMessage
from core.errors import AttachmentError, MessageGone, Undeliverable

READER = "console line"
"""The name of the thread that waits for a line."""

_COMMAND = re.compile(r"/([a-z_]+)(?:\s+(.*))?", re.DOTALL)

# An answer must not move the cursor or write to the clipboard: control codes go.
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class Screen(Protocol):
    """Where the person reads and writes."""

    async def ask(self) -> str | None:
        """What the person says next; None when they leave."""

    def interruptible(self, interrupt: Callable[[], None]) -> AbstractContextManager[None]:
        """While an answer is awaited, call `interrupt` for each Ctrl-C."""

    def wait(self) -> None:
        """Show that an answer is on its way."""

    def grow(self, text: str) -> None:
        """Show an answer as far as it has come."""

    def finish(self, text: str) -> None:
        """Show the whole of the answer that was growing."""

    async def announce(self, text: str) -> None:
        """Show a whole message above whatever stands there now."""

    def drop(self) -> None:
        """Take away what was growing."""


class ConsoleAdapter:
    """The adapter of the terminal; its `listen` asks again when the answer has been shown."""

    name = Console.name
    rate = 1000.0

    def __init__(self, screen: Screen, person: str) -> None:
        self._screen = screen
        self._author = Author(self.name, person, person)
        # On a database that several machines share, each person's terminal is an account.
        self.bot_id = f"{person}@{socket.gethostname()}"
        self._address = Address(self.name, self.bot_id, "console")
        self._run = uuid.uuid4().hex
        self._posts: dict[str, str] = {}  # message id to its final text, "" while it grows
        self._aside: set[str] = set()  # messages that answer something else than the question
        self._question = ""
        self._growing = ""
        self._presses = 0
        self._happened: asyncio.Queue[Change | None] = asyncio.Queue()

    def pace(self, address: Address) -> float:
        """Often enough to look like typing."""
        return 0.05

    def fits(self, markdown: str) -> bool:
        """A terminal scrolls: every text fits."""
        return True

    async def listen(self) -> AsyncGenerator[InboundMessage | Change, None]:
        """A message, then Ctrl-C as a change until its answer is shown, and so on until the end.

        A second Ctrl-C during one answer leaves, as Ctrl-C and Ctrl-D do at the prompt.
        """
        while self._presses < 2 and (text := await self._screen.ask()) is not None:
            if not text.strip():
                continue
            message = self._message(text.strip())
            self._question, self._growing, self._presses = message.message_id, "", 0
            self._happened = asyncio.Queue()
            with self._screen.interruptible(self._interrupt):
                yield message
                while change := await self._happened.get():
                    yield change
            self._question = ""

    def _message(self, text: str) -> InboundMessage:
        command = _COMMAND.fullmatch(text)
        return InboundMessage(
            event_id=uuid.uuid4().hex,
            address=self._address,
            author=self._author,
            message_id=uuid.uuid4().hex,
            text=(command[2] or "").strip() if command else text,
            private=True,
            sent_at=datetime.now(UTC),
            command=command[1] if command else None,
            admin=True,
        )

    def _interrupt(self) -> None:
        self._presses += 1
        self._happened.put_nowait(self._stop() if self._presses == 1 else None)

    def _stop(self) -> Change:
        # Before the answer has begun there is only the question to stop.
        message_id = self._growing or self._question
        return Change(uuid.uuid4().hex, ChangeKind.STOP, self._address, self._author, message_id)

    async def send(
        self,
        address: Address,
        markdown: str,
        *,
        final: bool,
        reply_to: str | None = None,
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Show a message. Its id is made of the nonce, so that a repeat is the same message."""
        message_id = f"{self._run}-{nonce}"
        if reply_to not in (None, self._question):
            self._aside.add(message_id)
        await self._show(message_id, markdown, final=final)
        return message_id

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Show a message's new text; MessageGone for one of an earlier run."""
        if message_id not in self._posts:
            raise MessageGone(f"no message {message_id} in this run")
        await self._show(message_id, markdown, final=final)

    async def _show(self, message_id: str, markdown: str, *, final: bool) -> None:
        text = markdown.translate(_CONTROLS)
        try:
            if not final:
                self._grow(message_id, text)
            elif self._posts.get(message_id) != text:  # else only its buttons changed
                await self._finish(message_id, text)
        except OSError as error:
            raise Undeliverable(f"the terminal is gone: {error.strerror}") from error

    def _grow(self, message_id: str, text: str) -> None:
        self._posts[message_id] = ""
        if self._question and self._growing in ("", message_id):
            self._growing = message_id
            self._screen.grow(text)

    async def _finish(self, message_id: str, text: str) -> None:
        self._posts[message_id] = text
        if self._growing in ("", message_id) and self._question:
            self._growing = ""
            self._screen.finish(text)
        else:
            await self._screen.announce(text)
        self._answered(message_id)

    def _answered(self, message_id: str) -> None:
        if self._question and message_id not in self._aside:
            self._happened.put_nowait(None)

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Ask for the next line if the message was the question."""
        if reply_to == self._question:
            self._screen.drop()
            self._happened.put_nowait(None)

    async def delete(self, address: Address, message_id: str) -> None:
        """Take away a message that still grows; what has scrolled by stays."""
        if self._posts.pop(message_id, None) is not None and message_id == self._growing:
            self._growing = ""
            self._screen.drop()
            self._answered(message_id)

    async def upload(
        self,
        address: Address,
        name: str,
        data: bytes,
        *,
        reply_to: str | None = None,
        nonce: str,
    ) -> None:
        """Write a file where the bot was started, over no other, and say where."""
        try:
            path = await asyncio.to_thread(write_new, Path.cwd() / name, data)
            await self._screen.announce(f"Written to {path}")
        except OSError as error:
            raise Undeliverable(f"{name} cannot be written: {error.strerror}") from error

    async def typing(self, address: Address) -> None:
        """Show that an answer is on its way, unless it is there already."""
        if self._question and not self._growing:
            self._screen.wait()

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """There is nothing to download: a terminal has no attachments."""
        raise AttachmentError(words.NO_FILES_HERE)


class Pipe:
    """Input and output that no person sits at: a line in is a message, Markdown comes out."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        # Our own reader of it, never closed: a thread of `read_line` may wait in it to the end.
        self._source = open(  # noqa: SIM115 - never closed
            source.fileno(), encoding="utf-8", errors="replace", closefd=False
        )
        self._sink = sink

    async def ask(self) -> str | None:
        """The next line."""
        return await read_line(self._source) or None

    def interruptible(self, interrupt: Callable[[], None]) -> AbstractContextManager[None]:
        """Nobody presses a key here."""
        return nullcontext()

    def wait(self) -> None:
        """Nobody watches."""

    def grow(self, text: str) -> None:
        """Only the whole answer is of use."""

    def finish(self, text: str) -> None:
        """Write the answer, and an empty line so that one sees where it ends."""
        print(text, end="\n\n", file=self._sink, flush=True)

    async def announce(self, text: str) -> None:
        """Write the message."""
        self.finish(text)

    def drop(self) -> None:
        """Nothing was shown yet."""


async def read_line(source: TextIO) -> str:
    """The next line, "" at the end. Its thread cannot hold up the end of the process."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def give(text: str) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        try:
            text = source.readline()
        except OSError:  # the terminal went away
            text = ""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(give, text)

    threading.Thread(target=read, name=READER, daemon=True).start()
    return await line


def write_new(path: Path, data: bytes) -> Path:
    """Write a file for its owner alone, under a name that is free; the path it got."""
    free, number = path, 1
    while os.path.lexists(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    # Should another process take the name at this moment, nothing is overwritten either.
    descriptor = os.open(free, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    return free


def person() -> str:
    """The user of the operating system; a container may run as one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"


@asynccontextmanager
async def connect(
    source: TextIO | None = None, sink: TextIO | None = None, history: Path | None = None
) -> AsyncIterator[ConsoleAdapter]:
    """The adapter of this process's terminal, or of its pipes when nobody sits at them."""
    source, sink = source or sys.stdin, sink or sys.stdout
    if isinstance(sink, io.TextIOWrapper):
        sink.reconfigure(errors="replace")  # an emoji in a Latin-1 terminal must not end an answer
    if source.isatty() and sink.isatty() and os.environ.get("TERM") != "dumb":
        with terminal.connect(source, sink, history) as screen:
            yield ConsoleAdapter(screen, person())
    else:
        yield ConsoleAdapter(Pipe(source, sink), person())
