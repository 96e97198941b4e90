"""XUNA by its own documents, message by message, through the product as a process."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.acceptance.bridge import configuration, xuna
from tests.acceptance.conftest import Serve
from tests.standins import sound
from tests.standins.twilio.media import MediaStream
from tests.standins.xuna import Xuna, XunaAgent


def received(stream: MediaStream) -> int:
    """Samples that the phone was sent."""
    return sum(size for _, size in stream.arrivals)


async def test_each_call_has_a_signed_url_of_its_own(serve: Serve, tmp_path: Path) -> None:
    """One request with the key in xi-api-key for each call; the socket gets the URL as it is, once, and no key."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            for _ in range(2):
                call = await carrier.call()
                session = await server.session()
                await call.streaming()
                await call.hang_up()
                await session.gone(timeout=1)
        asked = server.seen("signed_url")
        assert [dict(each.query) for each in asked] == [{"agent_id": "agent_1"}] * 2
        assert len(server.used) == 2


async def test_a_public_agent_is_reached_by_its_id(serve: Serve, tmp_path: Path) -> None:
    """No credential is asked for; ?agent_id= is all that the socket gets."""
    async with Xuna(agents=[XunaAgent("agent_1", public=True)]) as server:
        table = xuna(server, 'authentication = "public"').replace(f'api_key = "{server.api_key}"\n', "")
        bridge = await serve(configuration(tmp_path, table))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            assert dict(session.request.query) == {"agent_id": "agent_1"}
            await call.hang_up()
            await session.gone()
        assert not server.seen("signed_url")


async def test_the_first_message_tells_overrides_and_variables(serve: Serve, tmp_path: Path) -> None:
    """Overrides as configured; dynamic variables of agent and line; what the bridge knows wins over both."""
    more = (
        'prompt = "Be brief."\nfirst_message = "Hi!"\nlanguage = "de"\nvoice_id = "voice_1"\n'
        'dynamic_variables = { plan_name = "Pro", seats = 3, ratio = 1.5, vip = true, call_id = "forged", area = "south" }'
    )
    lines = '[[lines]]\nnumber = "+15550100"\nagent = "support"\nvariables = { area = "north", direction = "forged" }'
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, more), lines=lines))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            record = await bridge.live(call.sid)
            assert session.overrides == {
                "agent": {"prompt": {"prompt": "Be brief."}, "first_message": "Hi!", "language": "de"},
                "tts": {"voice_id": "voice_1"},
            }
            assert session.variables == {
                "plan_name": "Pro", "seats": 3, "ratio": 1.5, "vip": True, "area": "north",
                "phone_number": "+15550123456", "called_number": "+15550100", "call_id": record["call_id"],
                "carrier_call_id": call.sid, "direction": "inbound",
            }  # fmt: skip
            await call.hang_up()
            await session.gone()


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "Restricted", ""])
async def test_a_withheld_number_is_told_as_empty(serve: Serve, tmp_path: Path, caller: str) -> None:
    """Callers who show no number are taken; phone_number is then ""."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call(from_=caller)
            session = await server.session()
            assert session.variables["phone_number"] == ""
            await call.hang_up()
            await session.gone()


@pytest.mark.parametrize("fmt", sound.FORMATS)
async def test_the_announced_format_is_what_is_played(serve: Serve, tmp_path: Path, fmt: str) -> None:
    """Frequency, level, length and purity of a tone survive every format; the uplink stays PCM16 at 16 kHz."""
    async with Xuna(agents=[XunaAgent("agent_1", output_format=fmt)]) as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            tone = sound.tone(2.0, frequency=1000.0, rate=sound.rate_of(fmt), level=0.4)
            await session.say(tone, chunk_ms=130)
            await call.speak(sound.tone(1.0, frequency=700.0))
            await call.hears(1.5)
            assert 0 <= 320 * stream.frames_sent - len(session.heard_pcm) <= 5 * 320
            await session.close(1000)
            await call.ended()
            assert 0 <= received(stream) - 16000 <= (0 if fmt == "ulaw_8000" else 32)
            start, length = max(sound.loud_runs(stream.heard, join=40), key=lambda run: run[1])
            assert abs(length - 16000) <= 40
            middle = stream.heard_pcm[start + 800 : start + 15200]
            found = sound.fit_sine(middle, 1000.0, 8000)
            assert abs(sound.frequency_of(middle, 8000) - 1000) < 0.5
            assert abs(found.level - 0.4) < 0.01
            assert found.snr_db > 35
            if fmt == "ulaw_8000":
                assert sound.mulaw_encode(tone) in stream.heard
            up = session.heard_pcm
            spoken = max(sound.loud_runs(sound.mulaw_encode(up), join=80), key=lambda run: run[1])
            assert abs(spoken[1] - 16000) <= 200
            middle = up[spoken[0] + 1600 : spoken[0] + 14400]
            assert sound.fit_sine(middle, 700.0, 16000).snr_db > 35


async def test_an_unknown_format_is_refused_and_not_played_wrong(serve: Serve, tmp_path: Path) -> None:
    """The caller hears words instead of noise, and the record says why."""
    async with Xuna() as server:
        server.agents["agent_1"].output_format = "pcm_16000"
        bridge = await serve(configuration(tmp_path, xuna(server)))

        async with bridge.carrier() as carrier:
            server.fault("upgrade", never_ready=True)
            call = await carrier.call()
            await call.streaming()
            while not server.sessions:
                await asyncio.sleep(0.01)
            await server.sessions[0].send(
                {
                    "type": "conversation_initiation_metadata",
                    "conversation_initiation_metadata_event": {
                        "conversation_id": "conv_1",
                        "agent_output_audio_format": "opus_48000",
                    },
                }
            )
            await call.hears(0.5, timeout=8)
            assert await call.ended(timeout=20) == "completed"
            record = await bridge.record(call.sid)
            assert record["outcome"]["class"] == "agent_error"


async def test_an_interruption_clears_the_phone_at_once(serve: Serve, tmp_path: Path) -> None:
    """Within 100 ms of the message nothing old is heard, though the agent had finished sending long before."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            await session.say(8.0, text="A very long sentence that nobody will hear to its end.", chunk_ms=200)
            await call.hears(1.0)
            sent = time.monotonic()
            await session.interrupt()
            await call.silent_for(0.5)
            last = stream.playout.last_loud
            assert last <= stream.at(sent) + 800
            clears = [at for at, message in stream.messages if message["event"] == "clear"]
            assert len(clears) >= 1
            assert clears[0] - sent < 0.1
            await session.say(0.5, text="Yes?")
            await call.hears(0.4)
            await session.close(1000)
            await call.ended()
            record = await bridge.record(call.sid)
            first = record["turns"][0]
            assert first["interrupted"] is True
            assert first["heard"] != first["text"]
            assert first["text"].startswith(first["heard"])
            assert record["turns"][1]["interrupted"] is False


