"""How many of all calls each instance may take."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0020"


def upgrade() -> None:
    """Where a deployment has a limit over all instances."""
    op.add_column("instances", sa.Column("ceiling", sa.Integer, nullable=False, server_default=sa.text("0")))
