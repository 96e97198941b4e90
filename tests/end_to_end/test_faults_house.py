"""The bridge's own faults: the store is away, the process must stop, the loop stalls, two instances are asked."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest

from bridge.call import events as e
from bridge.errors import Reason, StoreUnavailable
from tests.end_to_end.conftest import Logs
from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.twilio.ids import sid
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, TOKEN, configuration, running
from tests.support.media import form, media_socket, offer, start
from tests.support.scene import LINE, eventually, scene, xuna_toml


@contextlib.asynccontextmanager
async def locked(folder: Path) -> AsyncIterator[None]:
    """Somebody else writes to the database and does not stop."""
    other = sqlite3.connect(folder / "calls.db", isolation_level=None, timeout=0)

    async def taken() -> bool:
        # Waiting within SQLite would stop the loop that the bridge needs to finish what it is writing.
        try:
            other.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        return True

    await eventually(taken, "the lock of the database")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_f39_the_first_answer_does_not_wait_for_the_store(tmp_path: Path) -> None:
    """With the database locked the TwiML comes within a second, and the call goes on from memory."""
    async with scene(tmp_path) as cast:
        async with locked(tmp_path):
            began = time.monotonic()
            call = await cast.carrier.call()
            assert time.monotonic() - began < 1.0
            session = await cast.xuna.session()
            await session.say(0.4)
            await call.hears(0.35)
        await call.hang_up()
        assert (await cast.record(call, timeout=8.0)).outcome is Reason.CALLER_HANGUP


async def test_f41_a_store_that_is_away_at_the_start_keeps_no_caller_waiting(tmp_path: Path) -> None:
    """The process is alive and not ready; who calls all the same is connected from memory. When the store comes it is ready,
    and has the record.
    """
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None, timeout=0)
    other.execute("BEGIN EXCLUSIVE")
    async with scene(tmp_path) as cast:
        cast.record_s = 8.0
        assert (await cast.get("/healthz"))[0] == 200
        status, text = await cast.get("/readyz")
        assert (status, json.loads(text)["status"]) == (503, "starting")
        began = time.monotonic()
        call = await cast.carrier.call()
        assert time.monotonic() - began < 1.0
        session = await cast.xuna.session()
        await session.say(0.4)
        await call.hears(0.35)
        other.close()

        async def ready() -> bool:
            return (await cast.get("/readyz"))[0] == 200

        await eventually(ready, "a process that is ready", timeout=10.0)
        await session.say(0.4)
        await call.hears(0.35)
        await call.hang_up()
        assert (await cast.record(call, timeout=8.0)).outcome is Reason.CALLER_HANGUP


async def test_f41_a_store_that_does_not_come_ends_the_process_after_its_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    """It is given up in words, and what is live goes on to its end."""
    logs.forgiven.add("store_given_up")
    other = sqlite3.connect(tmp_path / "calls.db", isolation_level=None, timeout=0)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("bridge.assembly.store.PATIENCE_S", 4.0)

    async def given_up() -> bool:
        return any(line["event"] == "draining" for line in logs)

    async def call_it() -> None:
        async with (
            Xuna() as xuna,
            Carrier(public_url=PUBLIC, auth_token=TOKEN) as carrier,
            running(tmp_path, configuration(tmp_path, xuna_toml(xuna))) as house,
        ):
            carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
            call = await carrier.call()
            session = await xuna.session()
            await call.streaming()
            await eventually(given_up, "the drain", timeout=10.0)
            await session.say(0.4)
            await call.hears(0.35)
            await call.hang_up()

    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
        await call_it()
    other.close()


async def test_f41_a_store_that_goes_away_in_mid_call_is_not_noticed(tmp_path: Path) -> None:
    """Two seconds of lock: sound both ways without a gap, the end too, and the record when the store is back."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        async with locked(tmp_path):
            call.mouth.say(2.0, frequency=600)
            await session.say(2.0, frequency=997, text="Still here.")
            await call.hears(1.9)
            assert call.stream is not None
            first, length = call.stream.playout.spans[0]
            assert length > 13_600  # in one piece so far
            assert sound.fit_sine(call.stream.heard_pcm[first + 400 : first + length - 400], 997, 8000).snr_db > 30
            await call.hang_up()
            assert await session.gone(timeout=1.0) == 1000
        record = await cast.record(call, timeout=8.0)
        assert [turn.text for turn in record.turns] == ["Still here."]


