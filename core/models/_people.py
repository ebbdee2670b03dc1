"""The people and their accounts."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

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
