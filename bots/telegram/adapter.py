"""Telegram as an adapter."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import httpx
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    ReplyParameters,
    Update,
    User,
)
from telegram.constants import ChatAction, ChatMemberStatus
from telegram.error import ChatMigrated, TelegramError

from bots.pieces import Pieces
from bots.telegram.failures import UNCHANGED, translated
from bots.telegram.files import fetch
from bots.telegram.inbound import PLATFORM, parse, parse_piece
from bots.telegram.markup import fits, render
from bots.telegram.polling import Json, updates
from bots.telegram.session import open_session
from core.adapter import COMMANDS, Address, Attachment, Button, Change, InboundMessage, Move
from core.errors import MessageGone, Undeliverable

log = logging.getLogger(__name__)

T = TypeVar("T")

RATE = 22.0
"""Calls a second over all chats. Telegram allows about 30: bursts, and calls that bunch up on
their way, stay below."""
PRIVATE_PACE, GROUP_PACE = 1.1, 3.1
"""Seconds between edits that hold for long; a group takes 20 messages a minute."""

ADMINS = (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)
FOR_ADMINS = {command.name for command in COMMANDS if command.admins_only}
"""Commands for which a group's admins have to be known."""
REMEMBERED = 60.0
"""Seconds for which it is known who administers a group."""
PATIENCE = 3.0
"""Seconds in which Telegram must tell: meanwhile all else that was said waits."""

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@asynccontextmanager
async def connect(token: str, api_url: str) -> AsyncIterator["TelegramAdapter"]:
    """The adapter of a bot's account; SettingsError if the token is wrong, Unreachable if Telegram
    does not answer."""
    async with open_session(token, api_url) as (bot, client):
        adapter = TelegramAdapter(bot, client)
        try:
            yield adapter
        finally:
            await adapter.settle()


