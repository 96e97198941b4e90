"""The sound never waits for the store."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.call.record import Status, Turn
from bridge.errors import Reason, StoreUnavailable
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.writer import Writer
from tests.store.conftest import Make
from tests.store.postgresql import Server


class Recorder(Calls):
    """Calls that note the order in which they were written, and that may be away."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.order: list[str] = []
        self.away = False
        self.asked = asyncio.Event()

    async def write(self, snapshots: Any) -> None:
        """Write, unless away."""
        self.asked.set()
        if self.away:
            raise StoreUnavailable("away")
        await super().write(snapshots)
        self.order += [each.call_id for each in snapshots]


@asynccontextmanager
async def running(writer: Writer, *, patience: float = 20) -> AsyncIterator[Writer]:
    """The writer at work, closed at the end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        yield writer
        await writer.close(patience)


async def test_what_is_put_is_written(calls: Calls, make: Make) -> None:
    """A record and all its changes are in the store when the writer has closed, the newest account of each call."""
    record = make(status=Status.IN_PROGRESS)
    async with running(Writer(calls)) as writer:
        writer.put(record)
        assert await writer.flush(20)
        for n in range(100):
            record.add_turn(Turn("agent", f"word {n}", n))
            writer.put(record)
        writer.put(make("call_2"))
    stored = await calls.get("call_1")
    assert stored == record
    assert await calls.get("call_2") == make("call_2")
    assert (writer.waiting, writer.lost_records, writer.unwritable) == (0, 0, 0)
    assert writer.written == 3


async def test_put_neither_waits_nor_fails_without_a_store(tmp_path: Path, make: Make) -> None:
    """The hot path notes a change in microseconds, whatever the store does."""
    database = Database(f"sqlite:///{tmp_path}/never/migrated.db")
    writer = Writer(Calls(database))
    record = make(turns=[Turn("agent", "x" * 1000, 1)] * 2000)
    began = time.perf_counter()
    for _ in range(1000):
        writer.put(record)
    assert time.perf_counter() - began < 0.1
    assert writer.find("call_1") is record
    await database.close()


async def test_what_came_while_the_store_was_away_is_written_in_order(database: Database, make: Make) -> None:
    """Records wait, the newest account of each, and follow in the order in which their calls first changed."""
    calls = Recorder(database)
    calls.away = True
    async with running(Writer(calls)) as writer:
        for n in range(120):
            writer.put(make(f"call_{n}"))
        await calls.asked.wait()
        writer.put(make("call_0", status=Status.COMPLETED))
        assert not await writer.flush(0.01)
        assert writer.away
        assert writer.waiting == 120
        found = writer.find("call_0")
        assert found is not None
        assert found.status is Status.COMPLETED
        calls.away = False
        assert await writer.flush(20)
        assert not writer.away
    assert calls.order == [f"call_{n}" for n in range(120)]
    stored = await calls.get("call_0")
    assert stored is not None
    assert stored.status is Status.COMPLETED


async def test_a_locked_file_holds_up_nothing(tmp_path: Path, make: Make) -> None:
    """While another process holds SQLite's write lock the loop runs on; afterwards everything is written."""
    database = Database(f"sqlite:///{tmp_path}/calls.db", timeout=0.4)
    await database.migrate()
    calls = Calls(database)
    async with running(Writer(calls)) as writer:
        other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writer.put(make())
        lag = await _worst_lag(while_=asyncio.ensure_future(writer.flush(1.5)))
        assert writer.away
        other.execute("COMMIT")
        other.close()
        assert await writer.flush(5)
    assert await calls.get("call_1") == make()
    assert lag < 0.25
    await database.close()


@pytest.mark.postgresql
async def test_a_frozen_server_holds_up_nothing(server: Server, empty_postgresql: str, make: Make) -> None:
    """While PostgreSQL is there and does not answer the loop runs on; afterwards everything is written, within 5 s."""
    database = Database(empty_postgresql, timeout=0.4)
    await database.migrate()
    calls = Recorder(database)
    async with running(Writer(calls)) as writer:
        server.freeze()
        try:
            for n in range(100):
                writer.put(make(f"call_{n}"))
            lag = await _worst_lag(while_=asyncio.ensure_future(writer.flush(1.5)))
            assert writer.away
        finally:
            server.thaw()
        assert await writer.flush(5)
    assert calls.order == [f"call_{n}" for n in range(100)]
    assert lag < 0.25
    await database.close()


async def _worst_lag(*, while_: asyncio.Future[bool]) -> float:
    """The longest that the loop was late while something failed to be done."""
    worst = 0.0
    while not while_.done():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        worst = max(worst, time.perf_counter() - began - 0.005)
    assert not while_.result()
    return worst


async def test_oldest_transcripts_go_before_any_record(database: Database, make: Make) -> None:
    """Where too much waits, what was said longest ago is dropped and counted, and every record is kept."""
    calls = Recorder(database)
    calls.away = True
    async with running(Writer(calls, max_bytes=60_000)) as writer:
        for n in range(20):
            writer.put(make(f"call_{n:02}", status=Status.COMPLETED, turns=[Turn("agent", "x" * 5000, 1)]))
        assert not await writer.flush(0.05)
        calls.away = False
    stored = {record.call_id: record for record in (await calls.list()).calls}
    assert len(stored) == 20
    kept = [call_id for call_id in sorted(stored) if stored[call_id].turns]
    assert kept == sorted(stored)[-len(kept) :]
    assert 5 < len(kept) < 11
    assert writer.lost_transcripts == 20 - len(kept)
    assert writer.lost_records == 0
    assert stored["call_00"].dropped == 1


