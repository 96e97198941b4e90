"""Transactions with a time limit."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import stat
import time
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from bridge.errors import ConfigurationError, LocalError, StoreUnavailable
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.store.conftest import Make
from tests.store.pooler import Pooler, pgbouncer
from tests.store.postgresql import Server


async def test_an_exception_undoes_the_transaction(database: Database) -> None:
    """Half a change is no change."""

    async def half() -> None:
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO answers VALUES ('call_1', 1, '<r/>')"))
            raise KeyError

    with pytest.raises(KeyError):
        await half()
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM answers"))).scalar() == 0


async def test_a_wrong_statement_is_our_own_fault_and_quotes_no_row(database: Database) -> None:
    """A bug is told from an outage, and what people said stays out of the message."""
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO answers VALUES ('call_1', 1, 'spoken')"))
    with pytest.raises(LocalError) as told:
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO answers VALUES ('call_1', 1, 'spoken')"))
    assert "call_1" not in str(told.value)
    assert told.value.__cause__ is None


async def test_a_sqlite_file_is_made_with_its_folder_for_its_owner_only(tmp_path: Path) -> None:
    """A fresh machine needs no preparation, and other users of it do not read what was said."""
    database = Database(f"sqlite:///{tmp_path}/a b%25/deep/calls.db")
    await database.migrate()
    async with database.write() as connection:
        pragmas = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    await database.close()
    assert pragmas == ["wal", 1, 1]
    file = tmp_path / "a b%" / "deep" / "calls.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("file", ["taken/calls.db", "taken/deeper/calls.db"])
async def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path, file: str) -> None:
    """By its name and with the remedy: no waiting helps."""
    (tmp_path / "taken").write_text("a file where the folder should be")
    database = Database(f"sqlite:///{tmp_path}/{file}")
    async with asyncio.timeout(10):
        with pytest.raises(ConfigurationError, match=r"taken.*cannot be made") as told:
            await database.migrate(patience=3600)
    await database.close()
    assert "write in its folder" in str(told.value.mistakes[0])


async def test_a_database_that_is_waited_for_is_told_of_once(tmp_path: Path) -> None:
    """By a server that starts: whoever started it would see nothing for half a minute."""
    file = tmp_path / "calls.db"
    file.write_bytes(b"no database, and no empty file either" * 100)
    database = Database(f"sqlite:///{file}")
    with structlog.testing.capture_logs() as logs, pytest.raises(StoreUnavailable):
        await database.migrate(patience=1.0, tell=True)
    await database.close()
    waited = [each for each in logs if each["event"] == "store_awaited"]
    assert [each["hint"] for each in waited] == ["The file in database_url is no SQLite database."]


async def test_readers_of_sqlite_do_not_wait_for_a_writer(tmp_path: Path, make: Make) -> None:
    """Calls are listed while another process holds the write lock."""
    database = Database(f"sqlite:///{tmp_path}/calls.db", timeout=1)
    await database.migrate()
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert (await Calls(database).list()).calls == []
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY") as told:
        await Calls(database).save(make())
    assert time.monotonic() - began < 2
    assert "write lock" in told.value.hint
    other.close()
    await database.close()


async def test_a_database_that_let_somebody_wait_in_vain_is_not_asked_at_once(tmp_path: Path, make: Make) -> None:
    """Who comes right after a time-out hears of it without waiting, so a call's few questions do not add up to a silence."""
    database = Database(f"sqlite:///{tmp_path}/calls.db", timeout=0.5)
    await database.migrate()
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await Calls(database).save(make())
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await Calls(database).save(make())
    assert time.monotonic() - began < 0.2
    other.close()
    await database.close()


async def test_a_foreign_file_is_an_outage_with_a_remedy(tmp_path: Path) -> None:
    """What an operator can put right is told as such."""
    (tmp_path / "note.db").write_text("this is a text, and no database at all" * 100)
    database = Database(f"sqlite:///{tmp_path}/note.db")
    with pytest.raises(StoreUnavailable) as told:
        await database.migrate(patience=0)
    assert "no SQLite database" in told.value.hint
    await database.close()


