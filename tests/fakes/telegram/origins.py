"""The wire forms that tell where a message comes from: another chat, another author."""

from tests.fakes.telegram.spans import Json, units
from tests.fakes.telegram.state import Chat, Message, User

ANONYMOUS = User(1087968824, "Group", "GroupAnonymousBot", is_bot=True)
"""The account that stands for a group's anonymous admins."""
AS_CHANNEL = User(136817688, "Channel", "Channel_Bot", is_bot=True)
"""The account that stands for people who write in the name of a channel."""
SERVICE = User(777000, "Telegram")
"""The account that brings a channel's posts to the group that is linked to it."""
LONGEST_QUOTE = 1024
"""The most UTF-16 units that the service quotes of a message from elsewhere."""


def origin(message: Message) -> Json:
    """Return the author of a message as a MessageOrigin."""
    if message.origin:
        return message.origin
    speaker = message.more.get("sender_chat")
    if speaker is None:
        return {"type": "user", "sender_user": message.sender.json(), "date": message.date}
    if speaker["type"] == "channel" and speaker["id"] == message.chat.id:
        told = {"type": "channel", "chat": speaker, "message_id": message.message_id}
        return {**told, "date": message.date}
    return {"type": "chat", "sender_chat": speaker, "date": message.date}


def hidden(message: Message) -> Json:
    """Return the MessageOrigin of a message by somebody who hides their account."""
    date = message.date - 60
    return {"type": "hidden_user", "sender_user_name": "Somebody", "date": date}


def external_reply(answered: Message) -> Json:
    """Return the fields of a reply to a message of another chat or topic.

    The message itself is not told, only its contents and the beginning of its text. Where it is
    stays untold, unless that is a supergroup or a channel.
    """
    external: Json = {"origin": origin(answered), **answered.content}
    if answered.chat.kind in {"supergroup", "channel"}:
        external |= {"chat": answered.chat.json(), "message_id": answered.message_id}
    if not answered.text:
        return {"external_reply": external}
    text = answered.text
    while units(text) > LONGEST_QUOTE:
        text = text[:-1]
    return {"external_reply": external, "quote": {"text": text, "position": 0}}


def as_chat(speaker: Chat, signature: str = "") -> Json:
    """Return the fields of a message that somebody writes in the name of a chat."""
    told: Json = {"sender_chat": speaker.json()}
    return told | {"author_signature": signature} if signature else told


def automatic_forward(post: Message) -> Json:
    """Return the fields of a channel's post in the group that is linked to the channel."""
    return {
        "sender_chat": post.chat.json(),
        "is_automatic_forward": True,
        "forward_origin": origin(post),
    }
