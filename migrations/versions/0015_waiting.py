"""Claims read no turn that waits for something else.

Revision 0015, follows 0014, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# PostgreSQL builds these indexes while others write; that works outside a transaction only. A build
# that was broken off leaves an index that is not valid, so each one is dropped first.

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

Indexes = dict[str, tuple[list[str], str | None]]

NEW: Indexes = {
    "ix_turns_waiting": (
        ["platform", "bot_id", "line", "ready_at", "id"],
        "worker_id IS NULL AND delivered_at IS NULL AND line IS NOT NULL",
    ),
    "ix_turns_in_hand": (
        ["platform", "bot_id", "chat"],
        "worker_id IS NOT NULL AND delivered_at IS NULL",
    ),
    "ix_turns_following": (["follows_id"], "follows_id IS NOT NULL AND delivered_at IS NULL"),
    "ix_turns_pending": (["user_id", "line"], "delivered_at IS NULL"),
    "ix_turns_asked": (["user_id", "created_at"], None),
}
OLD: Indexes = {
    "ix_turns_undelivered": (["id"], "delivered_at IS NULL"),
    "ix_turns_user_id": (["user_id"], None),
}


def upgrade() -> None:
    _swap(NEW, OLD)


def downgrade() -> None:
    _swap(OLD, NEW)


def _swap(new: Indexes, old: Indexes) -> None:
    if op.get_bind().dialect.name == "sqlite":
        _create(new)
        _drop(old)
        return
    with op.get_context().autocommit_block():
        _drop(new, postgresql_concurrently=True)
        _create(new, postgresql_concurrently=True)
        _drop(old, postgresql_concurrently=True)


def _create(indexes: Indexes, **how: Any) -> None:
    for name, (columns, condition) in indexes.items():
        where = None if condition is None else sa.text(condition)
        op.create_index(name, "turns", columns, postgresql_where=where, sqlite_where=where, **how)


def _drop(indexes: Indexes, **how: Any) -> None:
    for name in indexes:
        op.drop_index(name, "turns", if_exists=True, **how)
