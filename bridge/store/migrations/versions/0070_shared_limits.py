"""What all instances count and know together: agents' time of a day, and sessions of the dashboard that were ended."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0060"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "agent_time",
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("instance", sa.String, primary_key=True),
        sa.Column("milliseconds", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "logouts",
        sa.Column("session", sa.String, primary_key=True),
        sa.Column("expires_us", sa.BigInteger, nullable=False, index=True),
    )
