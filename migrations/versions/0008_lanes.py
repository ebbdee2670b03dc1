"""A lane is taken until its turn is delivered.

Revision 0008, follows 0007, 2026-11-28.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# A process of the previous release that claims a turn whose lane is still in delivery meets the new
# unique index, and takes it for a race that it lost.

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UNDELIVERED = sa.text("delivered_at IS NULL")
UNANSWERED = sa.text("answered_at IS NULL")
IN_HAND = sa.text("worker_id IS NOT NULL AND delivered_at IS NULL")
RUNNING = sa.text("worker_id IS NOT NULL AND answered_at IS NULL")


def upgrade() -> None:
    """Guard the order in a lane up to the delivery.

    The release before this one may have a turn in hand while an earlier one of its lane is still
    delivered: the later one is handed back, and goes on in its messages when the lane is free.
    """
    if op.get_bind().dialect.name == "postgresql":
        # Nobody claims a turn between the hand-back and the index. Dropping an index takes this
        # lock: taken only then, while others wait to write, it would be a deadlock.
        op.execute("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
    op.execute(
        "UPDATE turns SET worker_id = NULL, lease_until = NULL, attempt = attempt + 1"
        " WHERE worker_id IS NOT NULL AND delivered_at IS NULL AND EXISTS ("
        "SELECT * FROM turns AS other WHERE other.lane = turns.lane AND other.id < turns.id"
        " AND other.worker_id IS NOT NULL AND other.delivered_at IS NULL)"
    )
    op.drop_index("uq_turns_running", "turns")
    op.drop_index("ix_turns_unanswered", "turns")
    op.create_index(
        "uq_turns_in_hand",
        "turns",
        ["lane"],
        unique=True,
        postgresql_where=IN_HAND,
        sqlite_where=IN_HAND,
    )
    op.create_index(
        "ix_turns_lane",
        "turns",
        ["lane", "id"],
        postgresql_where=UNDELIVERED,
        sqlite_where=UNDELIVERED,
    )


def downgrade() -> None:
    """Free a lane as soon as its turn is answered."""
    op.drop_index("ix_turns_lane", "turns")
    op.drop_index("uq_turns_in_hand", "turns")
    op.create_index(
        "ix_turns_unanswered",
        "turns",
        ["lane", "id"],
        postgresql_where=UNANSWERED,
        sqlite_where=UNANSWERED,
    )
    op.create_index(
        "uq_turns_running",
        "turns",
        ["lane"],
        unique=True,
        postgresql_where=RUNNING,
        sqlite_where=RUNNING,
    )
