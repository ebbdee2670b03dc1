"""The meaning of Telegram's updates: a message to the bot, a change, a move, or nothing to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from telegram import (
    CallbackQuery,
    Chat,
    ChatMemberUpdated,
    MaybeInaccessibleMessage,
    Message,
    MessageEntity,
    Update,
    User,
)
from telegram.constants import ChatMemberStatus

from bots.telegram import Telegram
from bots.telegram.links import is_payload
from bots.telegram.page import ENTITIES, units
from bots.telegram.written import entity_text, to_markdown
from core import words
from core.adapter import (
    COMMANDS,
    START,
    Access,
    Address,
    Attachment,
    Author,
    Change,
    ChangeKind,
    Event,
    InboundMessage,
    Move,
)
from core.speech import question_in

PLATFORM = Telegram.name
LONGEST_QUOTE = 1000
PARTIAL = 4000
"""The UTF-16 units from which a text may be the beginning of a longer one. A client cuts a long
paste into messages of up to 4096 units, at a space if it can."""

_KINDS = frozenset(ChangeKind)
_OUT = (ChatMemberStatus.LEFT, ChatMemberStatus.BANNED)
_COMMANDS = frozenset(command.name for command in COMMANDS)


def parse(update: Update, me: User) -> Event | None:
    """Return the event in an update for the account `me`; None if there is none."""
    event_id = str(update.update_id)
    if update.callback_query:
        return _pressed(event_id, update.callback_query, me)
    if update.edited_message:
        return _edited(event_id, update.edited_message, me)
    if update.my_chat_member:
        return _allowed(event_id, update.my_chat_member, me)
    if update.message is None:
        return None
    if update.message.forum_topic_reopened:
        return Access(event_id, _address(update.message, me))
    return _moved(event_id, update.message, me) or _said(event_id, update.message, me)


def parse_piece(update: Update, me: User) -> InboundMessage | None:
    """Return the message in an update as a piece of one that may name the account `me`."""
    if update.message is None:
        return None
    return _said(str(update.update_id), update.message, me, piece=True)


def _allowed(event_id: str, change: ChatMemberUpdated, me: User) -> Access | None:
    """Return the sign in a change of the bot's own rights that it may write now."""
    now = change.new_chat_member
    if now.status in _OUT or not getattr(now, "can_send_messages", True):
        return None
    return Access(event_id, Address(PLATFORM, str(me.id), _number(change.chat.id)))


def _moved(event_id: str, message: Message, me: User) -> Move | None:
    """Return the move of a group that became a supergroup; both chats get such a message."""
    here = message.chat.id
    old, new = message.migrate_from_chat_id or here, message.migrate_to_chat_id or here
    if old == new:
        return None
    return Move(event_id, Address(PLATFORM, str(me.id), _number(old)), _number(new))


def _said(
    event_id: str, message: Message, me: User, *, piece: bool = False
) -> InboundMessage | None:
    author, words = message.from_user, _read(message, me)
    private = message.chat.type == Chat.PRIVATE
    if author is None or not _by_person(message, author) or not (private or words.called or piece):
        return None
    answered = _answered(message)
    quote = message.quote.text if message.quote else _text(answered) if answered else ""
    attachments, unreadable = _attachments(message), _unreadable(message)
    # A message with nothing but the bot's name is about the message it replies to, or a greeting.
    shown = words.mentioned or (unreadable and (private or piece))
    if not (words.text or words.command or attachments or shown):
        return None
    return InboundMessage(
        event_id=event_id,
        address=_address(message, me),
        author=_author(author),
        message_id=_number(message.message_id),
        text=words.text,
        private=private,
        sent_at=message.date,
        command=words.command,
        attachments=attachments,
        unreadable=unreadable,
        reply_to=_number(answered.message_id) if answered else None,
        quote=quote[:LONGEST_QUOTE],
        album=message.media_group_id or "",
        partial=units(message.text or "") >= PARTIAL,
        forwarded=message.forward_origin is not None,
        addressed=not piece,
        # In a group only another call to the API can tell; the adapter makes it for commands.
        admin=private,
    )


def _edited(event_id: str, message: Message, me: User) -> Change | None:
    """Return the edit of a text; None for a command, which is done already, or a location."""
    said = _said(event_id, message, me)
    said = said and question_in(said)
    if said is None or not (said.text or said.attachments):
        return None
    return Change(
        event_id, ChangeKind.EDITED, said.address, said.author, said.message_id, said.text
    )


