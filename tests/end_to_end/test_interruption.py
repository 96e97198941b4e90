"""One speaks over the other: the phone falls silent at once, and stays silent until the next turn."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.standins import sound
from tests.standins.twilio.media import MediaStream
from tests.support.scene import eventually, scene


async def cleared(stream: MediaStream, *, count: int = 1) -> float:
    """Wait for the clear; when it came."""

    async def came() -> bool:
        return len([1 for _, message in stream.messages if message["event"] == "clear"]) >= count

    await eventually(came, "a clear")
    return [at for at, message in stream.messages if message["event"] == "clear"][count - 1]


async def test_an_interruption_clears_the_phone_within_50_ms(tmp_path: Path) -> None:
    """From XUNA's message to Twilio's, in the middle of a long turn."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        took = []
        for number in range(1, 6):
            await session.say(8.0)
            await call.hears(0.2)
            before = time.monotonic()
            await session.interrupt()
            took.append(await cleared(call.stream, count=number) - before)
        assert sorted(took)[2] < 0.05
        await call.silent_for(0.3)


async def test_stale_sound_is_dropped_and_the_next_turn_is_heard(tmp_path: Path) -> None:
    """Late chunks of the interrupted turn never sound; the reply does, in full."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(4.0, frequency=440, event_id=3)
        await call.hears(0.3)
        await session.interrupt()
        await cleared(call.stream)
        start = len(call.stream.playout.heard)
        await session.say(1.0, frequency=440, event_id=3)
        await session.say(1.0, frequency=1000, event_id=4)
        await call.hears(0.9)
        await call.silent_for(0.1)
        after = call.stream.heard_pcm[start:]
        loud = [run for run in sound.loud_runs(call.stream.heard[start:], join=40) if run[1] > 1000]
        assert len(loud) == 1
        assert loud[0][1] == pytest.approx(8000, abs=40)
        first, length = loud[0]
        assert sound.frequency_of(after[first : first + length], 8000) == pytest.approx(1000, abs=3)


async def test_a_reply_with_the_interruptions_own_id_is_heard(tmp_path: Path) -> None:
    """Only strictly older sound is stale."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(4.0, event_id=3)
        await call.hears(0.3)
        await session.interrupt(4)
        await session.say(0.5, event_id=3)
        await session.say(0.5, event_id=4)
        await call.hears(0.45)


async def test_what_the_caller_had_heard_is_in_the_record(tmp_path: Path) -> None:
    """Whole words, by the marks, of a turn that was sent at once and cut after a good second."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(4.0, text="one two three four five six seven eight")
        await call.hears(1.5)
        await session.interrupt()
        await cleared(call.stream)
        await call.hang_up()
        turn = (await cast.record(call)).turns[0]
        assert turn.interrupted
        assert turn.heard in {"one two", "one two three"}


async def test_it_clears_though_the_agent_has_long_finished_sending(tmp_path: Path) -> None:
    """Twenty seconds are queued, the agent has been silent for one."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(20.0)
        await call.hears(1.0)
        await session.interrupt()
        await cleared(call.stream)
        await call.silent_for(0.3)
        assert call.stream.playout.cleared > 17 * 8000


async def test_with_barge_in_off_the_caller_hears_the_agent_out(tmp_path: Path) -> None:
    """No clear, no sample lost."""
    async with scene(tmp_path, agent='barge_in = "off"') as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await session.say(1.0)
        await call.hears(0.2)
        await session.interrupt()
        await call.hears(0.7)
        await call.silent_for(0.1)
        assert [message for _, message in call.stream.messages if message["event"] == "clear"] == []


async def test_interruptions_of_silence_do_no_harm(tmp_path: Path) -> None:
    """An agent that says so of nothing is still heard afterwards."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        for _ in range(5):
            await session.interrupt()
        await session.say(0.3)
        await call.hears(0.25)


async def test_fast_interruptions_leave_nothing_behind(tmp_path: Path) -> None:
    """Ten turns, each cut after a moment: no sound is left over, and the last one is heard in full."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        for _ in range(10):
            await session.say(3.0)
            await asyncio.sleep(0.05)
            await session.interrupt()
        await call.silent_for(0.2)
        mark = call.stream.playout.loud if call.stream is not None else 0
        await session.say(0.5)
        await call.silent_for(0.7)
        assert call.stream is not None
        assert call.stream.playout.loud - mark == pytest.approx(4000, rel=0.1)


async def test_kura_is_told_of_an_interruption_once(tmp_path: Path) -> None:
    """Words over its unplayed sound clear the phone; what it still sends of the turn is dropped until turnComplete."""
    async with scene(tmp_path, lines='[[lines]]\nnumber = "*"\nagent = "booking"\n') as cast:
        call = await cast.carrier.call()
        session = await cast.kura.session()
        stream = await call.streaming()
        await session.say(5.0, frequency=440)
        await call.hears(1.5)  # transcripts are late: words count once the agent has spoken for a while
        await session.user_transcript("Wait a moment")
        await cleared(stream)
        await session.interrupted()
        before = stream.playout.loud
        await session.say(0.3, frequency=440)
        await session.turn_complete("Wait a moment", "I was saying")
        await session.say(0.5, frequency=1000)
        await call.silent_for(0.7)
        assert stream.playout.loud - before == pytest.approx(4000, rel=0.1)
        assert len(session.of("interrupt")) == 1
