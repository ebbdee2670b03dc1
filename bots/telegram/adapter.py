"""The adapter of Telegram."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace

import httpx
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    Update,
    User,
)
from telegram.constants import ChatAction
from telegram.error import ChatMigrated, EndPointNotFound, TelegramError

from bots.pieces import Pieces
from bots.spare import Rate, Spare
from bots.telegram import ephemeral
from bots.telegram.admins import Admins
from bots.telegram.answers import Json
from bots.telegram.ephemeral import Ephemeral, Refusals
from bots.telegram.failures import UNCHANGED, translating
from bots.telegram.files import fetch
from bots.telegram.inbound import PLATFORM, parse, parse_piece
from bots.telegram.polling import updates
from bots.telegram.session import open_session
from bots.telegram.signs import Signs
from bots.telegram.subscription import Subscription, Webhook
from bots.telegram.suspects import suspects
from bots.telegram.topics import beside, create, is_group
from core.adapter import (
    Address,
    Attachment,
    Button,
    Change,
    Event,
    InboundMessage,
    Leeway,
)
from core.errors import MISSHAPEN, MessageGone, Undeliverable, place

log = logging.getLogger(__name__)

RATE = 22.0
"""The calls a second in all chats together. Telegram allows about 30; the rest is left for bursts,
and for calls that arrive closer together than they were sent."""
BROADCAST_RATE = 15.0
"""The messages a second to people who have asked nothing: half of what Telegram allows."""
LARGEST = 20_000_000
"""The most bytes of a file. Telegram takes 50 MB, but a process has it in memory several times."""
SPARE, EACH = Rate(5, 5), Rate(0.5, 3)
"""The calls beside messages, such as looks for admins and answers to presses: for all people
together, and for one."""
PRIVATE_PACE, GROUP_PACE = 1.1, 3.1
"""The seconds between two edits that Telegram accepts for long; a group takes 20 a minute."""

LINK = "https://t.me/"
LONGEST_TOAST = 200
"""The most characters of the answer to a pressed button."""

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@asynccontextmanager
async def connect(
    token: str,
    api_url: str,
    files_dir: str = "",
    operators: Sequence[str] = (),
    webhook: Webhook | None = None,
) -> AsyncIterator["TelegramAdapter"]:
    """Yield the adapter of a bot's account. `files_dir` is the folder of a local server's files.

    `operators` are the ids of the people who see the operators' commands in their menus. Without a
    `webhook`, updates are polled.

    Raises SettingsError if the token is wrong, and Unreachable or RetryAfter if Telegram does not
    answer.
    """
    async with open_session(token, api_url, operators) as (bot, client):
        adapter = TelegramAdapter(bot, client, files_dir, webhook)
        try:
            yield adapter
        finally:
            await adapter.cancel_answers()


class TelegramAdapter:
    """The account of one bot on Telegram."""

    broadcast_rate = BROADCAST_RATE

    def __init__(
        self,
        bot: Bot,
        client: httpx.AsyncClient,
        files_dir: str = "",
        webhook: Webhook | None = None,
    ) -> None:
        self._bot = bot
        self._webhook = webhook
        self._files_dir = files_dir
        self._client = client
        self._me: User = bot.bot
        self._answers: set[asyncio.Task[None]] = set()
        self._pieces = Pieces()
        self._spare = Spare(SPARE, EACH, time.monotonic)
        self._admins = Admins(bot, self._spare)
        self._signs = Signs()
        self._refusals = Refusals()

    @property
    def name(self) -> str:
        """The platform's name."""
        return PLATFORM

    @property
    def bot_id(self) -> str:
        """The id of our account."""
        return str(self._me.id)

    @property
    def rate(self) -> float:
        """The calls a second in all chats together."""
        return RATE

    @property
    def hears(self) -> bool:
        """True while Telegram answers polls, or while the webhook stands."""
        return self._signs.hears

    @property
    def heard_at(self) -> float | None:
        """The time of the last answer to a poll, or of the last update that was posted."""
        return self._signs.heard_at

    @property
    def reconnects(self) -> int:
        """The number of times that Telegram answered again after it had not."""
        return self._signs.reconnects

    @property
    def is_pushed(self) -> bool:
        """True with a webhook."""
        return self._webhook is not None

    @property
    def largest_file(self) -> int:
        """The most bytes of a file that is posted."""
        return LARGEST

    def pace(self, address: Address) -> float:
        """Return the seconds between previews, by the kind of the chat."""
        return GROUP_PACE if is_group(address) else PRIVATE_PACE

    def leeway(self, ticket: str) -> Leeway:
        """Return no bounds: nothing here is written with tickets."""
        return Leeway()

    def fits(self, markdown: str) -> bool:
        """Return whether the rendered text is neither empty nor longer than a message may be."""
        from bots.telegram.markup import fits  # noqa: PLC0415 - see `_render`

        return fits(markdown)

    async def listen(self) -> AsyncGenerator[Event, str | None]:
        """Yield events, polled or posted; raises SettingsError if the token is revoked."""
        async with aclosing(self._updates()) as incoming:
            async for update in incoming:
                told: str | None = None
                if event := self._read(update):
                    told = yield await self._admins.look_up(event, update)
                if query_id := _query_id(update):
                    self._answer(query_id, event, told or "")

    def _updates(self) -> AsyncGenerator[Json, None]:
        if self._webhook is not None:
            return self._webhook.mailbox.updates(self._signs.heard)
        self._signs.note(False)
        return updates(self._client, self._bot.base_url, self._signs.note)

    async def subscribe(self) -> None:
        """Have Telegram post updates to the webhook, and look after that for ever."""
        if self._webhook is not None:
            await Subscription(self._bot, self._webhook, self._signs).keep()

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
        """Post a message. Telegram knows no nonce: a repeat makes a second message.

        Where the group lets the bot, one for a single person is hidden from the others.
        """
        if whom is not None and self._refusals.may_try(address, whom):
            hidden = {ephemeral.PARAMETERS: {"receiver_user_id": int(whom)}}
            try:
                made = await self._post(address, markdown, reply_to, buttons, hidden)
            except Undeliverable as refusal:
                log.debug("A message cannot be hidden in this group: %s", refusal)
                self._refusals.note(address)
            else:
                return ephemeral.id_of(made, whom)
        return str((await self._post(address, markdown, reply_to, buttons)).message_id)

    async def _post(
        self,
        address: Address,
        markdown: str,
        reply_to: str | None,
        buttons: tuple[Button, ...],
        more: Json | None = None,
    ) -> Message:
        text, entities = _render(markdown)
        return await create(
            address,
            reply_to,
            lambda chat, thread, reply: self._bot.send_message(
                chat,
                text,
                entities=entities,
                message_thread_id=thread,
                reply_parameters=reply,
                reply_markup=_keyboard(buttons),
                link_preview_options=_NO_PREVIEW,
                api_kwargs=more,
            ),
        )

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
        """Replace a message's text and buttons."""
        if one := ephemeral.read(message_id):
            await self._edit_hidden(address, one, markdown, buttons)
            return
        text, entities = _render(markdown)
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

    async def _edit_hidden(
        self, address: Address, one: Ephemeral, markdown: str, buttons: tuple[Button, ...]
    ) -> None:
        """Replace a message that one person sees; nothing is made up for one that is gone."""
        text, entities = _render(markdown)
        keyboard = _keyboard(buttons)
        new: Json = {"text": text, "entities": [entity.to_dict() for entity in entities]}
        if keyboard is not None:
            new["reply_markup"] = keyboard.to_dict()
        with suppress(MessageGone, Undeliverable):
            await self._call_hidden("editEphemeralMessageText", address, one, new)

    async def _call_hidden(
        self, method: str, address: Address, one: Ephemeral, more: Json | None = None
    ) -> None:
        values = {"chat_id": int(address.chat), **one.parameters, **(more or {})}
        with translating():
            try:
                await self._bot.do_api_request(method, api_kwargs=values)
            except EndPointNotFound as unknown:
                raise Undeliverable(unknown.message) from unknown

    async def unbutton(self, address: Address, message_id: str) -> None:
        """Take the buttons off a message; one without any is no error."""
        if one := ephemeral.read(message_id):
            with suppress(MessageGone, Undeliverable):
                await self._call_hidden("editEphemeralMessageReplyMarkup", address, one)
            return
        try:
            await _attempt_there(
                lambda: self._bot.edit_message_reply_markup(int(address.chat), int(message_id))
            )
        except Undeliverable as error:
            if UNCHANGED not in str(error):
                raise

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Do nothing, because Telegram ends "typing" by itself."""

    async def delete(self, address: Address, message_id: str, *, ticket: str = "") -> None:
        """Delete a message of ours; raises Undeliverable if it is older than two days."""
        if one := ephemeral.read(message_id):
            with suppress(MessageGone, Undeliverable):
                await self._call_hidden("deleteEphemeralMessage", address, one)
            return
        try:
            await _attempt_there(
                lambda: self._bot.delete_message(int(address.chat), int(message_id))
            )
        except MessageGone:
            log.debug("Message %s is deleted already", message_id)

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
        """Post a file, as a photo or as a document. A repeat makes a second one."""
        send = self._bot.send_photo if picture else self._bot.send_document
        made = await create(
            address,
            reply_to,
            lambda chat, thread, reply: send(
                chat,
                InputFile(data, filename=name),
                message_thread_id=thread,
                reply_parameters=reply,
            ),
        )
        return str(made.message_id)

    async def suspects(
        self,
        address: Address,
        *,
        after: str | None,
        before: str | None,
        known: Collection[tuple[str, str]],
        earlier: Collection[tuple[str, str]] = (),
    ) -> list[str]:
        """Return the unknown ids between two messages: ids grow by one with each message.

        A message that one person sees has no such id, so its double cannot be found.
        """
        if ephemeral.read(before) or ephemeral.read(after):
            return []
        here, there = (
            [each for each in messages if ephemeral.read(each[1]) is None]
            for messages in (known, earlier)
        )
        return suspects(address.chat, after, before, here, there)

    async def is_ours(self, address: Address, message_id: str, markdown: str | None) -> bool:
        """Return whether a message is ours: Telegram lets nobody edit another one's."""
        try:
            if markdown is None:
                await self._attempt_caption(address, message_id)
            else:
                await self.edit(address, message_id, markdown, final=True)
        except (MessageGone, Undeliverable) as refusal:
            return UNCHANGED in str(refusal)
        return True

    async def _attempt_caption(self, address: Address, message_id: str) -> None:
        """Give a file the caption that it has: none."""
        await _attempt_there(
            lambda: self._bot.edit_message_caption(int(address.chat), int(message_id))
        )

    async def typing(self, address: Address, *, ticket: str = "") -> None:
        """Show "typing" for five seconds."""
        await beside(
            address,
            lambda chat, thread: self._bot.send_chat_action(
                chat, ChatAction.TYPING, message_thread_id=thread
            ),
        )

    async def around(self, address: Address) -> Address | None:
        """Return the address of the chat around a topic."""
        return replace(address, thread="") if address.thread else None

    async def leave(self, address: Address) -> None:
        """Leave a group; one that does not know the bot any more is no error."""
        if address.places:
            with suppress(Undeliverable), translating():
                await self._bot.leave_chat(int(address.places[-1]))

    def link(self, payload: str) -> str:
        """Return the address of a page that opens the chat with the bot."""
        return f"{LINK}{self._me.username}?start={payload}"

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Return the bytes of a file; Telegram hands out files up to 20 MB."""
        return await fetch(self._bot, self._client, attachment, limit, self._files_dir)

    async def cancel_answers(self) -> None:
        """Cancel the answers to pressed buttons that are still on their way."""
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    def _read(self, update: Json) -> Event | None:
        try:
            read = Update.de_json(update, None)
            event = parse(read, self._me)
            if not isinstance(event, InboundMessage | None):
                return event
            return self._pieces.hear(event, lambda: parse_piece(read, self._me))
        except Exception as error:  # a bad update must not stop the ones after it
            number = update["update_id"]
            log.error("Cannot read update %s, it is passed over: %s", number, place(error))
            log.debug("update %s", number, exc_info=True)
            return None

    def _answer(self, query_id: str, event: Event | None, told: str) -> None:
        """Answer the press of a button in a task, so that later updates do not wait.

        Only the person who pressed it sees the answer, for some seconds. A person who presses
        without end gets none to most presses: the client ends the button's wait by itself.
        """
        if not self._spare.take(event.author.account_id if isinstance(event, Change) else ""):
            return
        task = asyncio.create_task(self._answer_query(query_id, told))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer_query(self, query_id: str, told: str) -> None:
        text = _render(told)[0][:LONGEST_TOAST]
        try:
            await self._bot.answer_callback_query(query_id, text or None)
        except (TelegramError, *MISSHAPEN) as error:
            log.debug("The press of a button is not answered: %s", error)


def _render(markdown: str) -> tuple[str, tuple[MessageEntity, ...]]:
    """Return a text and its entities. The reader of Markdown is loaded for the first one: 3 MB."""
    from bots.telegram.markup import render  # noqa: PLC0415 - see above

    return render(markdown)


async def _attempt_there(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call for a message; raises MessageGone if the chat has become a supergroup.

    There, the id would be another message's.
    """
    with translating():
        try:
            await call()
        except ChatMigrated as moved:
            raise MessageGone(moved.message) from moved


def _query_id(update: Json) -> str | None:
    """Return the id of the press of a button, to answer it; None if there is none."""
    query = update.get("callback_query")
    query_id = query.get("id") if isinstance(query, dict) else None
    return query_id if isinstance(query_id, str) else None


def _keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    if not buttons:
        return None
    row = [
        InlineKeyboardButton(button.label, callback_data=button.kind.value) for button in buttons
    ]
    return InlineKeyboardMarkup([row])
