"""Kura by its own document, message by message and error by error, through the product as a process."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bridge import Bridge, configuration, kura
from tests.acceptance.conftest import Serve
from tests.standins import sound
from tests.standins.kura import Key, Kura
from tests.standins.kura.server import PERMISSIONS
from tests.standins.twilio import Carrier
from tests.standins.twilio.call import PhoneCall

KEY = "kura_live_standin_0001"
OTHER = "kura_live_standin_0002"
FALLBACK = (
    '[[lines]]\nnumber = "*"\nagent = "booking"\nfallback = { say = "Please hold for a person.", dial = "+15550999" }'
)
GREETING = "Good morning and welcome to the longest greeting of all greetings."


def server(**more: Any) -> Kura:
    """A strict Kura with one key."""
    return Kura(**{"keys": [Key(KEY)], **more})


async def fallback(carrier: Carrier, *, within: float) -> PhoneCall:
    """A call that no agent takes: the line's fallback, in time."""
    began = time.monotonic()
    call = await carrier.call()
    await call.ended(timeout=within + 3)
    assert "Please hold for a person." in call.said
    assert [each.to for each in call.dialled] == [("+15550999",)]
    assert time.monotonic() - began < within
    return call


async def outcome(bridge: Bridge, call: PhoneCall) -> str:
    """The reason in the record."""
    record = await bridge.record(call.sid)
    assert record["outcome"]["side"] == "agent"
    assert record["outcome"]["class"] == "agent_error"
    return str(record["outcome"]["reason"])


async def test_the_session_is_asked_for_as_documented(serve: Serve, tmp_path: Path) -> None:
    """assistant_id, mode, phone_number, language_code and metadata with the configured and the bridge's own keys."""
    more = 'language_code = "de-DE"\nmetadata = { team = "bookings", size = 3, call_id = "forged" }'
    lines = '[[lines]]\nnumber = "*"\nagent = "booking"\nvariables = { area = "north" }'
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it, more), lines=lines))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            record = await bridge.live(call.sid)
            assert session.asked == {
                "assistant_id": 1, "mode": "voice", "phone_number": "+15550123456", "language_code": "de-DE",
                "metadata": {
                    "team": "bookings", "size": 3, "area": "north", "phone_number": "+15550123456",
                    "called_number": "+15550100", "call_id": record["call_id"], "carrier_call_id": call.sid,
                    "direction": "inbound",
                },
            }  # fmt: skip
            assert it.seen("create")[0].headers["Authorization"] == f"Bearer {KEY}"
            await call.hang_up()
            await session.gone()
            withheld = await carrier.call(from_="anonymous")
            session = await it.session()
            assert "phone_number" not in session.asked
            assert session.asked["metadata"].get("phone_number", "") == ""
            await withheld.hang_up()
            await session.gone()


async def test_sound_goes_both_ways_and_the_end_is_orderly(serve: Serve, tmp_path: Path) -> None:
    """24 kHz each way, to the sample and pure; the caller hangs up: stopSession, close, DELETE; no key in any line."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            stream = await call.streaming()
            await session.say(sound.tone(2.0, frequency=1000.0, rate=24000, level=0.4), chunk_ms=70)
            await call.speak(sound.tone(1.0, frequency=700.0))
            await call.hears(1.7)
            await call.silent_for(0.2)
            up = session.heard_pcm
            assert 0 <= 480 * stream.frames_sent - len(up) <= 5 * 480
            spoken = max(sound.loud_runs(sound.mulaw_encode(up), join=120), key=lambda run: run[1])
            assert abs(spoken[1] - 24000) <= 300
            assert sound.fit_sine(up[spoken[0] + 2400 : spoken[0] + 21600], 700.0, 24000).snr_db > 35
            start, length = max(sound.loud_runs(stream.heard, join=40), key=lambda run: run[1])
            assert abs(length - 16000) <= 40
            assert sound.fit_sine(stream.heard_pcm[start + 800 : start + 13000], 1000.0, 8000).snr_db > 35
            await call.hang_up()
            await session.gone(timeout=1)
            assert len(session.of("stopSession")) == 1
            record = await bridge.record(call.sid)
            assert record["outcome"] == {"side": "caller", "class": "success", "reason": "caller_hangup"}
            assert record["agent_conversation_id"] == session.session_id
        assert not it.unreleased
        await it.pulse.until(lambda: len(it.seen("end")) == 1, "the session to be deleted")
        assert KEY not in bridge.text
        assert "api_key=" not in bridge.text


async def test_transcripts_become_turns(serve: Serve, tmp_path: Path) -> None:
    """Pieces and wholes, deltas and cumulative ones: each turn once, the caller's before the agent's answer."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            await call.streaming()
            for piece in ("Hello", " there,", " how may I help?"):
                await session.transcription("output", piece)
            await session.say(0.3, with_ids=False)
            await session.turn_complete("", "Hello there, how may I help?")
            await call.hears(0.2)
            await call.silent_for(0.3)
            for piece in ("I would", "I would like", "I would like an appointment."):
                await session.transcription("input", piece)
            for piece in ("Of course.", "Of course. When?"):
                await session.transcription("output", piece)
            await session.say(0.3, with_ids=False)
            await session.turn_complete("I would like an appointment.", "Of course. When?")
            await call.hears(0.2)
            await call.silent_for(0.3)
            await session.transcription("input", "Thursday")
            await session.transcription("input", " please.")
            await session.transcription("output", "Done.")
            await session.say(0.2, with_ids=False)
            await call.hears(0.1)
            await call.hang_up()
            record = await bridge.record(call.sid)
            assert [(turn["role"], turn["text"]) for turn in record["turns"]] == [
                ("agent", "Hello there, how may I help?"),
                ("caller", "I would like an appointment."),
                ("agent", "Of course. When?"),
                ("caller", "Thursday please."),
                ("agent", "Done."),
            ]


