"""Brings a database up to date, step by step (``migrations/versions``), in one transaction.

alembic is imported only where there is a step to take: it would be a tenth of the memory of a process that has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from bridge.errors import ConfigurationError, Mistake

LOCK: Final = 0x63616C6C62726467  # PostgreSQL's advisory lock of whoever migrates: "callbrdg"
VERSION_TABLE: Final = "callbridge_version"  # not alembic's own name: the database may be shared with another program
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def is_current(connection: Connection) -> bool:
    """Nothing is to be done. Raises ConfigurationError where the database is newer than this code."""
    present = _present(connection)
    known = steps()
    if present is not None and present not in known:
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
    return present == known[-1]


def steps() -> list[str]:
    """The steps that this code knows, oldest first: each is named by the number that its file begins with."""
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _present(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our constant
    return None if found is None else str(found)


def upgrade(connection: Connection) -> None:
    """Take every missing step within the transaction that ``connection`` is in, which must hold the lock."""
    if is_current(connection):  # another process was quicker
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
