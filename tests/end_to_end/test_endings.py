"""How calls end: each side is let go of in time, and the line never stays open."""

import asyncio
import time
from pathlib import Path

import pytest

from bridge.call import events as e
from bridge.call.record import Status
from bridge.errors import Reason
from tests.standins.twilio.verbs import DialResult
from tests.support.scene import LINE, scene


async def test_when_the_caller_hangs_up_the_agent_is_closed_within_a_second(tmp_path: Path) -> None:
    """With a close frame, also in the middle of a turn."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(5.0)
        began = time.monotonic()
        await call.hang_up()
        assert await session.gone() == 1000
        assert time.monotonic() - began < 1.0
        record = await cast.record(call)
        assert (record.outcome, record.status) == (Reason.CALLER_HANGUP, Status.COMPLETED)


async def test_a_stop_alone_ends_the_call_too(tmp_path: Path) -> None:
    """Where no callback comes: the agent is closed within a second all the same."""
    async with scene(tmp_path) as cast:
        cast.carrier.lost_callbacks.add("status")
        cast.carrier.action_after_hangup = False
        call, session = await cast.talking()
        await call.hang_up()
        assert await session.gone(timeout=1.0) == 1000
        assert (await cast.record(call)).outcome is Reason.CALLER_HANGUP


async def test_who_hangs_up_as_soon_as_the_stream_is_there_has_been_here(tmp_path: Path) -> None:
    """start, stop and close before the grant was even looked up: the agent is closed, and nobody waits for a stream."""
    from tests.support.media import media_socket, offer, start

    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        async with media_socket(cast) as socket:
            message = start(offered.sid, offered.grant)
            await socket.send(message)
            await socket.send('{"event":"stop","streamSid":"MZ' + "0" * 32 + '"}')
        assert await session.gone(timeout=1.5) == 1000
        await cast.idle()


async def test_a_callback_alone_ends_the_call_too(tmp_path: Path) -> None:
    """Where the socket lingers: the status says that the call is over."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        form = [(name, "completed" if name == "CallStatus" else value) for name, value in call.form()]
        await cast.carrier.post("status", "/twilio/status", form)
        assert await session.gone(timeout=1.0) == 1000


async def test_the_agents_last_words_are_heard_before_the_line_is_hung_up(tmp_path: Path) -> None:
    """It sends two seconds at once and leaves: every sample plays, then <Hangup/>."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(2.0)
        left = time.monotonic()
        await session.close(1000)
        assert await call.ended() == "completed"
        assert call.reason == "hung up by TwiML"
        assert 1.8 < time.monotonic() - left < 3.0
        assert sum(length for _, length in call.streams[0].playout.spans) == pytest.approx(16000, abs=40)
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_HANGUP
        assert not any(turn.interrupted for turn in record.turns)


async def test_an_agent_that_leaves_in_silence_ends_the_call_at_once(tmp_path: Path) -> None:
    """Nothing is queued: nothing is waited for."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        began = time.monotonic()
        await session.close(1000)
        await call.ended()
        assert time.monotonic() - began < 1.0


async def test_a_caller_who_gives_up_before_the_stream_costs_no_more(tmp_path: Path) -> None:
    """The pre-warmed session is given back, the record says so."""
    from tests.support.media import offer

    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        await offered.over()
        assert await session.gone(timeout=1.0) == 1000
        await cast.idle()
        record = await cast.house.calls.get(offered.sid)
        assert record is not None
        await asyncio.sleep(0.2)
        record = await cast.house.calls.get(offered.sid)
        assert record is not None
        assert record.outcome is Reason.CALLER_ABANDONED


async def test_the_operator_hangs_up(tmp_path: Path) -> None:
    """Socket, agent and line, at once."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        live = cast.house.switchboard.find(call.sid)
        assert live is not None
        await session.say(9.0)
        live.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
        assert await session.gone(timeout=1.0) == 1000
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.OPERATOR_HANGUP


async def test_a_transfer_dials_the_named_place(tmp_path: Path) -> None:
    """The agent is let go, the carrier dials, and after that the line is hung up."""
    async with scene(tmp_path, more='[transfers]\nreception = "+15550777"\n') as cast:
        cast.carrier.dial_results["+15550777"] = DialResult("completed", 0.2)
        call, session = await cast.talking()
        live = cast.house.switchboard.find(call.sid)
        assert live is not None
        live.handle(e.TransferRequested("reception", Reason.TRANSFERRED))
        assert await session.gone(timeout=1.0) == 1000
        assert await call.ended() == "completed"
        assert [dialled.to for dialled in call.dialled] == [("+15550777",)]
        assert (await cast.record(call)).outcome is Reason.TRANSFERRED


async def test_the_longest_call_is_said_goodbye_to(tmp_path: Path) -> None:
    """max_duration_s: words, then the end."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        live = cast.house.switchboard.find(call.sid)
        assert live is not None
        live.handle(e.TimedOut("duration"))
        await call.hears(1.0)
        assert await call.ended() == "completed"
        assert session.closed
        assert (await cast.record(call)).outcome is Reason.MAX_DURATION


async def test_without_any_agent_the_fallback_has_the_line(tmp_path: Path) -> None:
    """Words and a number, and nobody hangs up while they talk."""
    lines = LINE + 'fallback = { say = "Please hold for a person.", dial = "+15550999" }\n'
    async with scene(tmp_path, lines=lines) as cast:
        cast.xuna.fault("signed_url", status=401, times=None)
        cast.carrier.dial_results["+15550999"] = DialResult("completed", 3.0)
        call = await cast.carrier.call()
        assert await call.ended() == "completed"
        assert call.said == ["Please hold for a person."]
        assert [dialled.to for dialled in call.dialled] == [("+15550999",)]
        assert call.duration >= 3
        assert (await cast.record(call)).outcome is Reason.AGENT_AUTH


async def test_without_agent_and_fallback_the_caller_hears_why(tmp_path: Path) -> None:
    """The bridge's own words, then the end; never a silent line."""
    async with scene(tmp_path) as cast:
        cast.xuna.fault("signed_url", status=403, times=None)
        call = await cast.carrier.call()
        await call.hears(1.0)
        assert await call.ended() == "completed"
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_FORBIDDEN
        assert len(cast.xuna.seen("signed_url")) == 1
