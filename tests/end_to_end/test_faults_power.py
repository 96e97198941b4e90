"""A loss of power: the process is gone in mid-call, and the end of what it was writing is torn."""

import asyncio
import contextlib
import random
import signal
import sqlite3
from pathlib import Path

from tests.acceptance import bridge as ours
from tests.acceptance.bridge import serving
from tests.standins.xuna import Xuna

JSON = '[logging]\nformat = "json"\n'


def integrity(file: Path) -> str:
    """What SQLite itself says of it."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])


def ends(file: Path) -> int:
    """How many calls the file itself knows to be over."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM calls WHERE outcome IS NOT NULL").fetchone()[0])


async def test_f44_a_torn_write_costs_what_was_written_last_and_nothing_else(tmp_path: Path) -> None:
    """The write-ahead log ends in the middle of a frame, and in noise: the restarted bridge says what it has found, has
    every account that was committed before, takes calls, and leaves a whole file.
    """
    async with Xuna(init_within=10.0, pong_within=10.0) as xuna:
        text = ours.configuration(tmp_path, ours.xuna(xuna), more=JSON)
        wal = tmp_path / "calls.db-wal"
        ended = []
        async with serving(tmp_path, text, "--single") as bridge, bridge.carrier() as carrier:
            assert not bridge.told("store_recovered")
            for number in range(3):
                call = await carrier.call(from_=f"+1555012345{number}")
                session = await xuna.session()
                await call.streaming()
                await session.say(0.2, text=f"Number {number}.")
                await call.hears(0.15)
                await call.hang_up()
                assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"
                ended.append(call.sid)
            async with asyncio.timeout(10):
                while ends(tmp_path / "calls.db") != 3:
                    await asyncio.sleep(0.05)
            whole = wal.stat().st_size
            torn = await carrier.call()
            session = await xuna.session()
            await torn.streaming()
            await session.user_transcript("Nobody will ever read this.")
            async with asyncio.timeout(10):
                while wal.stat().st_size < whole + 3 * 4096:
                    await asyncio.sleep(0.05)
            bridge.signal(signal.SIGKILL)
            await bridge.stopped()
        written = wal.read_bytes()
        cut = whole + (len(written) - whole) // 2 + 77
        wal.write_bytes(written[: cut - 300] + random.Random(44).randbytes(300))
        async with serving(tmp_path, text, "--single") as bridge, bridge.carrier() as carrier:
            (line,) = bridge.told("store_recovered")
            assert line["bytes"] == cut
            for number, sid in enumerate(ended):
                record = await bridge.record(sid)
                assert [turn["text"] for turn in record["turns"]] == [f"Number {number}."]
            call = await carrier.call()
            session = await xuna.session()
            await call.streaming()
            await session.say(0.3)
            await call.hears(0.25)
            await call.hang_up()
            assert (await bridge.record(call.sid))["outcome"]["reason"] == "caller_hangup"
        assert integrity(tmp_path / "calls.db") == "ok"
        assert not wal.exists()


async def test_f44_a_damaged_file_is_told_and_harms_no_call(tmp_path: Path) -> None:
    """Pages of the database itself are noise: calls are taken from memory, and the log names the remedy."""
    async with Xuna(init_within=10.0, pong_within=10.0) as xuna:
        text = ours.configuration(tmp_path, ours.xuna(xuna), more=JSON)
        file = tmp_path / "calls.db"
        async with serving(tmp_path, text, "--single") as bridge:
            pass
        data = file.read_bytes()
        with contextlib.closing(sqlite3.connect(file)) as database:
            (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'").fetchone()
            (page,) = database.execute("PRAGMA page_size").fetchone()
        at = (root - 1) * page
        file.write_bytes(data[:at] + random.Random(45).randbytes(page) + data[at + page :])
        async with serving(tmp_path, text, "--single") as bridge, bridge.carrier() as carrier:
            call = await carrier.call()
            session = await xuna.session()
            await call.streaming()
            await session.say(0.3)
            await call.hears(0.25)
            await call.hang_up()
            assert await session.gone(timeout=2.0) == 1000
            async with asyncio.timeout(10):
                while not (told := bridge.told("store_away")):
                    await asyncio.sleep(0.05)
            assert "backup" in told[0]["hint"]
