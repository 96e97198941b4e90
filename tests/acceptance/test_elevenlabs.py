"""ElevenLabs' dialect, message by message, through the product as a process."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.bridge import configuration, xuna
from tests.acceptance.conftest import Serve
from tests.standins import sound
from tests.standins.elevenlabs import ElevenLabs, ElevenLabsSession
from tests.standins.xuna import XunaAgent

DIALECT = 'dialect = "elevenlabs"'
TONE = sound.tone(1.0, frequency=1000.0, level=0.4)


async def session_of(server: ElevenLabs) -> ElevenLabsSession:
    """The next conversation."""
    found = await server.session()
    assert isinstance(found, ElevenLabsSession)
    return found


async def test_mu_law_passes_untouched_both_ways(serve: Serve, tmp_path: Path) -> None:
    """ulaw_8000 in and out: not a byte is changed."""
    agent = XunaAgent("agent_1", output_format="ulaw_8000", input_format="ulaw_8000")
    async with ElevenLabs(agents=[agent]) as server:
        bridge = await serve(configuration(tmp_path, xuna(server, DIALECT)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            stream = await call.streaming()
            said = sound.mulaw_encode(TONE)
            await session.say(said)
            await call.speak(said)
            await call.speak(sound.silence(0.2))
            await call.silent_for(0.2)
            assert said in stream.heard
            assert said in bytes(session.uplink)
            assert sum(size for _, size in stream.arrivals) == len(said)
            await call.hang_up()
            await session.gone()


@pytest.mark.parametrize("fmt", ["pcm_8000", "pcm_16000", "pcm_24000", "pcm_48000"])
async def test_each_direction_has_its_announced_format(serve: Serve, tmp_path: Path, fmt: str) -> None:
    """The caller's sound goes up in user_input_audio_format, whatever the other direction has."""
    async with ElevenLabs(agents=[XunaAgent("agent_1", output_format="pcm_44100", input_format=fmt)]) as server:
        bridge = await serve(configuration(tmp_path, xuna(server, DIALECT)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            stream = await call.streaming()
            await session.say(1.0, frequency=1000.0)
            await call.speak(sound.tone(1.0, frequency=700.0))
            await call.speak(sound.silence(0.2))
            rate = sound.rate_of(fmt)
            heard = session.heard_pcm
            spoken = max(sound.loud_runs(sound.mulaw_encode(heard), join=rate // 200), key=lambda run: run[1])
            assert abs(spoken[1] - rate) < rate // 100
            middle = heard[spoken[0] + rate // 10 : spoken[0] + rate * 9 // 10]
            assert sound.fit_sine(middle, 700.0, rate).snr_db > 35
            start, length = max(sound.loud_runs(stream.heard, join=40), key=lambda run: run[1])
            assert abs(sound.frequency_of(stream.heard_pcm[start : start + length], 8000) - 1000) < 1
            await call.hang_up()
            await session.gone()


async def test_an_interruption_with_its_id_and_its_correction(serve: Serve, tmp_path: Path) -> None:
    """The phone is cleared, older sound dropped, the reply heard; the agent's correction is what was heard."""
    async with ElevenLabs() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, DIALECT)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            stream = await call.streaming()
            await session.say(4.0, text="One two three four five six seven eight.", chunk_ms=400)
            await call.hears(1.0)
            await session.interrupt(10)
            await call.silent_for(0.3)
            await session.correct("One two three four five six seven eight.", "One two...")
            before = sum(size for _, size in stream.arrivals)
            await session.say(0.3, event_id=9)
            await session.ping(7)
            await session.ponged(7)
            await asyncio.sleep(0.1)
            assert sum(size for _, size in stream.arrivals) == before
            await session.say(0.5, event_id=10, text="Yes?")
            await call.hears(0.4)
            await session.user_transcript("Wait.")
            await session.close(1000)
            await call.ended()
            record = await bridge.record(call.sid)
            first = next(turn for turn in record["turns"] if turn["role"] == "agent")
            assert first["interrupted"]
            assert first["heard"] == "One two..."


async def test_a_client_tool_call_is_answered_once(serve: Serve, tmp_path: Path) -> None:
    """A tool that nobody has: an error in words; the conversation goes on."""
    async with ElevenLabs() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, DIALECT)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            await call.streaming()
            result = await session.result(await session.call_tool("no_such_tool", {"a": 1}))
            assert result["is_error"] is True
            assert result["result"]
            await session.say(0.3)
            await call.hears(0.2)
            await call.press("1")
            await session.got("user_activity")
            await call.hang_up()
            await session.gone()


@pytest.mark.parametrize("error", ["max_duration_exceeded", "llm_timeout", "override_error", "unknown_websocket_crash"])
async def test_what_an_error_before_the_close_means(serve: Serve, tmp_path: Path, error: str) -> None:
    """1000 ends the call in order; 1002, 1008 and 1011 in the middle of a call are losses: a new conversation goes on."""
    async with ElevenLabs() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, DIALECT)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            await call.streaming()
            await session.say(0.3)
            await call.hears(0.2)
            await session.fail(error)
            if error != "max_duration_exceeded":
                second = await session_of(server)
                await second.say(0.3)
                await second.close(1000)
            assert await call.ended(timeout=20) == "completed"
            record = await bridge.record(call.sid)
            assert record["outcome"] == {"side": "agent", "class": "success", "reason": "agent_hangup"}
            assert len(server.sessions) == (1 if error == "max_duration_exceeded" else 2)


async def test_the_first_message_and_the_address(serve: Serve, tmp_path: Path) -> None:
    """A signed URL under xi-api-key, client data first, the system variables in it."""
    async with ElevenLabs() as server:
        more = DIALECT + '\nfirst_message = "Hi!"\ndynamic_variables = { plan_name = "Pro" }'
        bridge = await serve(configuration(tmp_path, xuna(server, more)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await session_of(server)
            assert session.overrides == {"agent": {"first_message": "Hi!"}}
            assert session.variables["plan_name"] == "Pro"
            assert session.variables["phone_number"] == "+15550123456"
            assert session.variables["carrier_call_id"] == call.sid
            await call.hang_up()
            await session.gone()
