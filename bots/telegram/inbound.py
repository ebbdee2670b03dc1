"""The meaning of Telegram's updates: a message to the bot, a change, a move, or nothing to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

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

from bots.telegram import Telegram, ephemeral, quoted
from bots.telegram.page import units
from bots.telegram.payloads import is_payload
from bots.telegram.quoted import Quoted
from bots.telegram.written import entity_text, to_markdown
from core.adapter import (
    COMMANDS,
    PRESSES,
    START,
    Access,
    Address,
    Author,
    Change,
    ChangeKind,
    Event,
    InboundMessage,
    Membership,
    Move,
)
from core.speech import question_in

PLATFORM = Telegram.name
PARTIAL = 4000
"""The UTF-16 units from which a text may be the beginning of a longer one. A client cuts a long
paste into messages of up to 4096 units, at a space if it can."""
EDITABLE = timedelta(days=2)
"""The longest time for which Telegram lets people edit a message."""

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


def _allowed(event_id: str, change: ChatMemberUpdated, me: User) -> Access | Membership | None:
    """Return the sign in a change of the bot's own rights that it may write now.

    In a group where it may not, it is still a member.
    """
    now = change.new_chat_member
    if now.status in _OUT:
        return None
    address = _at(change.chat, me)
    if getattr(now, "can_send_messages", True):
        return Access(event_id, address)
    return Membership(event_id, replace(address, chat=""))


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
    author, words = _author_of(message, me), _read(message, me)
    private = message.chat.type == Chat.PRIVATE
    if author is None or not (private or words.called or piece):
        return None
    if message.is_automatic_forward and not words.mentioned:
        return None
    content = _content(message, me, words)
    if content is None:
        return None
    answered = quoted.answered_by(message)
    return InboundMessage(
        event_id=event_id,
        address=_address(message, me),
        author=author,
        message_id=_number(message.message_id),
        text=words.text,
        private=private,
        sent_at=message.edit_date or message.date,
        command=words.command,
        payload=words.payload,
        attachments=content.files,
        unreadable=content.unreadable,
        reply_to=_number(answered.message_id) if answered else None,
        quote=content.text,
        quoted_from=content.name,
        album=message.media_group_id or "",
        partial=units(message.text or "") >= PARTIAL,
        forwarded=quoted.is_forward(message),
        addressed=not piece,
        # In a group only another call to the API can tell; the adapter makes it for commands.
        admin=private or _is_anonymous(message),
    )


def _content(message: Message, me: User, words: "_Words") -> Quoted | None:
    """Return the files that come with a message, and the message that it is about.

    None stands for a message without anything to answer. One with nothing but the bot's name is
    about the message it replies to, or a greeting.
    """
    if quoted.is_forward(message):
        passed_on = quoted.forwarded(message)
        return passed_on if words.mentioned or passed_on.holds_anything else None
    files, unreadable = quoted.files_in(message), quoted.unreadable_in(message)
    if not (words.text or words.command or words.mentioned or files):
        # The person shows only what the bot cannot read, whatever they reply to.
        return Quoted(unreadable=unreadable) if unreadable else None
    about = quoted.replied_to(message, me)
    kinds = dict.fromkeys(filter(None, (unreadable, about.unreadable)))
    return replace(about, files=files + about.files, unreadable=" and ".join(kinds))


def _edited(event_id: str, message: Message, me: User) -> Change | None:
    """Return the edit of a message; None for a command, which is done already, or a location.

    In a group, an edit may add the bot's name to a message that was not for it.
    """
    said = _said(event_id, message, me)
    said = said and question_in(said)
    if said is None:
        return None
    if not (said.text or said.attachments or _read(message, me).mentioned):
        return None
    return Change(
        event_id,
        ChangeKind.EDITED,
        said.address,
        said.author,
        said.message_id,
        said.text,
        said if _may_ask_by_edit(message) else None,
    )


def _may_ask_by_edit(message: Message) -> bool:
    """Return whether an edit in a group may have added the bot's name.

    Telegram also sends a message as edited when other things of it have changed, however old it is.
    """
    if message.chat.type == Chat.PRIVATE or message.edit_date is None:
        return False
    return message.edit_date - message.date <= EDITABLE


def asker(update: dict[str, Any]) -> Author | None:
    """Return the group in whose name an admin asked, if a button below the answer was pressed.

    The press itself comes from the admin's own account.
    """
    query = Update.de_json(update, None).callback_query
    answer = query.message if query else None
    question = answer.reply_to_message if isinstance(answer, Message) else None
    return _chat_of(question) if question and _is_anonymous(question) else None


def _pressed(event_id: str, query: CallbackQuery, me: User) -> Change | None:
    message = query.message  # of ours; an old one comes with its chat and id only
    if message is None or query.data not in PRESSES:
        return None
    kind = ChangeKind(query.data)
    address = _address(message, me)
    person = _author(query.from_user)
    message_id = _number(message.message_id)
    if isinstance(message, Message):
        message_id = ephemeral.id_of(message, person.account_id)
    hidden = "" if ephemeral.read(message_id) else None
    return Change(event_id, kind, address, person, message_id, hidden=hidden)


@dataclass(frozen=True, slots=True)
class _Words:
    """The text of a message, read for the bot."""

    text: str
    command: str | None
    mentioned: bool
    called: bool
    """True if a group's message is for the bot: a mention, a command or a reply."""
    payload: str = ""
    """The value of a link to the bot, in place of a text."""