async def test_too_many_records_are_bounded_and_counted(database: Database, make: Make) -> None:
    """The newest stay, the rest is counted as lost; memory does not grow for ever."""
    calls = Recorder(database)
    calls.away = True
    async with running(Writer(calls, max_records=10)) as writer:
        for n in range(25):
            writer.put(make(f"call_{n:02}"))
        assert writer.waiting == 10
        assert not await writer.flush(0.05)
        for n in range(25, 30):
            writer.put(make(f"call_{n:02}"))
        assert not await writer.flush(0.6)
        assert writer.waiting == 10
        assert writer.lost_records == 20
        calls.away = False
    assert calls.order == [f"call_{n}" for n in range(20, 30)]


async def test_what_a_process_could_not_write_its_successor_writes(
    database: Database, tmp_path: Path, make: Make
) -> None:
    """Closed while the store is away, records wait in a file that only its owner reads, once."""
    path = tmp_path / "var" / "spool.jsonl"
    calls = Recorder(database)
    calls.away = True
    record = make(turns=[Turn("caller", 'grüß\n"dich"', 3)])
    async with running(Writer(calls, spool_path=path), patience=0.05) as writer:
        writer.put(record)
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("a") as file:
        file.write('{"call_id": "torn')
    calls.away = False
    async with running(Writer(calls, spool_path=path)):
        pass
    assert await calls.get("call_1") == record
    assert not path.exists()


async def test_a_spooled_account_does_not_undo_what_came_after(database: Database, tmp_path: Path, make: Make) -> None:
    """A call that another instance has ended meanwhile stays ended, with its longer transcript."""
    path = tmp_path / "spool.jsonl"
    calls = Recorder(database)
    calls.away = True
    async with running(Writer(calls, spool_path=path), patience=0.05) as writer:
        writer.put(make(status=Status.IN_PROGRESS, turns=[Turn("caller", "one", 1)]))
    calls.away = False
    later = make(status=Status.IN_PROGRESS, resumes=1, turns=[Turn("caller", "one", 1), Turn("agent", "two", 2)])
    later.finish(Reason.CALLER_HANGUP, later.created_at)
    await calls.save(later)
    async with running(Writer(calls, spool_path=path)):
        pass
    assert await calls.get("call_1") == later


async def test_without_a_spool_file_lost_records_are_told(database: Database, make: Make) -> None:
    """Whoever closes learns how many records are lost, and the log says so without naming anybody."""
    calls = Recorder(database)
    calls.away = True
    writer = Writer(calls)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.run())
            writer.put(make(turns=[Turn("caller", "spoken words", 1)]))
            assert await writer.close(0.05) == 1
    assert any(line["event"] == "records_lost" and line["records"] == 1 for line in logs)
    assert "+1555" not in str(logs)
    assert "spoken" not in str(logs)


async def test_a_record_that_cannot_be_written_holds_up_no_other(database: Database, make: Make) -> None:
    """A bug in one record is counted and logged; its neighbours are written."""
    calls = Calls(database)
    bad = make("call_1", detail={"no": object()})
    too_big = make("call_2", resumes=2**70)
    async with running(Writer(calls)) as writer:
        for record in (bad, too_big, make("call_3")):
            writer.put(record)
    assert [record.call_id for record in (await calls.list()).calls] == ["call_3"]
    assert writer.unwritable == 2


async def test_many_live_calls_cost_few_transactions(database: Database, make: Make) -> None:
    """Changes gather: a burst of a thousand changes of twenty calls is a handful of writes."""
    calls = Recorder(database)
    records = [make(f"call_{n}") for n in range(20)]
    async with running(Writer(calls)) as writer:
        for n in range(50):
            for record in records:
                record.add_event("e", n)
                writer.put(record)
            await asyncio.sleep(0)
    assert len(calls.order) <= 100
    assert all(len(record.events) == 50 for record in (await calls.list()).calls)


async def test_the_end_of_a_call_is_written_without_a_pause(database: Database, make: Make) -> None:
    """However long the writer would rest after a slow transaction, a call that is over is written at once."""

    class Slow(Recorder):
        async def write(self, snapshots: Any) -> None:
            await asyncio.sleep(0.1)
            await super().write(snapshots)

    calls = Slow(database)
    async with running(Writer(calls, interval=0.001)) as writer:
        record = make(status=Status.IN_PROGRESS)
        writer.put(record)
        async with asyncio.timeout(10):
            while not calls.order:
                await asyncio.sleep(0.001)
        record.finish(Reason.AGENT_HANGUP, record.created_at, status=Status.COMPLETED)
        began = time.monotonic()
        writer.put(record)
        async with asyncio.timeout(10):
            while len(calls.order) < 2:
                await asyncio.sleep(0.001)
        assert time.monotonic() - began < 0.6  # it would have rested for 0.9 s
