"""The adapter of the terminal: one person, one private chat, one answer at a time."""

import asyncio
import getpass
import io
import os
import re
import socket
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from bots.console import Console, terminal
from bots.console.language import language
from core import words
from core.adapter import (
    Address,
    Attachment,
    Author,
    Button,
    Change,
    ChangeKind,
    InboundMessage,
    Leeway,
)
from core.errors import AttachmentError, MessageGone, Undeliverable
from core.plain import bare
from core.text import plain_moments

READER = "console line"
"""The name of the thread that waits for a line."""

_COMMAND = re.compile(r"/([a-z_]+)(?:\s+(.*))?", re.DOTALL | re.IGNORECASE)


class Screen(Protocol):
    """The person's screen and keyboard, or the streams in their place."""

    async def ask(self) -> str | None:
        """Return the next line of the person; None when they leave."""

    def interruptible(self, interrupt: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `interrupt` for each Ctrl-C inside this context."""

    def wait(self) -> None:
        """Show that an answer is on its way."""

    def grow(self, text: str) -> None:
        """Show a growing answer."""

    def finish(self, text: str) -> None:
        """Show the whole of the answer that was growing."""

    async def announce(self, text: str) -> None:
        """Show a whole message above the prompt or the growing answer."""

    def drop(self) -> None:
        """Remove the growing answer."""


class ConsoleAdapter:
    """The adapter of the terminal; `listen` asks for the next line once the answer is shown."""

    name = Console.name
    rate = 1000.0
    broadcast_rate = 100.0
    hears = True
    heard_at = None
    reconnects = 0
    is_pushed = False
    largest_file = 50_000_000

    def __init__(self, screen: Screen, person: str) -> None:
        self._screen = screen
        self._author = Author(self.name, person, person, language())
        # Machines may share a database, so each person's terminal is an account of its own.
        self.bot_id = f"{person}@{socket.gethostname()}"
        self._address = Address(self.name, self.bot_id, "console")
        self._run = uuid.uuid4().hex
        self._posts: dict[str, str] = {}  # message id to its final text, "" while it grows
        self._aside: set[str] = set()  # messages that do not answer the question
        self._question = ""
        self._growing = ""
        self._presses = 0
        self._happened: asyncio.Queue[Change | None] = asyncio.Queue()

    def pace(self, address: Address) -> float:
        """Return a pace that looks like typing."""
        return 0.05

    def leeway(self, ticket: str) -> Leeway:
        """Return no bounds: nothing here is written with tickets. A terminal shows no pictures."""
        return Leeway(pictures=False)

    def fits(self, markdown: str) -> bool:
        """Return True, because a terminal scrolls."""
        return True

    async def listen(self) -> AsyncGenerator[InboundMessage | Change, str | None]:
        """Yield each line as a message, and Ctrl-C during its answer as a change.

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

    async def subscribe(self) -> None:
        """Do nothing, because nobody pushes to a terminal."""

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
            command=command[1].lower() if command else None,
            admin=True,
        )

    def _interrupt(self) -> None:
        self._presses += 1
        self._happened.put_nowait(self._stop() if self._presses == 1 else None)

    def _stop(self) -> Change:
        # Until the answer begins, the question stands for it.
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
        whom: str | None = None,
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Show a message. Its id is made from the nonce, so a repeat shows the same message."""
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
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Show a message's new text; raises MessageGone for a message of an earlier run."""
        if message_id not in self._posts:
            raise MessageGone(f"no message {message_id} in this run")
        await self._show(message_id, markdown, final=final)

    async def _show(self, message_id: str, markdown: str, *, final: bool) -> None:
        text = plain_moments(bare(markdown))
        try:
            if not final:
                self._grow(message_id, text)
            elif self._posts.get(message_id) != text:  # otherwise only the buttons changed
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

    async def unbutton(self, address: Address, message_id: str) -> None:
        """Do nothing, because a terminal has no buttons."""

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Ask for the next line if the message was the question."""
        if reply_to == self._question:
            self._screen.drop()
            self._happened.put_nowait(None)

    async def delete(self, address: Address, message_id: str, *, ticket: str = "") -> None:
        """Remove a growing message; a whole one stays, because it has scrolled away."""
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
        ticket: str = "",
        picture: bool = False,
        nonce: str,
    ) -> str:
        """Write a new file into the current directory and tell its path."""
        try:
            path = await asyncio.to_thread(write_new, Path.cwd() / name, data)
            await self._screen.announce(bare(words.WRITTEN.format(path=path)))
        except OSError as error:
            raise Undeliverable(f"{name} cannot be written: {error.strerror}") from error
        return nonce

    async def suspects(
        self,
        address: Address,
        *,
        after: str | None,
        before: str | None,
        known: Collection[tuple[str, str]],
        earlier: Collection[tuple[str, str]] = (),
    ) -> list[str]:
        """Return no id: a message is shown once for each nonce."""
        return []

    async def is_ours(self, address: Address, message_id: str, markdown: str | None) -> bool:
        """Return whether a message was shown in this run."""
        return message_id in self._posts

    async def typing(self, address: Address, *, ticket: str = "") -> None:
        """Show that an answer is on its way, unless it has begun."""
        if self._question and not self._growing:
            self._screen.wait()

    async def around(self, address: Address) -> Address | None:
        """Return None: the terminal has no threads."""
        return None

    async def leave(self, address: Address) -> None:
        """Do nothing, because the terminal has no groups."""

    def link(self, payload: str) -> str:
        """Return "": no link leads into a terminal."""
        return ""

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Raise AttachmentError, because a terminal has no attachments."""
        raise AttachmentError(words.NO_FILES_HERE)


