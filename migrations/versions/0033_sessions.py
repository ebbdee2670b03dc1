"""Note the session by which the other processes see that one has died, and who is leaving.

Revision 0033, follows 0032, 2026-11-29.

The table has a row for each process, so that no lock lasts.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("session", sa.Integer, nullable=True))
    leaving = sa.Column("leaving", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("workers", leaving)


def downgrade() -> None:
    op.drop_column("workers", "leaving")
    op.drop_column("workers", "session")
