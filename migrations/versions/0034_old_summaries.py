"""Find the summaries that are too old by an index.

Revision 0034, follows 0033, 2026-11-29.

On PostgreSQL it is built beside the writers, outside of the transaction. A try that was cut off
there is taken up again.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INDEX = "ix_summaries_since"


def upgrade() -> None:
    with outside() as how:
        op.drop_index(INDEX, "summaries", if_exists=True, **how)
        op.create_index(INDEX, "summaries", ["since"], **how)


def downgrade() -> None:
    with outside() as how:
        op.drop_index(INDEX, "summaries", if_exists=True, **how)


@contextmanager
def outside() -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL, to work beside the writers; yield how to do it."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}