@pytest.mark.parametrize(
    ("with_id", "late_id", "played"),
    [
        (None, 10, False),  # at or below the highest: stale
        (None, 7, False),
        (None, 11, True),
        (None, None, True),  # no id: played
        (10, 9, False),  # strictly older
        (10, 10, True),  # the reply may carry the very id
        (10, 11, True),
        (12, 11, False),
        (12, 12, True),
    ],
)
async def test_stale_audio_is_told_by_its_id(
    serve: Serve, tmp_path: Path, with_id: int | None, late_id: int | None, played: bool
) -> None:
    """The rules of the contract, to the letter."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            await session.say(4.0, chunk_ms=400)  # ids 1 to 10
            await call.hears(0.3)
            await session.interrupt(with_id)
            await call.silent_for(0.3)
            before = received(stream)
            await session.say(0.3, event_id=late_id, with_ids=late_id is not None, frequency=880.0)
            await session.ping(99)
            await session.ponged(99)
            await asyncio.sleep(0.1)
            assert received(stream) - before == (2400 if played else 0)
            await call.hang_up()
            await session.gone()


async def test_barge_in_off_leaves_the_queue_alone(serve: Serve, tmp_path: Path) -> None:
    """The agent says that it was interrupted; the caller hears it to the end all the same."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server, 'barge_in = "off"')))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            await session.say(1.5)
            await call.hears(0.3)
            await session.interrupt()
            await call.hears(1.1)
            assert not [1 for _, message in stream.messages if message["event"] == "clear"]
            await session.close(1000)
            await call.ended()
            assert 12000 <= received(stream) <= 12032


async def test_pings_are_answered_at_once_even_under_sound(serve: Serve, tmp_path: Path) -> None:
    """Each pong carries the id of its ping, within 50 ms, while sound flows both ways."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            speaking = asyncio.create_task(session.say(2.0, speed=1.0, chunk_ms=20))
            for event_id in (1, 123, 7, 2**31):
                await session.ping(event_id)
                assert await session.ponged(event_id) < 0.1
            await speaking
            await call.hang_up()
            await session.gone()


async def test_what_is_unknown_or_broken_is_skipped(serve: Serve, tmp_path: Path) -> None:
    """Unknown types, foreign fields and garbage change nothing for the caller; a digit is told as user_activity."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            for message in (
                {"type": "brand_new"}, {"type": "audio"}, {"type": "audio", "audio_event": {}}, {"no": "type"},
                {"type": "audio", "audio_event": {"audio_base_64": "!!!"}},
                {"type": "vad_score", "vad_score_event": {"vad_score": 0.4}},
                {"type": "agent_response"}, {"type": "ping"}, {"type": "user_transcript", "user_transcription_event": None},
            ):  # fmt: skip
                await session.send(message)
            for raw in (
                "not json",
                "[]",
                "null",
                "7",
                '{"type":',
                b"\x00\x01",
                '{"type": {"deep": ' + "[" * 500 + "]" * 500 + "}}",
            ):
                await session.send_raw(raw)
            await session.say(0.5)
            await call.hears(0.4)
            await call.press("5#")
            await session.got("user_activity", count=2)
            await session.close(1000)
            await call.ended()
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] == "agent_hangup"
            assert [event["digit"] for event in record["events"] if event["type"] == "dtmf"] == ["5", "#"]


