"""The content of Discord's messages: words as the model reads them, and files (pure)."""

import mimetypes
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import discord
from discord.abc import Snowflake

from core import words
from core.adapter import Attachment

LONGEST_QUOTE = 9_900
"""The most UTF-16 units of a quote: a message has up to 4,000, and its embeds up to 6,000 more."""
NESTED = 5
"""The most levels of components that are read; Discord allows three."""

_MARK = re.compile(r"<(?:(?P<kind>@!?|@&|#)|a?(?P<emoji>:\w+:))(?P<id>\d+)>")
_UNREADABLE = {kind: words.UNREADABLE_KINDS[kind] for kind in ("audio", "video")}

Shown = discord.Message | discord.MessageSnapshot


def own_text(message: discord.Message, me: Snowflake) -> str:
    """Return the content without the mention of the bot, and with names in place of ids."""
    return _readable(message, _own_mention(message, me).sub("", message.content)).strip()


def shown_text(message: discord.Message, me: Snowflake) -> str:
    """Return all words that people see in a message, and in the messages that it forwards."""
    blocks = [own_text(message, me), *_extras(message, message)]
    return "\n\n".join(block for block in (*blocks, forwarded_text(message)) if block)


def forwarded_text(message: discord.Message) -> str:
    """Return the words of the messages that a message forwards."""
    blocks = (
        block
        for snapshot in message.message_snapshots
        for block in (_readable(message, snapshot.content), *_extras(message, snapshot))
    )
    return "\n\n".join(block for block in blocks if block)


def quote_of(message: discord.Message, me: Snowflake) -> str:
    """Return the words that a message is about: those it replies to or forwards, and its poll."""
    answered = replied_to(message)
    about = shown_text(answered, me) if answered else forwarded_text(message)
    return "\n\n".join(block for block in (about, _poll(message)) if block)


def replied_to(message: discord.Message) -> discord.Message | None:
    """Return the message that a message replies to, if Discord has sent it along."""
    resolved = message.reference.resolved if message.reference else None
    return resolved if isinstance(resolved, discord.Message) else None


def attachments_of(message: discord.Message) -> tuple[Attachment, ...]:
    """Return the files that the model may read, in a message and in those that it forwards."""
    return tuple(attachment_of(message, file) for file in files_of(message) if _is_readable(file))


def unreadable_in(message: discord.Message) -> str:
    """Return the kind of content that the bot cannot read; "" if there is none."""
    shown: Sequence[Shown] = (message, *message.message_snapshots)
    if any(each.flags.voice for each in shown):
        return words.UNREADABLE_KINDS["voice"]
    for file in files_of(message):
        if not _is_readable(file):
            return _UNREADABLE[_media_type(file).partition("/")[0]]
    return words.UNREADABLE_KINDS["sticker"] if any(each.stickers for each in shown) else ""


# -- words ----------------------------------------------------------------------------------------


def _readable(message: discord.Message, text: str) -> str:
    """Return a text with names in place of ids, as far as the message tells them."""
    names = _names(message)

    def readable(mark: re.Match[str]) -> str:
        return mark["emoji"] or names.get(mark["kind"][:2].rstrip("!") + mark["id"], mark[0])

    return _MARK.sub(readable, text)


def _own_mention(message: discord.Message, me: Snowflake) -> re.Pattern[str]:
    role = message.guild and message.guild.self_role
    ours = rf"@!?{me.id}|@&{role.id}" if role else rf"@!?{me.id}"
    return re.compile(rf" ?<(?:{ours})>")


def _names(message: discord.Message) -> dict[str, str]:
    """Return readable names by the sign and the id of a mark, such as "@1"."""
    names = {f"@{user.id}": f"@{user.display_name}" for user in message.mentions}
    names |= {f"@&{role.id}": f"@{role.name}" for role in message.role_mentions}
    return names | {f"#{channel.id}": f"#{channel.name}" for channel in message.channel_mentions}


def _extras(message: discord.Message, shown: Shown) -> Iterator[str]:
    """Yield the words beside the content: of embeds, components, a poll and stickers."""
    for embed in shown.embeds:
        yield _readable(message, _embed(embed))
    for text in _displays(shown.components, NESTED):
        yield _readable(message, text)
    if isinstance(shown, discord.Message):
        yield _poll(shown)
    for sticker in shown.stickers:
        yield f"[Sticker: {sticker.name}]"


def _embed(embed: discord.Embed) -> str:
    """Return the words of an embed, from top to bottom."""
    told = (embed.author.name, embed.title, embed.description, *_fields(embed), embed.footer.text)
    return "\n".join(str(line) for line in told if line)


def _fields(embed: discord.Embed) -> Iterator[str]:
    for field in embed.fields:
        yield ": ".join(str(text) for text in (field.name, field.value) if text)


def _displays(components: Iterable[Any], levels: int) -> Iterator[str]:
    """Yield the texts among components, some of which hold others."""
    for component in components if levels else ():
        if isinstance(component, discord.TextDisplay):
            yield component.content
        yield from _displays(getattr(component, "children", ()), levels - 1)


def _poll(message: discord.Message) -> str:
    """Return the question of a poll with its answers and votes; "" without a poll."""
    poll = message.poll
    if poll is None:
        return ""
    votes = {answer: f" (votes: {answer.vote_count})" for answer in poll.answers}
    told = [f"- {answer.text}{votes[answer] if poll.total_votes else ''}" for answer in votes]
    return "\n".join((f"[Poll] {poll.question}", *told))


# -- files ----------------------------------------------------------------------------------------


def files_of(message: discord.Message) -> Sequence[discord.Attachment]:
    """Return the files of a message and of those that it forwards."""
    forwarded = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    return [*message.attachments, *forwarded]


def attachment_of(
    message: discord.Message | discord.Interaction, file: discord.Attachment
) -> Attachment:
    """Return a file as a reference to its message, because its URL is signed and expires."""
    assert message.channel is not None
    reference = f"{message.channel.id}/{message.id}/{file.id}"
    return Attachment(reference, file.filename, _media_type(file), file.size)


def _media_type(file: discord.Attachment) -> str:
    told = file.content_type or mimetypes.guess_type(file.filename)[0]
    return (told or "application/octet-stream").partition(";")[0]


def _is_readable(file: discord.Attachment) -> bool:
    return _media_type(file).partition("/")[0] not in _UNREADABLE