def _read(message: Message, me: User) -> _Words:
    text, entities = quoted.text_of(message), quoted.entities_of(message)
    mentions = [entity for entity in entities if _names(text, entity, me)]
    call = next((entity for entity in entities if _is_command(text, entity, mentions)), None)
    name, _, bot = entity_text(text, call)[1:].lower().partition("@") if call else ("", "", "")
    elsewhere = bool(bot) and bot != str(me.username).lower()
    # In a group, an unknown command without a bot's name is another bot's, or a path.
    known = bool(bot) or name in _COMMANDS or message.chat.type == Chat.PRIVATE
    ours = call is not None and known and not elsewhere
    called = not elsewhere and (ours or bool(mentions) or quoted.answers(message, me))
    if quoted.is_forward(message):
        # Somebody else's words: they are quoted, and give no command.
        return _Words("", None, bool(mentions), called)
    said = to_markdown(text, entities, [*mentions, call] if call and ours else mentions)
    payload = said if ours and name == START and is_payload(said) else ""
    return _Words(
        text="" if payload else said,
        payload=payload,
        command=name if ours else None,
        mentioned=bool(mentions),
        called=called,
    )


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


def _author_of(message: Message, me: User) -> Author | None:
    """Return the person who wrote a message, or the chat in whose name they did; None for a bot.

    A chat's name is used by its anonymous admins, and by people who write as a channel of theirs:
    the account behind them is one of Telegram's own bots.
    """
    user = message.from_user
    by_us = message.via_bot is not None and message.via_bot.id == me.id
    if by_us or message.chat.type == Chat.CHANNEL:
        return None
    if message.sender_chat is not None:
        return _chat_of(message)
    return None if user is None or user.is_bot else _author(user)


def _chat_of(message: Message) -> Author | None:
    """Return the chat in whose name a message was written, if any."""
    chat = message.sender_chat
    if chat is None:
        return None
    return Author(PLATFORM, _number(chat.id), quoted.title(chat, message.author_signature))


def _is_anonymous(message: Message) -> bool:
    """Return whether an admin of a group writes in its name."""
    return message.sender_chat is not None and message.sender_chat.id == message.chat.id


def _address(message: MaybeInaccessibleMessage, me: User) -> Address:
    topic = isinstance(message, Message) and message.is_topic_message and message.message_thread_id
    return _at(message.chat, me, _number(topic) if topic else "")


def _at(chat: Chat, me: User, thread: str = "") -> Address:
    number = _number(chat.id)
    places = () if chat.type == Chat.PRIVATE else (number,)
    return Address(PLATFORM, str(me.id), number, thread, places)


def _author(user: User) -> Author:
    language = user.language_code or ""
    return Author(PLATFORM, _number(user.id), quoted.full_name(user), language)


def _number(told: object) -> str:
    """Return an id as text; raises ValueError for anything but a whole number of 64 bits."""
    if not isinstance(told, int) or isinstance(told, bool) or abs(told) >= 2**63:
        raise ValueError("an id that is no number")
    return str(told)
