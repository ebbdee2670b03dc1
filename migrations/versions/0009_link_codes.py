"""The codes that linked accounts are gone.

Revision 0009, follows 0008, 2026-11-28.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# No release has used `link_codes`. Dropping it locks `users` too: in one transaction with a lock on
# `turns`, that is a deadlock with whoever stores a new person and their question.

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("link_codes")


def downgrade() -> None:
    op.create_table(
        "link_codes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_link_codes_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_link_codes"),
    )
    op.create_index("ix_link_codes_user_id", "link_codes", ["user_id"])
