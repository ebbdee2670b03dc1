"""What an update of Telegram means: something said to the bot, a change, or nothing to it."""

from collections.abc import Callable
from dataclasses import dataclass

from telegram import CallbackQuery, Chat, Message, MessageEntity, Update, User

from bots.telegram.page import units
from bots.telegram.written import entity_text, to_markdown
from core.adapter import Address, Attachment, Author, Change, ChangeKind, InboundMessage

PLATFORM = "telegram"
LONGEST_QUOTE = 1000
PARTIAL = 4000
"""UTF-16 units; a client cuts a long paste into messages of up to 4096, at a space if it can."""

_KINDS = frozenset(ChangeKind)
# A GIF comes with a document and a venue with a location; the first that is there is the one.
_UNREADABLE = {
    "animation": "GIFs",
    "live_photo": "live photos",
    "voice": "voice messages",
    "audio": "audio files",
    "video": "videos",
    "video_note": "video messages",
    "sticker": "stickers",
    "venue": "places",
    "location": "locations",
    "contact": "contacts",
    "poll": "polls",
    "checklist": "checklists",
    "dice": "dice",
    "game": "games",
    "story": "stories",
    "paid_media": "paid media",
    "invoice": "invoices",
    "giveaway": "giveaways",
}


def parse(update: Update, me: User) -> InboundMessage | Change | None:
    """What an update means to the account `me`; None if it is not for it."""
    event_id = str(update.update_id)
    if update.callback_query:
        return _pressed(event_id, update.callback_query, me)
    if update.edited_message:
        return _edited(event_id, update.edited_message, me)
    return _said(event_id, update.message, me) if update.message else None


def _said(event_id: str, message: Message, me: User) -> InboundMessage | None:
    author = message.from_user
    if author is None or not _by_person(message, author):
        return None
    words = _read(message, me)
    private = message.chat.type == Chat.PRIVATE
    if not private and not _addressed(message, words, me):
        return None
    attachments, unreadable = _attachments(message), _unreadable(message)
    if not (words.text or words.command or attachments or (private and unreadable)):
        return None
    answered = _answered(message)
    return InboundMessage(
        event_id=event_id,
        address=_address(message, me),
        author=_author(author),
        message_id=str(message.message_id),
        text=words.text,
        private=private,
        sent_at=message.date,
        command=words.command,
        attachments=attachments,
        unreadable=unreadable,
        reply_to=str(answered.message_id) if answered else None,
        quote=_quote(message, answered),
        album=message.media_group_id or "",
        partial=units(message.text or "") >= PARTIAL,
        # In a group only a call to the API could tell, and hardly any message asks.
        admin=private,
    )


def _edited(event_id: str, message: Message, me: User) -> Change | None:
    """An edit changes what was said; a command has been carried out, a place only moves on."""
    said = _said(event_id, message, me)
    if said is None or said.command or not (said.text or said.attachments):
        return None
    return Change(
        event_id, ChangeKind.EDITED, said.address, said.author, said.message_id, said.text
    )


def _pressed(event_id: str, query: CallbackQuery, me: User) -> Change | None:
    message = query.message  # of ours; of one that is too old only the place is known
    if message is None or query.data not in _KINDS:
        return None
    kind = ChangeKind(query.data)
    address = _address(message, me)
    return Change(event_id, kind, address, _author(query.from_user), str(message.message_id))
