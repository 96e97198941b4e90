"""Migrations."""

from __future__ import annotations

import asyncio
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from bridge.errors import ConfigurationError
from bridge.store.database import Database
from bridge.store.schema import VERSION_TABLE
from bridge.store.tables import METADATA

MIGRATE = """
import asyncio, sys
from bridge.store.database import Database

async def main():
    database = Database(sys.argv[1], timeout=10)
    await database.migrate()
    await database.close()

sys.stdin.readline()
asyncio.run(main())
"""


async def test_migrations_build_what_the_tables_say(database: Database) -> None:
    """A database made step by step has every table, column and index that the code expects, and no others."""

    def differences(connection: Connection) -> object:
        options = {"version_table": VERSION_TABLE, "compare_type": False}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    """Every start migrates; what is there stays."""
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO answers VALUES ('call_1', 1, '<r/>')"))
    await database.migrate()
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT twiml FROM answers"))).scalar() == "<r/>"


async def test_several_processes_may_migrate_at_once(url: str) -> None:
    """Instances that start together on an empty database all come up."""
    starts = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATE,
            url,
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    ends = await asyncio.gather(*(process.communicate(b"\n") for process in starts))
    assert [process.returncode for process in starts] == [0, 0, 0], [error.decode() for _, error in ends]


async def test_a_database_newer_than_the_code_is_refused(database: Database) -> None:
    """Old code does not touch what a newer version has changed; it says which, and what to do."""
    async with database.write() as connection:
        await connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"database_url: .*newer callbridge.*9999.*Start that version"):
        await database.migrate()


def test_every_step_is_named_by_the_number_of_its_file() -> None:
    """Whether a database is current is told from the files' names; alembic must read the same steps from within them."""
    from alembic.script import ScriptDirectory

    from bridge.store import schema

    script = ScriptDirectory(str(schema.MIGRATIONS))
    assert schema.steps() == [step.revision for step in reversed(list(script.walk_revisions()))]
    assert schema.steps()[-1] == script.get_current_head()
