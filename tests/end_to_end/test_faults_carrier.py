"""The carrier's faults, row by row: the call goes on where it can, and the record tells whose fault it was."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.call import phone_leg, playback
from bridge.call.record import Status
from bridge.errors import Reason
from bridge.runtime import session as running_session
from tests.standins import sound
from tests.standins.twilio.ids import sid
from tests.support.media import close_code, form, media_socket, offer, start
from tests.support.proxy import Proxy
from tests.support.scene import Scene, eventually, reserved, scene

faulty = functools.partial(scene, canary=True)  # S5: another call goes on beside every fault
FRAME = "f39/" * 53 + "fw=="  # 160 bytes


@contextlib.asynccontextmanager
async def behind_proxy(folder: Path) -> AsyncIterator[tuple[Scene, Proxy]]:
    """The usual cast with a proxy between the carrier and the bridge."""
    listener = reserved()
    port = listener.getsockname()[1]
    async with (
        Proxy(f"127.0.0.1:{port}") as proxy,
        scene(folder, listener=listener, carrier_address=f"127.0.0.1:{proxy.port}") as cast,
    ):
        yield cast, proxy


async def goes_on(cast: Scene, call: object, session: object) -> None:
    """The same agent is heard on the newest stream."""
    await session.say(0.4)  # type: ignore[attr-defined]
    await call.hears(0.35)  # type: ignore[attr-defined]


async def test_f24_a_lost_socket_is_replaced_and_the_agent_kept(tmp_path: Path) -> None:
    """RST: the carrier asks what follows, gets a new stream, and the conversation goes on; at most three times."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        for count in (2, 3, 4):
            await session.say(0.5)
            await call.hears(0.2)
            call.lose_socket()
            await call.streaming(count=count)
            await goes_on(cast, call, session)
        call.lose_socket()
        assert await call.ended() == "completed"
        assert call.said
        assert await session.gone(timeout=2.0) is not None
        record = await cast.record(call)
        assert (record.outcome, record.resumes) == (Reason.CARRIER_LOST, 3)


async def test_f24_a_caller_who_hangs_up_while_held_is_missed_without_a_callback(tmp_path: Path) -> None:
    """The number has no status callback, and no socket tells: the carrier is asked, and the agent is let go in seconds."""
    async with faulty(tmp_path) as cast:
        cast.record_s = 8.0
        cast.carrier.lost_callbacks = {"status"}
        call, session = await cast.talking()
        operations = cast.house.operations
        assert operations is not None
        await operations.control.order(call.sid, "hold")
        await call.pulse.until(lambda: bool(call.said), "the words of the hold")
        await call.hang_up()
        assert await session.gone(timeout=8.0) is not None
        assert (await cast.record(call)).outcome is Reason.CALLER_HANGUP


async def test_f24_what_the_lost_socket_had_queued_is_heard_on_the_next(tmp_path: Path) -> None:
    """Three seconds, broken off in the middle: nothing is lost but what was on the way."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(3.0)
        await call.hears(1.0)
        call.lose_socket()
        await call.streaming(count=2)
        await call.hears(1.6)
        await call.silent_for(0.3)
        total = sum(length for stream in call.streams for _, length in stream.playout.spans)
        assert total == pytest.approx(24_000, abs=2400)


async def test_f24_a_lost_socket_that_nobody_asks_about_ends_the_call(tmp_path: Path) -> None:
    """No action, no status: the agent is closed after its patience, the record says carrier_lost."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant))
            session = await cast.xuna.session()
            await session.say(0.2)
            await socket.recv()
            socket.transport.abort()
            assert await session.gone(timeout=2.5) is not None
        await cast.idle(timeout=5.0)
        record = await cast.record(offered)
        assert record.outcome is Reason.CARRIER_LOST