class TelegramAdapter:
    """One bot's account on Telegram."""

    def __init__(self, bot: Bot, client: httpx.AsyncClient) -> None:
        self._bot = bot
        self._client = client
        self._me: User = bot.bot
        self._answers: set[asyncio.Task[None]] = set()
        self._pieces = Pieces()
        self._admins: dict[tuple[str, str], tuple[float, bool]] = {}

    @property
    def name(self) -> str:
        """The platform's name."""
        return PLATFORM

    @property
    def bot_id(self) -> str:
        """Our account's id."""
        return str(self._me.id)

    @property
    def rate(self) -> float:
        """Calls a second over all chats."""
        return RATE

    def pace(self, address: Address) -> float:
        """Seconds between previews; the chat ids of groups are negative."""
        return GROUP_PACE if _is_group(address) else PRIVATE_PACE

    def fits(self, markdown: str) -> bool:
        """Whether the rendered text is neither empty nor longer than a message may be."""
        return fits(markdown)

    async def listen(self) -> AsyncGenerator[InboundMessage | Change | Move, None]:
        """Events by long polling; SettingsError when the token is revoked."""
        async with aclosing(updates(self._client, self._bot.base_url)) as incoming:
            async for update in incoming:
                if event := self._read(update):
                    yield await self._with_rights(event)
                if "callback_query" in update:
                    self._answer(update["callback_query"]["id"])

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
        """Post a message. Telegram knows no nonce: a repeat makes a second message."""
        text, entities = render(markdown)
        message = await _attempt(
            address,
            lambda chat: self._bot.send_message(
                chat,
                text,
                entities=entities,
                message_thread_id=_thread(address),
                reply_parameters=_reply(address, reply_to, chat),
                reply_markup=_keyboard(buttons),
                link_preview_options=_NO_PREVIEW,
            ),
        )
        return str(message.message_id)

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Replace a message's text and buttons."""
        text, entities = render(markdown)
        try:
            await _attempt_there(
                lambda: self._bot.edit_message_text(
                    text,
                    int(address.chat),
                    int(message_id),
                    entities=entities,
                    reply_markup=_keyboard(buttons),
                    link_preview_options=_NO_PREVIEW,
                ),
            )
        except Undeliverable as error:
            if UNCHANGED not in str(error):
                raise

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Do nothing: Telegram shows typing for some seconds only."""

    async def delete(self, address: Address, message_id: str) -> None:
        """Delete a message of ours; Telegram refuses when it is older than two days."""
        try:
            await _attempt_there(
                lambda: self._bot.delete_message(int(address.chat), int(message_id))
            )
        except MessageGone:
            log.debug("Message %s was deleted before", message_id)

    async def upload(
        self,
        address: Address,
        name: str,
        data: bytes,
        *,
        reply_to: str | None = None,
        nonce: str,
    ) -> None:
        """Post a file, as a document. A repeat makes a second one."""
        await _attempt(
            address,
            lambda chat: self._bot.send_document(
                chat,
                InputFile(data, filename=name),
                message_thread_id=_thread(address),
                reply_parameters=_reply(address, reply_to, chat),
            ),
        )

    async def typing(self, address: Address) -> None:
        """Show "typing" for five seconds."""
        await _attempt(
            address,
            lambda chat: self._bot.send_chat_action(
                chat, ChatAction.TYPING, message_thread_id=_thread(address)
            ),
        )

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file, of which Telegram hands out up to 20 MB."""
        return await fetch(self._bot, self._client, attachment, limit)

    async def settle(self) -> None:
        """Give up what still waits for Telegram."""
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    def _read(self, update: Json) -> InboundMessage | Change | Move | None:
        try:
            read = Update.de_json(update, None)
            event = parse(read, self._me)
            if isinstance(event, Change | Move):
                return event
            return self._pieces.hear(event, lambda: parse_piece(read, self._me))
        except Exception:  # whatever an update holds, the ones after it are heard
            log.exception("Cannot read update %s", update["update_id"])
            return None

    async def _with_rights(
        self, event: InboundMessage | Change | Move
    ) -> InboundMessage | Change | Move:
        """The event, with who gives it where that matters: a command that holds for a group."""
        if not isinstance(event, InboundMessage) or event.private:
            return event
        if event.command not in FOR_ADMINS:
            return event
        return replace(event, admin=await self._is_admin(event))

    async def _is_admin(self, message: InboundMessage) -> bool | None:
        """Whether who said something in a group administers it; None if Telegram does not tell."""
        who, now = (message.address.chat, message.author.account_id), time.monotonic()
        self._admins = {key: known for key, known in self._admins.items() if known[0] > now}
        if who not in self._admins:
            try:
                async with asyncio.timeout(PATIENCE):
                    member = await self._bot.get_chat_member(int(who[0]), int(who[1]))
            except (TelegramError, TimeoutError) as error:
                log.warning("Cannot learn who administers a group: %s", type(error).__name__)
                return None
            self._admins[who] = now + REMEMBERED, member.status in ADMINS
        return self._admins[who][1]

    def _answer(self, query_id: str) -> None:
        """Let the button stop waiting, beside the updates that come after it."""
        task = asyncio.create_task(self._answer_query(query_id))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer_query(self, query_id: str) -> None:
        try:
            await self._bot.answer_callback_query(query_id)
        except TelegramError as error:
            log.debug("A pressed button stays busy: %s", error)


async def _attempt(address: Address, call: Callable[[int], Awaitable[T]]) -> T:
    """One call for a chat; if that has become a supergroup, once more there."""
    try:
        try:
            return await call(int(address.chat))
        except ChatMigrated as moved:
            return await call(moved.new_chat_id)
    except TelegramError as error:
        raise translated(error) from error


async def _attempt_there(call: Callable[[], Awaitable[object]]) -> None:
    """One call for a message; in a supergroup its id would be another message's."""
    try:
        await call()
    except ChatMigrated as moved:
        raise MessageGone(moved.message) from moved
    except TelegramError as error:
        raise translated(error) from error


def _thread(address: Address) -> int | None:
    return int(address.thread) if address.thread else None


def _is_group(address: Address) -> bool:
    return address.chat.startswith("-")


def _reply(address: Address, message_id: str | None, chat: int) -> ReplyParameters | None:
    """In a private chat everybody sees what is answered; a quote above it would be noise.

    In a supergroup that a group became, the id would be another message's.
    """
    if message_id is None or not _is_group(address) or str(chat) != address.chat:
        return None
    return ReplyParameters(int(message_id), allow_sending_without_reply=True)


def _keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    if not buttons:
        return None
    row = [
        InlineKeyboardButton(button.label, callback_data=button.kind.value) for button in buttons
    ]
    return InlineKeyboardMarkup([row])
