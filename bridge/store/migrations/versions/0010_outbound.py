"""Calls that we place: attempts, their pace, who must not be called, campaigns and their people."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0001"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "attempts",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("campaign_id", sa.String),
        sa.Column("position", sa.Integer),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("from_number", sa.String, nullable=False),
        sa.Column("to_number", sa.String, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("not_after_us", sa.BigInteger),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("dialled_us", sa.BigInteger),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
    )
    op.create_index("attempts_due", "attempts", ["state", "due_us"])
    op.create_index("attempts_dialled", "attempts", ["dialled_us"])
    op.create_index("attempts_campaign", "attempts", ["campaign_id", "dialled_us"])
    op.create_table(
        "pace",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("next_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "suppressed",
        sa.Column("number", sa.String, primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("added_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_index("campaigns_state", "campaigns", ["state"])
    op.create_table(
        "targets",
        sa.Column("campaign_id", sa.String, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("call_id", sa.String),
        sa.Column("result", sa.String, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("targets_due", "targets", ["campaign_id", "state", "due_us"])
