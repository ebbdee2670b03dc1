"""The contents of Telegram's messages, and the message that another one is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from telegram import (
    Chat,
    ExternalReplyInfo,
    Message,
    MessageEntity,
    MessageOrigin,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
    TextQuote,
    User,
)

from bots import quotes
from bots.telegram.page import ENTITIES, units
from bots.telegram.rich import rich_text
from bots.telegram.written import to_markdown
from core import words
from core.adapter import Attachment

Content = Message | ExternalReplyInfo
"""Anything that holds a file, a place or a poll."""

LONGEST_PASSAGE = 1024
"""The most UTF-16 units of a passage that Telegram quotes by itself: a longer text is cut there."""
_LISTS = frozenset({"poll", "checklist"})
"""The kinds of content that are no text, but can be quoted as one."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A message that another one is about: it replies to that message, or forwards it."""

    text: str = ""
    name: str = ""
    """The name of its author; "" for the bot."""
    files: tuple[Attachment, ...] = ()
    unreadable: str = ""

    @property
    def holds_anything(self) -> bool:
        """True if there is something in it to read, to look at or to name."""
        return bool(self.text or self.files or self.unreadable)


NOTHING = Quoted()


def forwarded(message: Message) -> Quoted:
    """Return the contents of a message that somebody passes on, under its author's name."""
    return replace(_whole(message), name=_origin_name(message.forward_origin))


def is_forward(message: Message) -> bool:
    """Return whether a person passes a message on; a post of a linked channel comes by itself."""
    return message.forward_origin is not None and not message.is_automatic_forward


def replied_to(message: Message, me: User) -> Quoted:
    """Return the message that another one replies to, or the passage that its author chose in it.

    A reply to a message of another chat, or of another topic, brings a passage at most. The bot's
    own files stay where they are: they hold all that is stored about somebody.
    """
    answered, external = answered_by(message), message.external_reply
    if answered is not None:
        whole = replace(_whole(answered), name=_name(answered, me))
        if answered.from_user is not None and answered.from_user.id == me.id:
            whole = replace(whole, files=())
        if message.quote and (message.quote.is_manual or not whole.text):
            return replace(whole, text=_passage(message.quote))
        return whole
    if external is not None:
        return _elsewhere(external, message.quote, me)
    return Quoted(unreadable=words.UNREADABLE_KINDS["story"]) if message.reply_to_story else NOTHING


def answered_by(message: Message) -> Message | None:
    """Return the message replied to; in a topic, a reply to its first message is no reply."""
    answered = message.reply_to_message
    return None if answered is None or answered.forum_topic_created else answered


def answers(message: Message, me: User) -> bool:
    """Return whether a message replies to one of the account `me` in the same chat."""
    answered, external = answered_by(message), message.external_reply
    if answered is not None:
        return answered.from_user is not None and answered.from_user.id == me.id
    if external is None or external.chat is None or external.chat.id != message.chat.id:
        return False
    return _is_from(external.origin, me)


def files_in(content: Content) -> tuple[Attachment, ...]:
    """Return the file in a message, of a photo the largest size."""
    if content.photo:
        photo = max(content.photo, key=lambda size: size.width * size.height)
        return (Attachment(photo.file_id, "photo.jpg", "image/jpeg", photo.file_size),)
    file = content.document
    if file is None or content.animation:
        return ()
    media_type = file.mime_type or "application/octet-stream"
    return (Attachment(file.file_id, file.file_name or "file", media_type, file.file_size),)


def unreadable_in(content: Content) -> str:
    """Return the kind of content that the bot cannot read, in people's words; "" for none."""
    return next((told for _, told in _kinds(content)), "")


def text_of(message: Message) -> str:
    """Return the text or the caption of a message."""
    return message.text or message.caption or ""


def entities_of(message: Message) -> Sequence[MessageEntity]:
    """Return the entities of the text or the caption, as many as are looked at."""
    return (message.entities if message.text else message.caption_entities)[:ENTITIES]


def title(chat: Chat, signature: str | None) -> str:
    """Return the name of a chat that speaks, with that of the person who writes for it."""
    name = chat.title or chat.username or "Deleted Chat"
    return f"{name} ({signature})" if signature else name


def full_name(user: User) -> str:
    """Return the name of an account."""
    names = [name for name in (user.first_name, user.last_name) if name]
    return " ".join(names).strip() or user.username or "Deleted Account"


def _whole(message: Message) -> Quoted:
    text = _written(text_of(message), entities_of(message))
    text = text or _listed(message) or rich_text(message)
    return Quoted(text, "", files_in(message), _unlisted(message))


def _elsewhere(external: ExternalReplyInfo, passage: TextQuote | None, me: User) -> Quoted:
    text = _passage(passage) if passage else _listed(external)
    if passage and not passage.is_manual and units(passage.text) >= LONGEST_PASSAGE:
        text = f"{text}\n{quotes.CUT}"
    name = "" if _is_from(external.origin, me) else _origin_name(external.origin)
    files, unreadable = files_in(external), _unlisted(external)
    if not (text or files or unreadable):
        unreadable = words.ELSEWHERE
    return Quoted(text, name, files, unreadable)


def _written(text: str, entities: Sequence[MessageEntity]) -> str:
    """Return a text as Markdown to quote; a text whose markup is longer than itself has none."""
    if units(text) > quotes.LONGEST:
        return quotes.cut(text)
    marked = to_markdown(text, entities)
    return marked if len(marked) <= 2 * quotes.LONGEST else text.strip()


def _passage(passage: TextQuote) -> str:
    return _written(passage.text, (passage.entities or ())[:ENTITIES])


def _listed(content: Content) -> str:
    """Return the words of a poll or of a checklist, with a line for each option or task."""
    if content.poll:
        head, lines = content.poll.question, [each.text for each in content.poll.options]
    elif content.checklist:
        head, lines = content.checklist.title, [each.text for each in content.checklist.tasks]
    else:
        return ""
    return quotes.cut("\n".join([head, *(f"- {line}" for line in lines)]))


def _unlisted(content: Content) -> str:
    return next((told for kind, told in _kinds(content) if kind not in _LISTS), "")


def _kinds(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the kinds of content in a message that the bot cannot read."""
    for kind, told in words.UNREADABLE_KINDS.items():
        if getattr(content, kind, None):
            yield kind, told


def _name(message: Message, me: User) -> str:
    """Return the name of a message's author; "" for the account `me`."""
    if message.forward_origin is not None:
        return _origin_name(message.forward_origin)
    if message.sender_chat is not None:
        return title(message.sender_chat, message.author_signature)
    user = message.from_user
    return "" if user is None or user.id == me.id else full_name(user)


def _origin_name(origin: MessageOrigin | None) -> str:
    match origin:
        case MessageOriginUser():
            return full_name(origin.sender_user)
        case MessageOriginHiddenUser():
            return origin.sender_user_name
        case MessageOriginChat():
            return title(origin.sender_chat, origin.author_signature)
        case MessageOriginChannel():
            return title(origin.chat, origin.author_signature)
    return words.SOMEBODY


def _is_from(origin: MessageOrigin, me: User) -> bool:
    return isinstance(origin, MessageOriginUser) and origin.sender_user.id == me.id
