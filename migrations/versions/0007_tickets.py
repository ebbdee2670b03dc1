"""A turn keeps the ticket that its platform wants back with the answer.

Revision 0007, follows 0006, 2026-11-28.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("ticket", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("turns", "ticket")
