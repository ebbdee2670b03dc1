"""Link accounts: their codes, and the conversations of which others took the place.

Revision 0031, follows 0030, 2026-11-29.

The index has no rows yet: it is made by one look through a small table.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

OWNED = "ix_conversations_owner"
HAS_OWNER = sa.text("owner_id IS NOT NULL")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("identity_id", KEY, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("bot_id", "chat", "thread")),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("wrong", sa.Integer, nullable=False, server_default="0"),
        sa.Column("guest_id", KEY),
        *(sa.Column(f"guest_{name}", sa.Text) for name in ("bot_id", "chat", "thread")),
        sa.Column("turn_id", KEY),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_links_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_links")),
        sa.UniqueConstraint("name", name=op.f("uq_links_name")),
    )
    op.create_table(
        "guesses",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("wrong", sa.Integer, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_guesses_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_guesses")),
    )
    op.add_column("conversations", sa.Column("owner_id", KEY))
    op.create_index(
        OWNED,
        "conversations",
        ["owner_id"],
        postgresql_where=HAS_OWNER,
        sqlite_where=HAS_OWNER,
    )


def downgrade() -> None:
    op.drop_index(OWNED, "conversations")
    op.drop_column("conversations", "owner_id")
    op.drop_table("guesses")
    op.drop_table("links")
