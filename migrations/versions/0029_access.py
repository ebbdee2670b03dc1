"""Keep who may speak to the bot: the standing of people, invites, and groups that have moved.

Revision 0029, follows 0028, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "standings",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("allowed_at", INSTANT),
        sa.Column("blocked_at", INSTANT),
        sa.Column("since", INSTANT),
        sa.Column("told_at", INSTANT),
        sa.Column("platform", sa.Text()),
        sa.Column("bot_id", sa.Text()),
        sa.Column("chat", sa.Text()),
        sa.Column("thread", sa.Text()),
        sa.Column("guesses", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("guesses_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_standings_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_standings"),
    )
    op.create_table(
        "invites",
        sa.Column("id", KEY, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("until", INSTANT),
        sa.Column("tier", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("made_by", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.CheckConstraint("used <= uses", name=op.f("ck_invites_used")),
        sa.PrimaryKeyConstraint("id", name="pk_invites"),
        sa.UniqueConstraint("digest", name="uq_invites_digest"),
    )
    op.create_table(
        "redemptions",
        sa.Column("invite_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["invite_id"], ["invites.id"], name="fk_redemptions_invite_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_redemptions_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("invite_id", "user_id", name="pk_redemptions"),
    )
    op.create_index("ix_redemptions_user_id", "redemptions", ["user_id"])
    op.create_table(
        "moved_groups",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("chat", sa.Text(), nullable=False),
        sa.Column("formerly", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "chat", name="pk_moved_groups"),
    )


def downgrade() -> None:
    for table in ("moved_groups", "redemptions", "invites", "standings"):
        op.drop_table(table)
