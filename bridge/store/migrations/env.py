"""What alembic runs for a migration: the connection, and its transaction, are the caller's."""

from alembic import context

from bridge.store.schema import VERSION_TABLE
from bridge.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
