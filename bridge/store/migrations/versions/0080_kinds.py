"""Workers give signs of life too: who is alive, and as what."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0070"


def upgrade() -> None:
    """Take the step."""
    op.add_column("instances", sa.Column("kind", sa.String, nullable=False, server_default=sa.text("'bridge'")))
