"""Messages that must arrive, and how far the events of a call have been told."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("message_id", sa.String, nullable=False, unique=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("lane", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("leased_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("dead_us", sa.BigInteger),
        sa.Column("error", sa.String, nullable=False),
    )
    op.create_index("outbox_lanes", "outbox", ["channel", "lane", "id"])
    alive = sa.text("dead_us IS NULL")
    op.create_index("outbox_due", "outbox", ["due_us"], sqlite_where=alive, postgresql_where=alive)
    op.create_table(
        "announced",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("stage", sa.SmallInteger, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False, index=True),
    )