class Pipe:
    """Streams without a terminal: each line of the input is a message, Markdown is the output."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        # A reader of our own, because a thread of `read_line` may use it until the process ends.
        self._source = open(  # noqa: SIM115 - never closed
            source.fileno(), encoding="utf-8", errors="replace", closefd=False
        )
        self._sink = sink

    async def ask(self) -> str | None:
        """Return the next line; None at the end of the input."""
        return await read_line(self._source) or None

    def interruptible(self, interrupt: Callable[[], None]) -> AbstractContextManager[None]:
        """Do nothing, because there are no keys."""
        return nullcontext()

    def wait(self) -> None:
        """Do nothing, because nobody watches."""

    def grow(self, text: str) -> None:
        """Do nothing, because only the whole answer is written."""

    def finish(self, text: str) -> None:
        """Write the answer and an empty line, which marks its end."""
        print(text, end="\n\n", file=self._sink, flush=True)

    async def announce(self, text: str) -> None:
        """Write the message."""
        self.finish(text)

    def drop(self) -> None:
        """Do nothing, because a growing answer is not shown."""


async def read_line(source: TextIO) -> str:
    """Return the next line, "" at the end. Its thread does not delay the end of the process."""
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
    """Write a file under a free name, readable by its owner only; return its path."""
    free, number = path, 1
    while os.path.lexists(free):
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    # O_EXCL: if another process takes the name at this moment, its file is not overwritten.
    descriptor = os.open(free, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    return free


def person() -> str:
    """Return the name of the operating system's user, or "you" if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"


@asynccontextmanager
async def connect(
    source: TextIO | None = None, sink: TextIO | None = None, history: Path | None = None
) -> AsyncIterator[ConsoleAdapter]:
    """Yield the adapter of this process's terminal, or of its pipes."""
    source, sink = source or sys.stdin, sink or sys.stdout
    if isinstance(sink, io.TextIOWrapper):
        sink.reconfigure(errors="replace")  # a Latin-1 terminal cannot show an emoji
    if source.isatty() and sink.isatty() and os.environ.get("TERM") != "dumb":
        with terminal.connect(source, sink, history) as screen:
            yield ConsoleAdapter(screen, person())
    else:
        yield ConsoleAdapter(Pipe(source, sink), person())
