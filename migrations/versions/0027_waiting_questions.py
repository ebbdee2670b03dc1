"""Let refused questions wait under a notice, and note who was told that a limit is nearly used.

Revision 0027, follows 0026, 2026-11-29.

On PostgreSQL each table is changed in a transaction of its own, so that no lock on one waits for
the other.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    with alone() as how:
        op.add_column("notices", sa.Column("turn_id", KEY, nullable=True), **how)
    with alone() as how:
        op.add_column("allowances", sa.Column("warned_at", INSTANT, nullable=True), **how)
    op.create_table(
        "waiting",
        sa.Column("turn_id", KEY, autoincrement=False, nullable=False),
        sa.Column("notice_id", KEY, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("needed", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_waiting_turn_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("turn_id", name="pk_waiting"),
    )
    op.create_index("ix_waiting_notice_id", "waiting", ["notice_id"])


def downgrade() -> None:
    op.drop_table("waiting")
    with alone(exists=True) as how:
        op.drop_column("allowances", "warned_at", **how)
    with alone(exists=True) as how:
        op.drop_column("notices", "turn_id", **how)


@contextmanager
def alone(*, exists: bool = False) -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL; yield how a try that was cut off is taken up again."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"if_exists": True} if exists else {"if_not_exists": True}
