"""How many calls each instance can take, so that nobody is dialled whom none of them could."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0050"


def upgrade() -> None:
    """NULL: an instance that does not say."""
    op.add_column("instances", sa.Column("capacity", sa.Integer))
