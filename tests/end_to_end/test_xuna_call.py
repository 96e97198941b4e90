"""Whole calls to a XUNA agent, over real sockets: what each side is told, and when."""

import asyncio
import time
from pathlib import Path

import pytest

from bridge.call.record import Status
from bridge.errors import Reason
from tests.standins import sound
from tests.standins.xuna import Xuna
from tests.support.media import media_socket, offer, start
from tests.support.scene import scene


async def test_a_call_reaches_the_agent_and_back(tmp_path: Path) -> None:
    """Sound goes both ways, and the line is hung up when the agent leaves."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await session.say(sound.tone(1.0, rate=16000), text="Hello! How can I help?")
        await call.hears(0.9)
        await call.speak(sound.tone(1.0))
        heard = await session.heard(1.0)
        assert abs(sound.frequency_of(heard[-8000:], 16000) - 440) < 2
        await session.close(1000)
        assert await call.ended() == "completed"
        assert call.reason == "hung up by TwiML"


async def test_the_agent_is_told_who_calls_and_how_to_begin(tmp_path: Path) -> None:
    """Overrides as configured; variables of the agent, the line and the call, the system's own winning."""
    agent = """first_message = "Hello."
prompt = "Be brief."
language = "de"
voice_id = "anna"
dynamic_variables = { plan_name = "Pro", call_id = "mine", seats = 3, beta = true }"""
    lines = '[[lines]]\nnumber = "+15550100"\nagent = "support"\nvariables = { plan_name = "Line", shop = "Graz" }\n'
    async with scene(tmp_path, agent=agent, lines=lines) as cast:
        call, session = await cast.talking()
        record = await cast.house.calls.get(call.sid)
        assert record is not None
        assert session.variables == {
            "plan_name": "Line",
            "shop": "Graz",
            "seats": 3,
            "beta": True,
            "phone_number": "+15550123456",
            "called_number": "+15550100",
            "call_id": record.call_id,
            "carrier_call_id": call.sid,
            "direction": "inbound",
        }
        assert session.overrides == {
            "agent": {"prompt": {"prompt": "Be brief."}, "first_message": "Hello.", "language": "de"},
            "tts": {"voice_id": "anna"},
        }


@pytest.mark.parametrize("withheld", ["anonymous", "+266696687", ""])
async def test_a_caller_who_withholds_the_number_is_taken(withheld: str, tmp_path: Path) -> None:
    """The agent is told an empty number."""
    async with scene(tmp_path) as cast:
        _, session = await cast.talking(from_=withheld)
        assert session.variables["phone_number"] == ""


async def test_pings_are_answered_at_once(tmp_path: Path) -> None:
    """Each with its own id, also while sound flows; the stand-in fails the test for a late one."""
    async with scene(tmp_path) as cast:
        _, session = await cast.talking()
        await session.say(5.0)
        for number in (1, 77, 3):
            assert await session.ponged(await session.ping(number)) < 0.1


async def test_keys_reach_the_agent_and_the_record(tmp_path: Path) -> None:
    """user_activity for each, the digits in order in the record."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        await call.press("12#")
        await session.got("user_activity", count=3)
        await call.hang_up()
        record = await cast.record(call)
        assert [event["digit"] for event in record.events if event["type"] == "dtmf"] == ["1", "2", "#"]


async def test_the_record_tells_the_whole_call(tmp_path: Path) -> None:
    """Turns, latencies, conversation, outcome: from the offer on, and for good at the end."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        live = await cast.house.calls.get(call.sid)
        assert live is not None
        assert not live.status.terminal
        await session.say(0.5, text="Hello!")
        await call.hears(0.4)
        await call.speak(sound.speechlike(0.8, level=0.6))
        await session.user_transcript("What time is it?")
        await asyncio.sleep(0.4)
        await session.say(0.3, text="Noon.")
        await call.hears(0.2)
        await call.hang_up()
        record = await cast.record(call)
        assert [(turn.role, turn.text) for turn in record.turns] == [
            ("agent", "Hello!"),
            ("caller", "What time is it?"),
            ("agent", "Noon."),
        ]
        assert (record.outcome, record.status) == (Reason.CALLER_HANGUP, Status.COMPLETED)
        assert record.agent_conversation_id == session.conversation_id
        latency = record.latency
        assert latency.credential_ms is not None
        assert latency.connect_ms is not None
        assert latency.first_word_ms is not None
        assert [200 < ms < 900 for ms in latency.response_ms] == [True]