async def test_after_an_interrupt_sound_waits_for_the_end_of_the_turn(serve: Serve, tmp_path: Path) -> None:
    """interrupt once, nothing heard until turnComplete, and the next turn whole."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            stream = await call.streaming()
            await session.transcription("output", GREETING)
            await session.say(sound.speechlike(8.0, rate=24000), with_ids=False)
            await call.hears(1.0)
            call.mouth.say(sound.speechlike(1.2, pitch=210.0, seed=5))
            await session.interrupted()
            before = sum(size for _, size in stream.arrivals)
            await session.say(sound.speechlike(0.5, rate=24000), with_ids=False)
            await session.transcription("input", "Hello?")
            await asyncio.sleep(0.2)
            assert sum(size for _, size in stream.arrivals) == before
            await session.turn_complete("Hello?", GREETING)
            await call.speak(sound.silence(0.3))  # the caller has finished
            await session.say(sound.tone(0.5, rate=24000), with_ids=False)
            await call.hears(0.4)
            await session.turn_complete("", "Yes?")
            await call.hang_up()
            await session.gone()
            assert len(session.of("interrupt")) == 1
            record = await bridge.record(call.sid)
            first = record["turns"][0]
            assert first["interrupted"]
            assert len(first["heard"]) < len(GREETING)


async def test_an_interrupt_holds_for_a_second_at_most(serve: Serve, tmp_path: Path) -> None:
    """turnComplete never comes: after 1 s the agent is heard again."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            stream = await call.streaming()
            await session.say(sound.speechlike(8.0, rate=24000), with_ids=False)
            await call.hears(1.0)
            call.mouth.say(sound.speechlike(0.8, pitch=210.0, seed=5))
            await session.interrupted()
            at = time.monotonic()
            before = len(stream.arrivals)
            while len(stream.arrivals) == before:
                await session.say(0.02, with_ids=False, chunk_ms=20)
                await asyncio.sleep(0.02)
                assert time.monotonic() - at < 2
            assert 0.8 < stream.arrivals[before][0] - at < 1.3
            await call.hang_up()
            await session.gone()


async def test_a_complete_turn_is_cleared_without_a_pause_after_it(serve: Serve, tmp_path: Path) -> None:
    """The agent had finished its turn: the phone is cleared, and the very next sound is heard."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            stream = await call.streaming()
            await session.say(sound.speechlike(8.0, rate=24000), with_ids=False)
            await session.turn_complete("", GREETING)
            await call.hears(1.0)
            call.mouth.say(sound.speechlike(0.8, pitch=210.0, seed=5))
            while not any(message["event"] == "clear" for _, message in stream.messages):
                await asyncio.sleep(0.01)
            before = sum(size for _, size in stream.arrivals)
            await session.say(0.5, with_ids=False)
            await asyncio.sleep(0.15)
            assert sum(size for _, size in stream.arrivals) >= before + 3900
            await call.hang_up()
            await session.gone()


async def test_a_timeout_ends_the_call_after_the_last_words(serve: Serve, tmp_path: Path) -> None:
    """sessionTimeout: what was sent is heard, then the phone is hung up."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            stream = await call.streaming()
            await session.say(1.5, with_ids=False)
            await session.timed_out()
            assert await call.ended() == "completed"
            assert sum(length for _, length in sound.loud_runs(stream.heard, join=40)) >= 11900
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] == "agent_idle"
            assert len(it.sessions) == 1


async def test_an_error_in_the_session_is_recorded_and_no_end(serve: Serve, tmp_path: Path) -> None:
    """sessionError alone changes nothing; with the end of the socket it is a loss, and a new session goes on."""
    async with server() as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            await call.streaming()
            await session.fail("upstream hiccup")
            await session.say(0.5, with_ids=False)
            await call.hears(0.4)
            await session.fail("upstream is gone")
            await session.close(1000)
            second = await it.session()
            await second.say(0.5, with_ids=False)
            await call.hears(0.4)
            await second.close(1000)
            assert await call.ended() == "completed"
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] == "agent_hangup"
            kinds = [event["type"] for event in record["events"]]
            assert kinds.count("agent_problem") == 2
            assert "agent_lost" in kinds


