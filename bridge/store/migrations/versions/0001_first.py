"""Calls, stream grants, idempotency keys, commands between instances."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("carrier_call_id", sa.String, unique=True),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("line", sa.String, nullable=False),
        sa.Column("from_number", sa.String, nullable=False),
        sa.Column("to_number", sa.String, nullable=False),
        sa.Column("outcome", sa.String),
        sa.Column("instance", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("resumes", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("written_by", sa.String, nullable=False),
        sa.Column("twiml", sa.Text),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("calls_newest", "calls", ["created_us", "call_id"])
    op.create_index("calls_from", "calls", ["from_number"])
    op.create_index("calls_to", "calls", ["to_number"])
    live = sa.text("rank < 3")
    op.create_index("calls_unfinished", "calls", ["created_us"], sqlite_where=live, postgresql_where=live)
    op.create_table(
        "erased",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("erased_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("counter", sa.Integer, primary_key=True),
        sa.Column("twiml", sa.Text, nullable=False),
    )
    op.create_table(
        "grants",
        sa.Column("token_hash", sa.String, primary_key=True),
        sa.Column("carrier_call_id", sa.String, nullable=False),
        sa.Column("account_id", sa.String, nullable=False),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False, index=True),
        sa.Column("consumed_us", sa.BigInteger),
    )
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("body_hash", sa.String, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("response", sa.Text),
        sa.Column("expires_us", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("instance", sa.String, nullable=False, index=True),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("verb", sa.String, nullable=False),
        sa.Column("args", sa.Text, nullable=False),
        sa.Column("put_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "instances",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("active_calls", sa.Integer, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
    )