async def test_the_agents_first_word_is_there_when_the_phone_is(tmp_path: Path) -> None:
    """Pre-warmed: within 200 ms of the stream's start, though the credential takes 300 ms and the stream 250."""

    async def greet(session: object) -> None:
        await session.say(1.0, text="Hello!")  # type: ignore[attr-defined]

    async with scene(tmp_path) as cast:
        cast.xuna.on_session = greet
        cast.xuna.fault("signed_url", delay=0.3)
        exchange = await offer(cast)
        await asyncio.sleep(0.25)
        async with media_socket(cast) as socket:
            began = time.monotonic()
            await socket.send(start(exchange.sid, exchange.grant))
            async with asyncio.timeout(3):
                assert b'"media"' in await socket.recv(decode=False)
            assert time.monotonic() - began <= 0.2
            await exchange.over()


async def test_the_record_and_the_ear_agree_on_the_first_word(tmp_path: Path) -> None:
    """Credential 300 ms, stream 250 ms after the TwiML: at most 200 ms of silence, in the record and on the phone."""

    async def greet(session: object) -> None:
        await session.say(1.0, text="Hello!")  # type: ignore[attr-defined]

    async with scene(tmp_path) as cast:
        cast.xuna.on_session = greet
        cast.xuna.fault("signed_url", delay=0.3)
        cast.carrier.stream_delay = 0.25
        call = await cast.carrier.call()
        stream = await call.streaming()
        await call.hears(0.9)
        silence = stream.playout.spans[0][0] / 8000
        await call.hang_up()
        record = await cast.record(call)
        assert record.latency.credential_ms is not None
        assert record.latency.credential_ms >= 290
        assert record.latency.first_word_ms is not None
        assert record.latency.first_word_ms <= 200
        assert silence <= 0.4  # the handset's own clock, on a machine that may be busy with other tests


async def test_a_greeting_before_the_stream_is_held_and_not_lost(tmp_path: Path) -> None:
    """Every sample of it is heard from the stream's first moment on."""
    async with scene(tmp_path, xuna=Xuna(ready_delay=0.0)) as cast:
        greeted = asyncio.Event()

        async def greet(session: object) -> None:
            await session.say(0.5)  # type: ignore[attr-defined]
            greeted.set()

        cast.xuna.on_session = greet
        call, _ = await cast.talking()
        await greeted.wait()
        await call.hears(0.45)
        await call.silent_for(0.1)
        assert call.stream is not None
        assert sum(length for _, length in call.stream.playout.spans) == pytest.approx(4000, abs=2)


async def test_a_public_agent_needs_no_credential(tmp_path: Path) -> None:
    """It is connected to by its id."""
    from tests.standins.xuna import XunaAgent

    xuna = Xuna(agents=[XunaAgent("agent_1", public=True)])
    async with scene(tmp_path, agent='authentication = "public"', xuna=xuna) as cast:
        call, session = await cast.talking()
        await session.say(0.3)
        await call.hears(0.2)
        assert cast.xuna.seen("signed_url") == []


async def test_many_calls_do_not_hear_each_other(tmp_path: Path) -> None:
    """Ten callers, ten agents, ten pitches: each hears its own."""
    async with scene(tmp_path) as cast:
        pairs = []
        for number in range(10):
            call = await cast.carrier.call(from_=f"+1555020{number:04}")
            session = await cast.xuna.session()
            await call.streaming()
            pairs.append((call, session))
        by_id = {session.variables["carrier_call_id"]: session for _, session in pairs}
        await asyncio.gather(
            *(by_id[call.sid].say(1.0, frequency=400.0 + 100 * number) for number, (call, _) in enumerate(pairs))
        )
        await asyncio.gather(*(call.hears(0.9) for call, _ in pairs))
        for number, (call, _) in enumerate(pairs):
            assert call.stream is not None
            start, length = call.stream.playout.spans[0]
            pitch = sound.frequency_of(call.stream.heard_pcm[start + 200 : start + length - 200], 8000)
            assert pitch == pytest.approx(400 + 100 * number, abs=3)
