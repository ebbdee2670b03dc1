"""Keep the language that a person has chosen, and the one that a platform tells of an account.

Revision 0026, follows 0025, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLES = ("users", "identities")


def upgrade() -> None:
    for table in TABLES:
        with alone() as how:
            op.add_column(table, sa.Column("language", sa.Text, nullable=True), **how)


def downgrade() -> None:
    for table in reversed(TABLES):
        with alone(exists=True) as how:
            op.drop_column(table, "language", **how)


@contextmanager
def alone(*, exists: bool = False) -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL; yield how a try that was cut off is taken up again."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"if_exists": True} if exists else {"if_not_exists": True}