def _pressed(event_id: str, query: CallbackQuery, me: User) -> Change | None:
    message = query.message  # of ours; an old one comes with its chat and id only
    if message is None or query.data not in _KINDS:
        return None
    kind = ChangeKind(query.data)
    address = _address(message, me)
    return Change(event_id, kind, address, _author(query.from_user), _number(message.message_id))


@dataclass(frozen=True, slots=True)
class _Words:
    """The text of a message, read for the bot."""

    text: str
    command: str | None
    mentioned: bool
    called: bool
    """True if a group's message is for the bot: a mention, a command or a reply."""


def _read(message: Message, me: User) -> _Words:
    text = _text(message)
    entities = (message.entities if message.text else message.caption_entities)[:ENTITIES]
    mentions = [entity for entity in entities if _names(text, entity, me)]
    call = next((entity for entity in entities if _is_command(text, entity, mentions)), None)
    name, _, bot = entity_text(text, call)[1:].lower().partition("@") if call else ("", "", "")
    elsewhere = bool(bot) and bot != str(me.username).lower()
    # In a group, an unknown command without a bot's name is another bot's, or a path.
    known = bool(bot) or name in _COMMANDS or message.chat.type == Chat.PRIVATE
    ours = call is not None and known and not elsewhere
    said = to_markdown(text, entities, [*mentions, call] if call and ours else mentions)
    return _Words(
        text="" if ours and name == START and is_payload(said) else said,
        command=name if ours else None,
        mentioned=bool(mentions),
        called=not elsewhere and (ours or bool(mentions) or _answers(message, me)),
    )


def _text(message: Message) -> str:
    return message.text or message.caption or ""


def _names(text: str, entity: MessageEntity, me: User) -> bool:
    if entity.type == MessageEntity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == me.id
    name = f"@{me.username}".lower()
    return entity.type == MessageEntity.MENTION and entity_text(text, entity).lower() == name


def _is_command(text: str, entity: MessageEntity, mentions: Sequence[MessageEntity]) -> bool:
    """Return whether an entity is a command at the beginning, perhaps behind the bot's name."""
    if entity.type != MessageEntity.BOT_COMMAND:
        return False
    first = mentions[0] if mentions and mentions[0].offset == 0 else None
    between = MessageEntity("", first.length, entity.offset - first.length) if first else None
    return entity.offset == 0 or (between is not None and not entity_text(text, between).strip())


def _answers(message: Message, me: User) -> bool:
    answered = _answered(message)
    return bool(answered and answered.from_user and answered.from_user.id == me.id)


def _answered(message: Message) -> Message | None:
    """Return the message replied to; in a topic, a reply to its first message is no reply."""
    answered = message.reply_to_message
    return None if answered is None or answered.forum_topic_created else answered


def _by_person(message: Message, author: User) -> bool:
    """Return whether a person sent a message: no bot, no channel, no anonymous admin."""
    elsewhere = message.chat.type == Chat.CHANNEL or message.is_automatic_forward
    return not (author.is_bot or message.sender_chat or message.via_bot or elsewhere)


def _attachments(message: Message) -> tuple[Attachment, ...]:
    if message.photo:
        photo = max(message.photo, key=lambda size: size.width * size.height)
        return (Attachment(photo.file_id, "photo.jpg", "image/jpeg", photo.file_size),)
    file = message.document
    if file is None or message.animation:
        return ()
    media_type = file.mime_type or "application/octet-stream"
    return (Attachment(file.file_id, file.file_name or "file", media_type, file.file_size),)


def _unreadable(message: Message) -> str:
    found = (told for name, told in words.UNREADABLE_KINDS.items() if getattr(message, name))
    return next(found, "")


def _address(message: MaybeInaccessibleMessage, me: User) -> Address:
    topic = isinstance(message, Message) and message.is_topic_message and message.message_thread_id
    chat, thread = _number(message.chat.id), _number(topic) if topic else ""
    return Address(PLATFORM, str(me.id), chat, thread)


def _author(user: User) -> Author:
    names = [name for name in (user.first_name, user.last_name) if name]
    name = " ".join(names).strip() or user.username or "Deleted Account"
    return Author(PLATFORM, _number(user.id), name)


def _number(told: object) -> str:
    """Return an id as text; raises ValueError for anything but a whole number of 64 bits."""
    if not isinstance(told, int) or isinstance(told, bool) or abs(told) >= 2**63:
        raise ValueError("an id that is no number")
    return str(told)
