"""Parley at a desk: the whole path from a message to its answer, in this process, on no platform.

All is as `python -m bots` composes it but for the adapter, which keeps what was posted, hands out
the files that people bring, and may be asked as fast as one likes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bots import terms, transport
from core import llm, schema
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
from core.chat import Chat
from core.clock import machine_time
from core.db import Sessions
from core.delivery import Delivery
from core.errors import AttachmentError
from core.intake import Intake
from core.quota import Rules
from core.reply import NOTICE_AFTER
from core.requests import Bounds
from core.upkeep import Upkeep
from core.worker import Worker
from tests.bot import settings
from tests.fakes.model import ModelRequest, ModelServer
from tests.records import PATIENCE

PLATFORM, BOT = "desk", "1"
ADA, BOB = Author(PLATFORM, "100", "Ada"), Author(PLATFORM, "200", "Bob")
PLENTY = "1000000 turns/minute, 1000 usd/month"
_numbers = count(1)
"""The ids of messages and files, which a desk that is opened again does not repeat."""


@dataclass
class Paper:
    """An adapter whose messages are written on paper."""

    name: str = PLATFORM
    bot_id: str = BOT
    rate: float = 1e6
    broadcast_rate: float = 1e6
    hears: bool = True
    heard_at: float | None = None
    reconnects: int = 0
    is_pushed: bool = False
    largest_file: int = 1_000_000
    posts: dict[str, tuple[Address, str]] = field(default_factory=dict)
    """The texts that stand in the chats, by message id."""
    buttons: dict[str, tuple[Button, ...]] = field(default_factory=dict)
    uploads: list[tuple[Address, str, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """The files of people, by reference."""

    def pace(self, address: Address) -> float:
        return 1e-6

    def leeway(self, ticket: str) -> Leeway:
        return Leeway()

    def fits(self, markdown: str) -> bool:
        return len(markdown) <= 4000

    async def listen(self) -> AsyncGenerator[InboundMessage | Change, str | None]:
        """Listen to nothing: the desk puts messages down by itself."""
        nothing: tuple[InboundMessage, ...] = ()
        for event in nothing:
            yield event

    async def subscribe(self) -> None:
        raise NotImplementedError("nothing pushes to a desk")

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
        message_id = str(next(_numbers))
        self.posts[message_id] = address, markdown
        self.buttons[message_id] = buttons
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
        self.posts[message_id] = address, markdown
        self.buttons[message_id] = buttons

    async def unbutton(self, address: Address, message_id: str) -> None:
        self.buttons[message_id] = ()

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Nobody waits."""

    async def delete(self, address: Address, message_id: str, *, ticket: str = "") -> None:
        self.posts.pop(message_id, None)

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
        self.uploads.append((address, name, data))
        return str(next(_numbers))

    async def suspects(
        self,
        address: Address,
        *,
        after: str | None,
        before: str | None,
        known: Collection[tuple[str, str]],
        earlier: Collection[tuple[str, str]] = (),
    ) -> list[str]:
        return []

    async def is_ours(self, address: Address, message_id: str, markdown: str | None) -> bool:
        return message_id in self.posts

    async def typing(self, address: Address, *, ticket: str = "") -> None:
        """Nobody looks."""

    async def around(self, address: Address) -> Address | None:
        return None

    async def leave(self, address: Address) -> None:
        """There are no groups."""

    def link(self, payload: str) -> str:
        return ""

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        data = self.files.get(attachment.reference)
        if data is None or len(data) > limit:
            raise AttachmentError(f"“{attachment.name}” is not to be had.")
        return data


