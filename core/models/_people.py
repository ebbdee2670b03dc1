"""The people and their accounts."""

from sqlalchemy import (
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

from core.models._schema import Instant, Key, metadata

users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True),
    Column("created_at", Instant, nullable=False),
    # The time of the last `/export`.
    Column("exported_at", Instant),
    # The requests that made no turn, such as edits, in the minute that began at `requests_at`.
    Column("requests", Integer, nullable=False, default=0, server_default=text("0")),
    Column("requests_at", Instant),
    # The language that the person has chosen; null follows what their platforms tell.
    Column("language", Text),
)
"""A person."""

identities = Table(
    "identities",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("platform", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    # The language that the platform told last of this account.
    Column("language", Text),
    UniqueConstraint("platform", "account_id"),
    Index("ix_identities_account_id", "account_id"),
)
"""One account of a person on a platform."""

links = Table(
    "links",
    metadata,
    # The person who got a code, with the account and the chat that they got it in.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("identity_id", Key, nullable=False),
    Column("bot_id", Text, nullable=False),
    Column("chat", Text, nullable=False),
    Column("thread", Text, nullable=False),
    # The first characters of the code are its name; of the others only a salted hash is stored.
    Column("name", Text, nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # The wrong codes with this name.
    Column("wrong", Integer, nullable=False, server_default=text("0")),
    # The account that sent the code, and its chat.
    Column("guest_id", Key),
    Column("guest_bot_id", Text),
    Column("guest_chat", Text),
    Column("guest_thread", Text),
    # The turn that asks the person who got the code, once the guest has said yes.
    Column("turn_id", Key),
    Column("until", Instant, nullable=False),
)
"""The codes by which people link their accounts, one for each person."""

guesses = Table(
    "guesses",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("until", Instant, nullable=False),
)
"""The wrong codes that people have sent; they count until a time."""
