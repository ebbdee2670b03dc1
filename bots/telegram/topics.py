"""Making messages: in their topic, or in the chat itself if the topic takes none.

A topic may be closed or deleted while its answer is written. Telegram has also called topics
unknown that were there, so a refusal proves nothing about the next message.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from telegram import Message, ReplyParameters
from telegram.error import ChatMigrated

from bots.telegram.failures import TopicClosed, translating
from core.adapter import Address

log = logging.getLogger(__name__)

T = TypeVar("T")

Create = Callable[[int, int | None, ReplyParameters | None], Awaitable[Message]]
"""Makes a message in a chat, in a thread of it, as a reply."""


async def create(address: Address, reply_to: str | None, call: Create) -> Message:
    """Make a message and return it.

    Where the topic takes none, make it in the chat without a topic, as a reply in any chat: it
    stands apart from its question there.
    """

    def in_thread(chat: int, thread: int | None) -> Awaitable[Message]:
        is_beside = str(thread or "") != address.thread
        return call(chat, thread, _reply(address, reply_to, chat, always=is_beside))

    return await beside(address, in_thread)


async def beside(address: Address, call: Callable[[int, int | None], Awaitable[T]]) -> T:
    """Make a call for a topic; if that takes nothing, make it for the chat without a topic."""
    thread = int(address.thread) if address.thread else None
    try:
        return await attempt(address, lambda chat: call(chat, thread))
    except TopicClosed as refusal:
        if thread is None:
            raise
        log.debug("A topic takes nothing, so it goes to the chat itself: %s", refusal)
        return await attempt(address, lambda chat: call(chat, None))


async def attempt(address: Address, call: Callable[[int], Awaitable[T]]) -> T:
    """Make a call for a chat; if that has become a supergroup, make it again there."""
    with translating():
        try:
            return await call(int(address.chat))
        except ChatMigrated as moved:
            return await call(moved.new_chat_id)


def is_group(address: Address) -> bool:
    """Return whether an address is in a group."""
    return address.chat.startswith("-")


def _reply(
    address: Address, message_id: str | None, chat: int, *, always: bool
) -> ReplyParameters | None:
    """Return the parameters of a reply in a group, or `always`; None for no reply.

    In a private chat a quote above each answer would be noise. If the group has become the
    supergroup `chat`, the id would be another message's there.
    """
    if message_id is None or not (always or is_group(address)) or str(chat) != address.chat:
        return None
    return ReplyParameters(int(message_id), allow_sending_without_reply=True)