def test_f25_a_half_open_carrier_is_noticed_by_its_silence() -> None:
    """No frame for 15 s (30 before the first): see tests/call/test_phone_leg.py for the story in virtual time."""
    assert (phone_leg.MEDIA_S, phone_leg.FIRST_MEDIA_S) == (15.0, 30.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"sequenceNumber": "5", "media": {"track": "inbound", "chunk": "9", "timestamp": "1", "payload": FRAME}},
        {"sequenceNumber": "5", "media": {"track": "inbound", "chunk": "x", "timestamp": "", "payload": FRAME}},
        {
            "sequenceNumber": "4294967296",
            "media": {"track": "inbound", "chunk": "-1", "timestamp": "0", "payload": FRAME},
        },
        {"media": {"track": "inbound", "payload": FRAME}},
    ],
)
async def test_f27_numbers_out_of_order_do_not_matter(fields: dict[str, object], tmp_path: Path) -> None:
    """Sound is taken in the order of its arrival, whatever its numbers say."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        call.stream.muted = True
        before = len(session.uplink)
        for _ in range(10):
            await call.stream.send_raw(json.dumps({"event": "media", "streamSid": call.stream.sid, **fields}))
        await session.pulse.until(lambda: len(session.uplink) >= before + 9 * 640, "sound")
        call.stream.muted = False
        await goes_on(cast, call, session)


async def test_f28_sound_before_start_is_skipped(tmp_path: Path) -> None:
    """And the start that follows is taken."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            for _ in range(20):
                await socket.send(json.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": FRAME}}))
            await socket.send(start(offered.sid, offered.grant))
            session = await cast.xuna.session()
            await session.say(0.2)
            assert "media" in str(await asyncio.wait_for(socket.recv(), 2))
        await offered.over()


async def test_f29_a_socket_without_start_is_closed_after_5_s(tmp_path: Path) -> None:
    """1008; the call itself still waits for its stream."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            began = time.monotonic()
            assert await close_code(socket) == 1008
            assert 4.5 < time.monotonic() - began < 6.0
        assert cast.house.switchboard.find(offered.sid) is not None
        await offered.over()


@pytest.mark.parametrize(
    "media_format",
    [
        {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
        None,
    ],
)
async def test_f30_a_stream_in_another_format_is_refused(media_format: object, tmp_path: Path) -> None:
    """1008 at once: no noise in anybody's ear."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant, mediaFormat=media_format))
            assert await close_code(socket, within=2.0) == 1008
        await offered.over()


async def test_f31_what_comes_after_stop_is_ignored(tmp_path: Path) -> None:
    """Sound, another stop, another start: one end."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant))
            session = await cast.xuna.session()
            await session.say(0.1)
            await socket.recv()
            stop = json.dumps({"event": "stop", "streamSid": "MZ" + "0" * 32})
            late = json.dumps({"event": "media", "streamSid": "MZ" + "0" * 32, "media": {"payload": FRAME}})
            for message in (stop, late, stop, start(offered.sid, offered.grant)):
                await socket.send(message)
            assert await session.gone(timeout=1.5) == 1000
        await cast.idle()
        record = await cast.record(offered)
        assert record.outcome is Reason.CALLER_HANGUP


async def test_f32_a_carrier_that_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are missing and no pong comes: carrier_stalled, and the agent is closed. (With shorter waits than the real ones.)"""
    monkeypatch.setattr(playback, "GRACE_S", 0.3)
    monkeypatch.setattr(running_session, "PROBE_S", 0.7)
    async with behind_proxy(tmp_path) as (cast, proxy):
        call, session = await cast.talking()
        cast.carrier.action_after_hangup = False
        proxy.reads_down.clear()
        await session.say(10.0)
        assert await session.gone(timeout=5.0) is not None
        record = await cast.record(call)
        assert record.outcome is Reason.CARRIER_STALLED
        proxy.reads_down.set()


async def test_f33_marks_that_never_come_back_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier reads: the clock takes over, everything is heard, and last words end the call."""
    monkeypatch.setattr(playback, "GRACE_S", 0.3)
    async with faulty(tmp_path) as cast:
        cast.carrier.echo_marks = False
        call, session = await cast.talking()
        await session.say(1.0)
        await call.hears(0.9)
        await call.silent_for(0.5)
        await session.say(1.0)
        await session.close(1000)
        assert await call.ended() == "completed"
        assert sum(length for _, length in call.streams[0].playout.spans) == pytest.approx(16_000, abs=40)
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_HANGUP
        assert "marks_missing" in [event["type"] for event in record.events]


async def test_f33_marks_that_were_never_sent_change_nothing(tmp_path: Path) -> None:
    """Unknown, repeated, after a clear: what was heard is not more for it."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(4.0, text="one two three four")
        await call.hears(0.4)
        await session.interrupt()
        await asyncio.sleep(0.1)
        for name in ("0.1", "0.2", "1.1", "nobody's", ""):
            mark = {"event": "mark", "streamSid": call.stream.sid, "mark": {"name": name}}
            await call.stream.send_raw(json.dumps(mark))
        await call.hang_up()
        assert (await cast.record(call)).turns[0].heard == ""


@pytest.mark.parametrize(("size", "heard"), [(0, 0), (1, 1), (159, 159), (161, 161), (8192, 8192), (9000, 0)])
async def test_f34_sound_of_any_sane_size_is_taken(size: int, heard: int, tmp_path: Path) -> None:
    """To the sample; more than a second in one message is none."""
    import base64

    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        call.stream.muted = True
        await asyncio.sleep(0.1)
        before = len(session.uplink)
        payload = base64.b64encode(b"\x55" * size).decode()
        for track in ("inbound", "outbound"):
            media = {"event": "media", "streamSid": call.stream.sid, "media": {"track": track, "payload": payload}}
            await call.stream.send_raw(json.dumps(media))
        # Less than the agent's chunk waits for the frame that fills it.
        media = {"event": "media", "streamSid": call.stream.sid, "media": {"track": "inbound", "payload": FRAME}}
        await call.stream.send_raw(json.dumps(media))
        wanted = before + (heard + 160) * 4
        await session.pulse.until(lambda: len(session.uplink) >= wanted, "sound")
        assert len(session.uplink) == wanted
        call.stream.muted = False
        await goes_on(cast, call, session)


async def test_f35_f36_single_nonsense_is_skipped(tmp_path: Path) -> None:
    """Binary, no JSON, other streams, unknown events, deep, bad base64: counted, and the call goes on."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        stream = call.stream
        assert stream is not None
        wrong = json.dumps({"event": "media", "streamSid": "MZother", "media": {"track": "inbound", "payload": FRAME}})
        bad = json.dumps({"event": "media", "streamSid": stream.sid, "media": {"track": "inbound", "payload": "!!@@"}})
        for each in (b"\x00\x01", "{", "[]", "null", "5", '{"event": 5}', '{"event": "novel"}', wrong, bad, "[" * 5000):
            await stream.send_raw(each)
        await goes_on(cast, call, session)
        await call.hang_up()
        counts = (await cast.record(call)).detail["counts"]
        assert counts["bad_messages"]["phone"] >= 5
        assert counts["ignored"]["wrong_stream"] == 1


async def test_f35_a_second_of_nonsense_ends_the_call(tmp_path: Path) -> None:
    """carrier_protocol; the caller is told, and the line is hung up."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        call.stream.muted = True
        for _ in range(55):
            await call.stream.send_raw("{")
        assert await session.gone(timeout=2.0) is not None
        call.stream.muted = False
        await call.hears(1.0)
        await call.ended()
        assert (await cast.record(call)).outcome is Reason.CARRIER_PROTOCOL


async def test_f35_a_flood_of_pings_changes_nothing(tmp_path: Path) -> None:
    """Five hundred from the carrier in a moment: the call is heard as before."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        assert call.stream._ws is not None
        for _ in range(500):
            await call.stream._ws.ping()
        await goes_on(cast, call, session)
        assert len(call.streams) == 1


async def test_f35_huge_frames_end_the_stream_and_not_the_process(tmp_path: Path) -> None:
    """A message of more than 64 KiB: the socket is refused, the call is resumed."""
    async with faulty(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await call.stream.send_raw("x" * 100_000)
        await call.streaming(count=2)
        await goes_on(cast, call, session)


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled"])
async def test_f37_a_terminal_status_ends_the_call_once(status: str, tmp_path: Path) -> None:
    """Twenty of them, in the middle of a turn, and late ones of every kind: one end, never taken back."""
    async with faulty(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        await asyncio.gather(
            *(cast.carrier.post("status", "/twilio/status", offered.form(CallStatus=status)) for _ in range(20))
        )
        assert await session.gone(timeout=1.0) == 1000
        for late in ("ringing", "in-progress", "novel", "completed", "busy"):
            exchange = await cast.carrier.post("status", "/twilio/status", offered.form(CallStatus=late))
            assert exchange.status == 204
        await cast.idle()
        record = await cast.record(offered)
        assert record.status.terminal
        assert record.status is {"completed": Status.COMPLETED, "busy": Status.BUSY}.get(status, record.status)


async def test_f37_a_status_of_an_unknown_call_is_taken_politely(tmp_path: Path) -> None:
    """204, and no record for it."""
    async with faulty(tmp_path) as cast:
        call_sid = sid("CA")
        exchange = await cast.carrier.post("status", "/twilio/status", form(call_sid, CallStatus="completed"))
        assert exchange.status == 204
        assert await cast.house.calls.get(call_sid) is None


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 404}, {"status": 503}, {"reset": True}, {"hang": True}])
async def test_f40_a_hang_up_over_rest_that_fails_harms_nothing(fault: dict[str, object], tmp_path: Path) -> None:
    """The socket is closed and <Hangup/> answered: the line is free all the same."""
    async with faulty(tmp_path) as cast:
        cast.rest.fault("update_call", times=None, **fault)
        call, session = await cast.talking()
        await session.say(0.2)
        await session.close(1000)
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.AGENT_HANGUP


async def test_f40_a_line_that_the_carrier_forgot_to_end_is_ended_over_rest(tmp_path: Path) -> None:
    """A caller without a stream has no socket to close: the API is asked."""
    async with faulty(tmp_path) as cast:
        from bridge.call import events as e

        offered = await offer(cast)
        live = cast.house.switchboard.find(offered.sid)
        assert live is not None
        live.handle(e.EndRequested(Reason.OPERATOR_HANGUP))

        async def asked() -> bool:
            return len(cast.rest.seen("update_call")) == 1

        await eventually(asked, "a request to end the call")
        assert b"completed" in cast.rest.seen("update_call")[0].body


async def test_a_delay_on_the_line_costs_only_itself(tmp_path: Path) -> None:
    """50 ms each way between carrier and bridge: every sample arrives, in order."""
    async with behind_proxy(tmp_path) as (cast, proxy):
        call, session = await cast.talking()
        proxy.delay = 0.05
        await session.say(1.0, frequency=997)
        await call.hears(0.95)
        assert call.stream is not None
        first, length = call.stream.playout.spans[0]
        assert sound.fit_sine(call.stream.heard_pcm[first + 400 : first + length - 400], 997, 8000).snr_db > 30