async def test_last_words_are_heard_before_the_line_is_closed(serve: Serve, tmp_path: Path) -> None:
    """The agent closes with 1000 right after its last chunk: everything is heard, then the call ends by itself."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            stream = await call.streaming()
            await session.say(3.0, text="Goodbye!")
            await session.close(1000)
            began = time.monotonic()
            assert await call.ended() == "completed"
            assert time.monotonic() - began < 4
            assert sum(length for _, length in sound.loud_runs(stream.heard, join=40)) >= 23900
            assert [kind for kind, _ in call.documents] == ["voice", "action"]
            record = await bridge.record(call.sid)
            assert record["outcome"] == {"side": "agent", "class": "success", "reason": "agent_hangup"}
            assert record["status"] == "completed"
            assert record["agent_conversation_id"] == session.conversation_id


async def test_a_lost_agent_is_replaced_in_the_call(serve: Serve, tmp_path: Path) -> None:
    """1011, a reset or a plain end of the socket: what was sent is heard, and a new conversation goes on."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            first = await server.session()
            await call.streaming()
            await first.say(0.5, text="One moment.")
            await call.hears(0.2)
            await first.close(1011)
            second = await server.session()
            await second.say(0.5, text="Here I am again.")
            await call.hears(0.9)
            await second.close(1000)
            assert await call.ended() == "completed"
            record = await bridge.record(call.sid)
            assert [turn["text"] for turn in record["turns"]] == ["One moment.", "Here I am again."]


async def test_an_agent_that_is_never_ready_is_given_up_in_time(serve: Serve, tmp_path: Path) -> None:
    """start_timeout_s is from the offer to the metadata, retries included; then the line's fallback."""
    lines = '[[lines]]\nnumber = "*"\nagent = "support"\nfallback = { say = "Please hold for a person.", dial = "+15550999" }'
    async with Xuna() as server:
        server.fault("upgrade", never_ready=True, times=None)
        bridge = await serve(configuration(tmp_path, xuna(server, "start_timeout_s = 2"), lines=lines))
        async with bridge.carrier() as carrier:
            began = time.monotonic()
            call = await carrier.call()
            while not call.dialled:
                await asyncio.sleep(0.02)
                assert time.monotonic() - began < 5
            assert "Please hold for a person." in call.said
            assert call.dialled[0].to == ("+15550999",)
            await call.ended()
            record = await bridge.record(call.sid)
            assert record["outcome"]["reason"] == "agent_silent_start"
            assert record["outcome"]["side"] == "agent"


async def test_late_metadata_within_the_time_is_no_fault(serve: Serve, tmp_path: Path) -> None:
    """What the caller said meanwhile is not lost."""
    async with Xuna(ready_delay=1.5) as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            await call.streaming()
            await call.speak(sound.tone(0.5, frequency=700.0))
            session = await server.session()
            heard = await session.heard(1.2)
            assert abs(sound.frequency_of(heard, 16000) - 700) < 2
            await call.hang_up()
            await session.gone()
            assert len(server.sessions) == 1


async def test_the_first_word_is_there_when_the_phone_is(serve: Serve, tmp_path: Path) -> None:
    """Credential 300 ms, stream 250 ms after the webhook: the agent's first word within 200 ms of the stream's start."""
    async with Xuna() as server:

        async def greet(session: object) -> None:
            await server.sessions[-1].say(1.0, text="Hello!")

        server.on_session = greet
        server.fault("signed_url", delay=0.3, times=None)
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            taken: list[float] = []
            for _ in range(3):
                call = await carrier.call()
                stream = await call.streaming()
                assert stream.started_at is not None
                await call.hears(0.5)
                taken.append(stream.arrivals[0][0] - stream.started_at)
                await call.hang_up()
            # the stand-in opens its stream at once, so the credential's 300 ms are all there is to wait for
            assert min(taken) < 0.45


async def test_a_hang_up_closes_the_agent_within_a_second(serve: Serve, tmp_path: Path) -> None:
    """Before the stream, in the middle of a word, and while the agent is being fetched."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            await session.say(5.0)
            await call.hears(0.2)
            began = time.monotonic()
            await call.hang_up()
            assert await session.gone() in (1000, 1001)
            assert time.monotonic() - began < 1.5
            record = await bridge.record(call.sid)
            assert record["outcome"] == {"side": "caller", "class": "success", "reason": "caller_hangup"}
            assert record["turns"][0]["role"] == "agent"
