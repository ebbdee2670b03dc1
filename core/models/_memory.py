"""Memory: conversations, their messages and summaries, and attachments."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.models._schema import Instant, Key, metadata, partial_index

NOWHERE = ""
"""The chat of a conversation in which nothing is said any more; no chat of a platform has this id.
"""

conversations = Table(
    "conversations",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), unique=True),
    # The person to whom it belongs, if it was the own one of an account that was linked.
    Column("owner_id", Key),
    Column("platform", Text),
    Column("bot_id", Text),
    Column("chat", Text),
    Column("thread", Text),
    Column("epoch", Integer, nullable=False, default=0),
    Column(
        "head_id",
        Key,
        ForeignKey("messages.id", use_alter=True, ondelete="SET NULL"),
        index=True,
    ),
    Column("model", Text),
    # The message with the current instructions; retention does not delete it.
    Column("instructed_id", Key),
    Column("created_at", Instant, nullable=False),
    # The time of `/forget`, after which `privacy.clear` deletes what it holds.
    Column("forgotten_at", Instant),
    # The time at which nothing was left of it but turns without texts.
    Column("cleared_at", Instant),
    UniqueConstraint("platform", "bot_id", "chat", "thread"),
    CheckConstraint("(user_id IS NULL) <> (chat IS NULL)", name="person_or_address"),
    partial_index(
        "ix_conversations_forgotten",
        "id",
        where="forgotten_at IS NOT NULL AND cleared_at IS NULL",
    ),
    partial_index("ix_conversations_owner", "owner_id", where="owner_id IS NOT NULL"),
)
"""The messages that share memory: a person's own, or those at a group's address.

A forgotten one belongs to nobody and has no address, so nobody can reach what it holds. One that
another took the place of, because accounts were linked, has an owner: nothing is said in it any
more, but it is searched, exported and forgotten with the person's own.
"""

messages = Table(
    "messages",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    # Its turn, which may be deleted already.
    Column("turn_id", Key, nullable=False),
    # The person whose question in a group it is, once its turn is deleted.
    Column("author_id", Key),
    Column("parent_id", Key, ForeignKey("messages.id", ondelete="SET NULL"), index=True),
    Column("body", JSON, nullable=False),
    Column("tokens", Integer),
    Column("total", Integer),
    Column("created_at", Instant, nullable=False, index=True),
    Index("ix_messages_newest", "conversation_id", "id"),
    partial_index("ix_messages_author", "author_id", "id", where="author_id IS NOT NULL"),
)
"""One entry of memory in the API's form. `id` is made of its turn's id and its position there.

`tokens` is its own size. `total` is the size of the whole context up to and including it, from the
API's own usage; only answers have it.
"""

summaries = Table(
    "summaries",
    metadata,
    Column("message_id", Key, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("content", Text, nullable=False),
    # The time of the oldest message that it tells of; None in a row of an older release.
    Column("since", Instant, index=True),
    Column("created_at", Instant, nullable=False),
)
"""The text that replaces the path up to and including a message; "" only cuts the path off."""

attachments = Table(
    "attachments",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""The bytes of an attachment, stored once for each SHA-256."""

attachment_uses = Table(
    "attachment_uses",
    metadata,
    Column("turn_id", ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "digest",
        ForeignKey("attachments.digest", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    # The person of the turn; None in a row of an older release.
    Column("user_id", Key, index=True),
    # The bytes of the attachment.
    Column("size", Integer, nullable=False, server_default=text("0")),
)
"""The use of an attachment by a turn; the bytes go when the last use is deleted."""
