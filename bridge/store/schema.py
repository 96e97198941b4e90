"""Brings a database up to date, step by step (``migrations/versions``), in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bridge.errors import ConfigurationError, Mistake

LOCK: Final = 0x63616C6C62726467  # PostgreSQL's advisory lock of whoever migrates: "callbrdg"
VERSION_TABLE: Final = "callbridge_version"  # not alembic's own name: the database may be shared with another program
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def is_current(connection: Connection) -> bool:
    """Nothing is to be done. Raises ConfigurationError where the database is newer than this code."""
    script = ScriptDirectory(str(MIGRATIONS))
    present = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if present is not None and present not in {step.revision for step in script.walk_revisions()}:
        raise ConfigurationError(
            [
                Mistake(
                    "database",
                    "database_url",
                    f"names a database that a newer callbridge has changed (its step {present} is unknown here)",
                    "Start that version again, or restore a backup from before it.",
                )
            ]
        )
    return present == script.get_current_head()


def upgrade(connection: Connection) -> None:
    """Take every missing step within the transaction that ``connection`` is in, which must hold the lock."""
    if is_current(connection):  # another process was quicker
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