async def test_f41_a_resumed_stream_needs_no_store(tmp_path: Path) -> None:
    """The socket is lost while the database is locked: the same agent goes on."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        async with locked(tmp_path):
            call.lose_socket()
            await call.streaming(count=2)
            await session.say(0.4)
            await call.hears(0.35)
        await call.hang_up()
        await cast.record(call, timeout=8.0)


async def test_f43_drain_lets_every_call_end_by_itself(tmp_path: Path) -> None:
    """Not ready at once; new callers are told; a stream promised before is taken; the process ends with the last call."""
    async with scene(tmp_path, lines=LINE + 'fallback = { dial = "+15550999" }\n') as cast:
        call, session = await cast.talking()
        promised = await offer(cast, from_="+15550123457")
        late = await cast.xuna.session()
        cast.house.stop()

        async def draining() -> bool:
            return (await cast.get("/readyz"))[0] == 503

        await eventually(draining, "a readyz that says no", timeout=0.5)
        refused = await cast.carrier.call(from_="+15550123458")
        assert await refused.ended() == "completed"
        assert [dialled.to for dialled in refused.dialled] == [("+15550999",)]
        assert (await cast.record(refused)).outcome is Reason.DRAINING
        async with media_socket(cast) as socket:
            await socket.send(start(promised.sid, promised.grant))
            await late.say(0.2)
            assert "media" in str(await asyncio.wait_for(socket.recv(), 2))
            await session.say(0.5)
            await call.hears(0.45)
            await promised.over()
        await call.hang_up()
        assert (await cast.get_refused()) < 3.0


async def test_f43_after_the_deadline_the_callers_are_said_goodbye_to(tmp_path: Path) -> None:
    """drain_timeout, with a farewell that is heard."""
    async with scene(tmp_path, more="drain_timeout_s = 0.5") as cast:
        call, session = await cast.talking()
        await session.say(20.0)
        await call.hears(0.1)
        cast.house.stop()
        assert await session.gone(timeout=3.0) is not None
        await call.hears(1.0)
        assert await call.ended() == "completed"
        assert session.closed
        await cast.idle()
        assert cast.house.switchboard.find(call.sid) is None


async def test_f43_r07_no_line_stays_open_behind_a_process_that_drains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The carrier has lost track of a call and never asks what follows its farewell: its API is asked to end it, in time."""
    async with scene(tmp_path, more="drain_timeout_s = 0.2") as cast:
        call, _ = await cast.talking()

        async def never(*_: object, **__: object) -> NoReturn:
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(call, "fetch", never)
        cast.house.stop()
        assert await call.ended() == "completed"
        assert call.reason == "ended by REST"


async def test_f43_a_second_signal_ends_at_once(tmp_path: Path, logs: Logs) -> None:
    """Within two seconds, with every call's end in its record."""
    async with scene(tmp_path) as cast:
        _, session = await cast.talking()
        cast.carrier.action_after_hangup = False
        began = time.monotonic()
        cast.house.stop()
        await asyncio.sleep(0.1)
        cast.house.stop()
        assert await cast.get_refused() < 2.0
        assert await session.gone(timeout=2.0) is not None
        assert time.monotonic() - began < 2.5
        assert logs.of("call_ended")[-1]["outcome"]["reason"] == "drain_timeout"


async def test_f45_the_wall_clock_may_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back in mid-call: no timer fires, and the duration is true."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() - 3600)
        await session.say(0.5)
        await call.hears(0.45)
        monkeypatch.setattr(time, "time", lambda: true_time() + 3600)
        await session.say(0.5)
        await call.hears(0.45)
        await call.hang_up()
        record = await cast.record(call)
        assert record.started_at is not None
        assert record.ended_at is not None
        assert 0.6 < (record.ended_at - record.started_at).total_seconds() < 3.0


async def test_f46_a_loop_that_stalls_loses_no_sound(tmp_path: Path) -> None:
    """Half a second of nothing, in the middle: all that was said arrives, and nobody is taken for dead."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        call.mouth.say(1.0, frequency=600)
        await asyncio.sleep(0.2)
        time.sleep(0.5)  # noqa: ASYNC251  # that is the fault
        await session.say(0.5)
        await call.hears(0.45)
        frames = call.stream.frames_sent
        await session.heard(frames * 0.02)
        assert not call.over
        assert cast.house.switchboard.lag.worst > 0.3


async def test_f54_two_instances_that_are_asked_at_once_open_one_session(tmp_path: Path) -> None:
    """Both answer with the winner's TwiML; the agent is fetched once."""
    async with scene(tmp_path) as cast, running(tmp_path, (tmp_path / "bridge.toml").read_text()) as second:
        call_sid = sid("CA")
        one = await offer(cast, CallSid=call_sid)
        there = cast.carrier._hosts
        mine = dict(there)
        there.update(dict.fromkeys(mine, f"127.0.0.1:{second.port}"))
        two = await offer(cast, CallSid=call_sid)
        there.update(mine)
        assert one.body == two.body
        await cast.xuna.session()
        assert len(cast.xuna.seen("signed_url")) == 1
        assert second.switchboard.active == 0
        await one.over()


async def test_f54_a_stream_that_lands_on_the_other_instance_is_taken_there(tmp_path: Path) -> None:
    """It knows the grant from the store, opens its own session, and the first one lets go when it is told."""
    async with scene(tmp_path) as cast, running(tmp_path, (tmp_path / "bridge.toml").read_text()) as second:
        offered = await offer(cast)
        await cast.xuna.session()
        port, cast.house.port = cast.house.port, second.port
        async with media_socket(cast) as socket:
            cast.house.port = port
            await socket.send(start(offered.sid, offered.grant))
            session = await cast.xuna.session()
            await session.say(0.2)
            assert "media" in str(await asyncio.wait_for(socket.recv(), 3))
            assert "previous_transcript" not in session.variables
            first = cast.house.switchboard.find(offered.sid)
            if first is not None:
                first.handle(e.Superseded())
            form_ = form(offered.sid, CallStatus="completed")
            there = cast.carrier._hosts
            mine = dict(there)
            there.update(dict.fromkeys(mine, f"127.0.0.1:{second.port}"))
            await cast.carrier.post("status", "/twilio/status", form_)
            there.update(mine)
            assert await session.gone(timeout=2.0) is not None