async def test_nobody_listening_is_an_outage() -> None:
    """A server that is not there is told at once, without its password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://bridge:s3cret@127.0.0.1:{probe.getsockname()[1]}/x")
        with pytest.raises(StoreUnavailable) as told:
            await database.ping()
    assert "s3cret" not in f"{told.value} {told.value.hint} {database!r}"
    await database.close()


async def test_closing_twice_is_harmless(database: Database) -> None:
    """And a database that was never used closes too."""
    assert await database.ping() >= 0
    await database.close()
    await database.close()


@pytest.mark.postgresql
async def test_a_server_that_hangs_is_given_up_in_time(server: Server, empty_postgresql: str, make: Make) -> None:
    """With connections made before and with new ones, nobody waits longer than the limit; when it goes on, all is well."""
    database = Database(empty_postgresql, timeout=0.5)
    await database.migrate()
    calls = Calls(database)
    fresh = Database(empty_postgresql, timeout=0.5)
    server.freeze()
    try:
        for each in (calls, Calls(fresh)):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(each.save(make()), 5)
            assert time.monotonic() - began < 1.5
    finally:
        server.thaw()
    await database.migrate()  # asks until it answers
    await calls.save(make())
    assert await calls.get("call_1") == make()
    await database.close()
    await fresh.close()


@pytest.mark.postgresql
async def test_after_a_restart_of_the_server_nobody_notices(server: Server, empty_postgresql: str, make: Make) -> None:
    """Connections that died while they were idle are replaced before they are used."""
    database = Database(empty_postgresql, timeout=5)
    await database.migrate()
    await asyncio.gather(*(database.ping() for _ in range(5)))
    server.stop()
    with pytest.raises(StoreUnavailable):
        await database.ping()
    server.start()
    await Calls(database).save(make())
    await asyncio.gather(*(database.ping() for _ in range(5)))
    await database.close()


@pytest.mark.postgresql
async def test_more_askers_than_connections_take_turns(empty_postgresql: str) -> None:
    """A burst waits for a free connection instead of opening more than the server has."""
    database = Database(empty_postgresql, timeout=10, pool=2)
    await database.migrate()
    await asyncio.gather(*(database.ping() for _ in range(50)))
    await database.close()


@pytest.mark.postgresql
async def test_a_pooler_in_transaction_mode_is_no_hindrance(
    server: Server, empty_postgresql: str, tmp_path: Path, make: Make
) -> None:
    """With ``?pgbouncer=true`` every transaction may meet another server connection."""
    with Pooler(pgbouncer(), server, folder=server.folder / tmp_path.name) as port:
        pooled = empty_postgresql.replace(f":{server.port}/", f":{port}/") + "?pgbouncer=true"
        first, second = Database(pooled, timeout=10), Database(pooled, timeout=10)
        await asyncio.gather(first.migrate(), second.migrate())
        records = [make(f"call_{n}") for n in range(20)]
        await asyncio.gather(*(Calls(first if n % 2 else second).save(record) for n, record in enumerate(records)))
        await asyncio.gather(*(Calls(first if n % 2 else second).get("call_1") for n in range(40)))
        assert len((await Calls(first).list()).calls) == 20
        await asyncio.gather(first.close(), second.close())


@pytest.mark.postgresql
@pytest.mark.parametrize("ignored", ["", "statement_timeout, idle_in_transaction_session_timeout"])
async def test_a_pooler_that_was_not_told_of_is_refused_with_the_word(
    server: Server, empty_postgresql: str, tmp_path: Path, ignored: str
) -> None:
    """Without ``?pgbouncer=true`` it refuses our settings, or loses prepared statements: either way the hint says what to write."""
    straight = Database(empty_postgresql, timeout=10)
    await straight.migrate()
    await straight.close()
    with Pooler(pgbouncer(), server, folder=server.folder / tmp_path.name, ignored=ignored) as port:
        pooled = empty_postgresql.replace(f":{server.port}/", f":{port}/")
        databases = [Database(pooled, timeout=5) for _ in range(2)]

        async def use() -> None:
            for _ in range(20):
                await asyncio.gather(*(database.ping() for database in databases for _ in range(5)))
                await asyncio.gather(*(Calls(database).list() for database in databases for _ in range(5)))

        with pytest.raises(StoreUnavailable) as refused:
            await use()
        assert "?pgbouncer=true" in refused.value.hint
        await asyncio.gather(*(database.close() for database in databases))