@dataclass
class Desk:
    """A desk at which people talk with the bot."""

    paper: Paper
    model: ModelServer
    sessions: Sessions
    asked: llm.LLM
    _intake: Intake
    _worker: Worker

    async def tidy(self) -> None:
        """Make a round of the upkeep, as the bot does it in the background."""
        await Upkeep(self.sessions, now=machine_time, keep=timedelta(days=90)).round()

    async def say(
        self,
        text: str,
        *,
        who: Author = ADA,
        chat: str = "",
        thread: str = "",
        files: Mapping[str, bytes] | None = None,
        **more: Any,
    ) -> str:
        """Somebody says something, in private unless a chat is named; returns its message id."""
        message_id = str(next(_numbers))
        command, _, arguments = text[1:].partition(" ") if text.startswith("/") else ("", "", "")
        message = InboundMessage(
            event_id=message_id,
            address=Address(PLATFORM, BOT, chat or who.account_id, thread),
            author=who,
            message_id=message_id,
            text=arguments if command else text,
            private=not chat,
            command=command or None,
            attachments=tuple(self._bring(files or {})),
            **{"admin": not chat, "sent_at": datetime.now(UTC), **more},
        )
        await self._intake.handle(message)
        return message_id

    async def change(
        self, kind: ChangeKind, message_id: str, text: str = "", *, who: Author = ADA
    ) -> str:
        """Somebody presses a button, or edits a message in private; return what they are told."""
        address, event_id = Address(PLATFORM, BOT, who.account_id, ""), str(next(_numbers))
        return await self._intake.handle(Change(event_id, kind, address, who, message_id, text))

    def _bring(self, files: Mapping[str, bytes]) -> list[Attachment]:
        brought = []
        for name, data in files.items():
            reference = str(next(_numbers))
            self.paper.files[reference] = data
            brought.append(Attachment(reference, name, "application/octet-stream", len(data)))
        return brought

    async def drain(self, seconds: float) -> None:
        """Stop gently, as at a deploy."""
        await self._worker.drain(seconds)

    async def settled(self) -> None:
        """Wait until everything is answered, and summarised where it is time for that."""
        async with asyncio.timeout(PATIENCE):
            await self._worker.until_idle()

    async def ask(self, text: str, **how: Any) -> str:
        """Say something, and hear all that comes of it."""
        before = set(self.paper.posts)
        await self.say(text, **how)
        await self.settled()
        return "\n".join(said for post, (_, said) in self.paper.posts.items() if post not in before)

    async def asking(self, text: str, **how: Any) -> list[ModelRequest]:
        """Say something, and return the requests that the model got for it."""
        before = len(self.model.requests)
        await self.ask(text, **how)
        return self.model.requests[before:]


@asynccontextmanager
async def desk(
    url: str, model: ModelServer, worker_id: str = "desk", /, **values: object
) -> AsyncIterator[Desk]:
    """Parley with these settings on top of the defaults; a quota that nobody reaches."""
    notice_after = values.pop("notice_after", NOTICE_AFTER)
    assert isinstance(notice_after, float)
    loaded = settings(
        **{
            "concurrency": 100,
            "quota": PLENTY,
            "budget": "1000 usd/month",
            "database_url": url,
            "model_api_key": "test-key",
            "model_api_url": model.url,
            **values,
        }
    )
    rules, paper = Rules(loaded.quota, loaded.budget), Paper()
    async with (
        schema.serving(url) as sessions,
        transport.to(model.url, llm.LIMITS) as way,
    ):
        asked = llm.LLM(way, terms.endpoint(loaded))
        chat = Chat(sessions, asked, terms.terms(loaded, rules), now=machine_time)
        worker = Worker(
            worker_id,
            sessions,
            chat,
            Delivery(sessions, rules, now=machine_time),
            {(PLATFORM, BOT): paper},
            now=machine_time,
            concurrency=loaded.concurrency,
            lease_seconds=15,
            backoff=0.1,
            notice_after=notice_after,
        )
        offer = terms.offer(loaded, rules)
        intake = Intake(
            sessions,
            offer,
            now=machine_time,
            accepted=worker.wake,
            changed=worker.look,
            bounds=Bounds(100_000, 1000),
        )
        working = asyncio.create_task(worker.run())
        try:
            yield Desk(paper, model, sessions, asked, intake, worker)
        finally:
            working.cancel()
            await asyncio.wait([working])