async def test_an_error_before_the_session_is_open_is_a_loss(serve: Serve, tmp_path: Path) -> None:
    """sessionError in place of sessionOpen: another session, or the fallback, within the answer budget."""
    async with server() as it:
        it.fault("upgrade", never_ready=True, times=None)

        async def refuse() -> None:
            refused: list[object] = []
            while True:
                await it.pulse.until(lambda: len(it.sessions) > len(refused), "a session", timeout=60)
                refused.append(await it.sessions[len(refused)].send({"type": "sessionError", "error": "no model"}))

        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        task = asyncio.create_task(refuse())
        try:
            async with bridge.carrier() as carrier:
                call = await fallback(carrier, within=6)
                assert await outcome(bridge, call) == "agent_session_error"
        finally:
            task.cancel()


async def test_a_session_that_never_opens_is_given_up(serve: Serve, tmp_path: Path) -> None:
    """No sessionOpen within start_timeout_s; a late one within it is no fault."""
    async with server(ready_delay=1.5) as it:
        bridge = await serve(configuration(tmp_path, kura(it, "start_timeout_s = 3"), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            await call.streaming()
            await session.say(0.3, with_ids=False)
            await call.hears(0.2)
            await call.hang_up()
            await session.gone()
            it.fault("upgrade", never_ready=True, times=None)
            call = await fallback(carrier, within=5)
            assert await outcome(bridge, call) == "agent_silent_start"


@pytest.mark.parametrize(
    ("status", "reason", "tries"),
    [(401, "agent_auth", 1), (403, "agent_forbidden", 1), (404, "agent_not_found", 1), (500, "agent_5xx", 2)],
)
async def test_refusals_lead_to_the_fallback(
    serve: Serve, tmp_path: Path, status: int, reason: str, tries: int
) -> None:
    """Each error of the document has its meaning; only what may help is tried again."""
    async with server() as it:
        it.fault("create", status=status, times=None)
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await fallback(carrier, within=6)
            assert await outcome(bridge, call) == reason
        assert len(it.seen("create")) <= tries + 1
        failed = bridge.told("agent_failed")
        assert failed
        assert failed[0]["hint"]


async def test_a_missing_permission_is_named(serve: Serve, tmp_path: Path) -> None:
    """403: the log says which permission the key lacks."""
    async with server(keys=[Key(KEY, permissions=PERMISSIONS - {"sessions:create"})]) as it:
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            await fallback(carrier, within=6)
        assert "sessions:create" in str(bridge.told("agent_failed")[0])
        assert KEY not in bridge.text
    async with server(keys=[Key(KEY, permissions=PERMISSIONS - {"sessions:connect"})]) as it:
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            await fallback(carrier, within=6)
        assert "sessions:connect" in str(bridge.told("agent_failed"))


async def test_a_short_wait_is_waited_and_a_long_one_is_not(serve: Serve, tmp_path: Path) -> None:
    """429: Retry-After within the answer budget is obeyed, beyond it the fallback comes at once."""
    async with server() as it:
        it.fault("create", status=429, headers={"Retry-After": "1"})
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await it.session()
            asked = it.seen("create")
            assert 0.95 < asked[1].at - asked[0].at < 2
            await call.hang_up()
            await session.gone()
    async with server() as it:
        it.fault("create", status=429, headers={"Retry-After": "30"}, times=None)
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await fallback(carrier, within=3)
            assert await outcome(bridge, call) == "agent_busy"
        assert len(it.seen("create")) == 1


async def test_calls_are_spread_over_the_keys(serve: Serve, tmp_path: Path) -> None:
    """A list of keys: one that is exhausted or refused is not in the way of a call."""
    async with server(keys=[Key(KEY, per_minute=2), Key(OTHER, per_minute=60)]) as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            for _ in range(5):
                call = await carrier.call()
                session = await it.session()
                await call.streaming()
                await call.hang_up()
                await session.gone()
        assert {grant.key.secret for grant in it.grants.values()} >= {OTHER}


async def test_a_delete_is_left_out_where_room_is_short(serve: Serve, tmp_path: Path) -> None:
    """stopSession has done its work: the last requests of the minute are kept for callers."""
    async with server(keys=[Key(KEY, per_minute=4)]) as it:
        bridge = await serve(configuration(tmp_path, kura(it)))
        async with bridge.carrier() as carrier:
            for _ in range(4):
                call = await carrier.call()
                session = await it.session()
                await call.streaming()
                await call.hang_up()
                await session.gone()
                assert len(session.of("stopSession")) == 1
        assert len(it.seen("create")) == 4
        assert not it.seen("end")


@pytest.mark.parametrize(
    "base", ["ws://203.0.113.9:8080", "ws://evil.example.com", "wss://evil.example.com", "http://127.0.0.1:1"]
)
async def test_a_foreign_or_plain_socket_is_never_dialled(serve: Serve, tmp_path: Path, base: str) -> None:
    """The URL holds the key: it goes to no other host, and its text to no log."""
    async with server(socket_base=base) as it:
        bridge = await serve(configuration(tmp_path, kura(it), lines=FALLBACK))
        async with bridge.carrier() as carrier:
            call = await fallback(carrier, within=6)
            assert await outcome(bridge, call) == "agent_bad_reply"
        assert not it.sessions
        assert KEY not in bridge.text
