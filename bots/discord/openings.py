"""The beginnings of threads and forum posts: the title and the first message."""

import asyncio
import logging
from dataclasses import replace

import discord
from discord.abc import Snowflake

from bots import quotes
from bots.discord.arrivals import Event
from bots.discord.content import LONGEST_QUOTE, attachments_of, shown_text
from bots.discord.rest import call
from core.adapter import Change, InboundMessage, Opening
from core.errors import MISSHAPEN, DeliveryError, place
from core.speech import question_in

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""The most seconds for reading the first message; later events wait meanwhile."""
REMEMBERED = 1000
"""The most threads whose beginning is remembered; a thread is asked for once."""
TITLE = "[Thread: {title}]"


class Openings:
    """The beginnings of the threads in which somebody has spoken to the account `me`."""

    def __init__(self, client: discord.Client, me: Snowflake) -> None:
        self._client = client
        self._me = me
        self._known: dict[int, Opening] = {}

    async def added_to(self, event: Event) -> Event:
        """Return an event with the beginning of the thread that its question is in, if any."""
        match event:
            case InboundMessage():
                return await self._added_to(event)
            case Change(message=InboundMessage() as said):  # an edit may make it a question
                return replace(event, message=await self._added_to(said))
        return event

    async def _added_to(self, said: InboundMessage) -> InboundMessage:
        thread = self._client.get_channel(int(said.address.chat))
        if not (isinstance(thread, discord.Thread) and said.addressed and question_in(said)):
            return said
        if said.message_id == said.address.chat:  # it began the thread itself
            return replace(said, opening=Opening(_title(thread)))
        if thread.id not in self._known:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[thread.id] = await self._read(thread)
        return replace(said, opening=self._known[thread.id])

    async def _read(self, thread: discord.Thread) -> Opening:
        first = await self._first(thread)
        if first is None:
            return Opening(_title(thread))
        words = shown_text(first, self._me)
        said = f"{first.author.display_name}: {words}" if words else ""
        text = "\n".join(line for line in (_title(thread), said) if line)
        ours = first.author.id == self._me.id
        return Opening(quotes.cut(text, LONGEST_QUOTE), () if ours else attachments_of(first))

    async def _first(self, thread: discord.Thread) -> discord.Message | None:
        """Read the message with the thread's id, which stands in the thread or beside it."""
        parent = thread.parent
        is_post = isinstance(parent, discord.ForumChannel)
        place_of = thread if is_post or not isinstance(parent, discord.TextChannel) else parent
        if not place_of.permissions_for(thread.guild.me).read_message_history:
            return None
        path = "/channels/{channel_id}/messages/{message_id}"
        try:
            async with asyncio.timeout(PATIENCE):
                found = await call(
                    self._client, "GET", path, channel_id=place_of.id, message_id=thread.id
                )
            return place_of._state.create_message(channel=place_of, data=found)
        except (DeliveryError, TimeoutError) as error:
            log.debug("the first message of thread %s cannot be read: %s", thread.id, error)
        except MISSHAPEN as error:
            log.error("Cannot read message %s, it is passed over: %s", thread.id, place(error))
        return None


def _title(thread: discord.Thread) -> str:
    return TITLE.format(title=thread.name)
