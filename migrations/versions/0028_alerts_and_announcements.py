"""Make the tables of alerts to the operators, and of their announcements to people.

Revision 0028, follows 0027, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("over_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("matter", "subject", name=op.f("pk_alerts")),
    )
    op.create_table(
        "announcements",
        sa.Column("id", KEY, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by_id", KEY, nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("last_user_id", KEY, nullable=False),
        sa.Column("last_turn_id", KEY, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "state IN ('running', 'stopped', 'done')", name=op.f("ck_announcements_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_table(
        "walks",
        sa.Column("announcement_id", KEY, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("after_id", KEY, nullable=False),
        sa.Column("fed_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_walks_announcement_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("announcement_id", "platform", "bot_id", name=op.f("pk_walks")),
    )
    op.create_table(
        "recipients",
        sa.Column("announcement_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("turn_id", KEY, nullable=True),
        sa.Column("left_out", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_recipients_announcement_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name=op.f("fk_recipients_turn_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("announcement_id", "user_id", name=op.f("pk_recipients")),
    )
    op.create_index("ix_recipients_turn_id", "recipients", ["turn_id"])


def downgrade() -> None:
    op.drop_table("recipients")
    op.drop_table("walks")
    op.drop_table("announcements")
    op.drop_table("alerts")
