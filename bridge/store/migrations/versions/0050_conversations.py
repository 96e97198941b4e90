"""Which instance answers whom by text."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0040"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "conversations",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("instance", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("call_id", sa.String, nullable=False, index=True),
        sa.Column("until_us", sa.BigInteger, nullable=False, index=True),
    )
