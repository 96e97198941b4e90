"""The Twilio stand-in against a bridge of a few lines: it follows TwiML, plays and hears, and catches each violation."""

import asyncio
import base64
import time
from typing import Any

import pytest
from aiohttp import web

from tests.standins import sound
from tests.standins.toy import PUBLIC, STREAM, Toy, carrier_for
from tests.standins.twilio import Carrier, DialResult, Playout, parse, sign


def test_signatures_match_the_published_vectors() -> None:
    """The documented example, and the one with a doubled field."""
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234")]
    form += [("From", "+14158675309"), ("To", "+18005551212")]
    assert sign("12345", url, form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    doubled = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert sign("12345", url + "#rc=2", doubled) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_the_playout_keeps_a_sample_clock() -> None:
    """Sound plays in real time, gaps are silence, marks come back when reached, and clear returns them all."""
    out = Playout(0.0)
    assert out.push(b"\x10" * 160, 0.010) == []
    assert out.mark("a", 0.010) == []
    assert out.advance(0.020) == []
    assert out.advance(0.030) == ["a"]
    assert out.mark("b", 0.040) == ["b"]
    out.push(b"\x11" * 8000, 0.050)
    out.mark("c", 0.050)
    assert out.clear(0.060) == ["c"]
    assert out.advance(0.1) == []
    assert bytes(out.heard) == b"\xff" * 80 + b"\x10" * 160 + b"\xff" * 160 + b"\x11" * 80 + b"\xff" * 320
    assert out.spans == [(80, 160), (400, 80)]
    assert (out.peak, out.cleared, out.queued) == (8000, 7920, 0)


async def test_a_call_is_carried_and_hung_up() -> None:
    """Speech comes back whole, keys arrive, and the end is told by stop, status callback and action."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.cushion = 0.1
        call = await carrier.call()
        stream = await call.streaming()
        await call.speak(0.5, frequency=1000)
        await call.hears(0.4)
        await call.press("1#")
        await call.hang_up()
        assert await call.ended() == "completed"
        assert [e["event"] for e in toy.events[:3]] == ["connected", "start", "media"]
        assert toy.of("start")[0]["start"]["customParameters"] == {"grant": "g1"}
        assert [e["dtmf"]["digit"] for e in toy.of("dtmf")] == ["1", "#"]
        assert toy.events[-1]["event"] == "stop"
        first, length = sound.loud_runs(stream.heard, join=8)[0]
        assert abs(length - 4000) < 8
        assert sound.fit_sine(stream.heard_pcm[first + 160 : first + 3200], 1000, 8000).snr_db > 33
        assert [p for p, _ in toy.forms] in (
            ["/twilio/voice", "/twilio/status", "/twilio/after"],
            ["/twilio/voice", "/twilio/after", "/twilio/status"],
        )
        assert {f["CallStatus"] for p, f in toy.forms if p != "/twilio/voice"} == {"completed"}


async def test_media_is_paced_on_a_monotonic_origin() -> None:
    """Fifty frames take a second, numbered from one, 160 bytes each."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        call = await carrier.call()
        stream = await call.streaming()
        begin = time.monotonic()
        await call.pulse.until(lambda: stream.frames_sent >= 51, "51 frames")
        assert 0.9 < time.monotonic() - begin < 1.3
        await call.hang_up()
        frames = toy.of("media")
        assert [f["media"]["chunk"] for f in frames] == [str(n + 1) for n in range(len(frames))]
        assert {len(base64.b64decode(f["media"]["payload"])) for f in frames} == {160}


async def test_marks_come_back_when_their_sound_was_heard() -> None:
    """A mark behind 300 ms of sound comes back after 300 ms; clear brings back the rest at once."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        back: dict[str, float] = {}
        sent = 0.0

        async def media(ws: web.WebSocketResponse, event: dict[str, Any]) -> None:
            nonlocal sent
            sid = event.get("streamSid")
            if event["event"] == "start":
                sent = time.monotonic()
                for name, seconds in (("a", 0.3), ("b", 5.0)):
                    payload = base64.b64encode(sound.mulaw_encode(sound.tone(seconds))).decode()
                    await ws.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})
                    await ws.send_json({"event": "mark", "streamSid": sid, "mark": {"name": name}})
            elif event["event"] == "mark":
                back[event["mark"]["name"]] = time.monotonic() - sent
                await ws.send_json({"event": "clear", "streamSid": sid})

        toy.media = media
        call = await carrier.call()
        await call.streaming()
        await call.pulse.until(lambda: len(back) == 2, "both marks")
        assert 0.28 < back["a"] < 0.5
        assert back["b"] - back["a"] < 0.1
        await call.hang_up()


async def test_a_lost_socket_leads_to_the_action_url_with_retries() -> None:
    """After a reset the action is asked with the call in progress, again and again where it fails, fragment unsent."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.hooks.retry_gap = 0.01
        call = await carrier.call()
        await call.streaming()
        toy.status = 503
        call.lose_socket()
        await call.ended()
        action = call.webhooks("action")[0]
        assert (action.attempts, action["CallStatus"], action.failure) == (4, "in-progress", "5xx")
        assert "stop" not in [e["event"] for e in toy.events]
        assert call.reason == "application error"
        carrier.forgive("action webhook was answered 503")


async def test_verbs_are_followed() -> None:
    """Words, pauses, redirects and dialling happen in order and are remembered."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.dial_results["+15550999"] = DialResult("busy")
        toy.voice = (
            '<Response><Say voice="Polly.Joanna">Please hold.</Say><Dial action="/twilio/after" timeout="20">'
            "<Number>+15550999</Number></Dial></Response>"
        )
        call = await carrier.call()
        assert await call.ended() == "completed"
        await carrier.settled()
        assert call.said == ["Please hold."]
        assert call.dialled[0].to == ("+15550999",)
        assert call.webhooks("action")[0]["DialCallStatus"] == "busy"
        assert call.reason == "hung up by TwiML"


async def test_an_update_tears_the_stream_down() -> None:
    """New TwiML stops the stream and runs; the old action is not asked."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        call = await carrier.call()
        await call.streaming()
        await call.update(twiml="<Response><Say>Goodbye.</Say></Response>")
        await call.ended()
        assert toy.events[-1]["event"] == "stop"
        assert call.said == ["Goodbye."]
        assert call.webhooks("action") == []


async def test_the_bridge_may_close_the_stream() -> None:
    """Its close leads on to the action, whose answer ends the call."""
    async with Toy() as toy, carrier_for(toy) as carrier:

        async def media(ws: web.WebSocketResponse, event: dict[str, Any]) -> None:
            if event["event"] == "start":
                await ws.close()

        toy.media = media
        call = await carrier.call()
        assert await call.ended() == "completed"
        assert call.stream is not None
        assert (call.stream.close_code, call.reason) == (1000, "hung up by TwiML")
        assert call.webhooks("action")[0]["CallStatus"] == "in-progress"


@pytest.mark.parametrize("how", ["wrong", "missing"])
async def test_unsigned_requests_must_be_refused(how: str) -> None:
    """403 is right, whether webhook or upgrade; an answer as if nothing were wrong is a violation."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.signing = how
        assert (await carrier.call()).reason == "application error"
        carrier.signing, carrier.stream_signing = "right", how
        call = await carrier.call()
        await call.ended()
        assert call.errors[0].startswith("31920")
    async with Toy() as lax, carrier_for(lax, auth_token="another token") as carrier:
        lax.token, carrier.signing = "another token", "wrong"
        await carrier.call()
        assert len(carrier.forgive("without a right signature was answered")) == 2


WRONG_MEDIA: dict[str, tuple[str | bytes, str]] = {
    "other sid": ('{"event": "clear", "streamSid": "MZ1"}', "another stream"),
    "no sid": ('{"event": "clear"}', "streamSid is missing"),
    "event": ('{"event": "stop", "streamSid": "SID"}', "'stop' is not media, mark or clear"),
    "base64": ('{"event": "media", "streamSid": "SID", "media": {"payload": "a b="}}', "not base64"),
    "header": ('{"event": "media", "streamSid": "SID", "media": {"payload": "UklGRgAA"}}', "file header"),
    "extra": (
        '{"event": "media", "streamSid": "SID", "media": {"payload": "////", "track": "x"}}',
        "track is undocumented",
    ),
    "mark": ('{"event": "mark", "streamSid": "SID"}', "mark.mark is missing"),
    "binary": (b"\xff\xff", "binary message"),
    "json": ("hello", "not JSON"),
}


@pytest.mark.parametrize("case", list(WRONG_MEDIA))
async def test_a_wrong_message_ends_the_stream(case: str) -> None:
    """What Twilio would not take is a violation (31924) and the end of the stream."""
    data, words = WRONG_MEDIA[case]
    async with Toy() as toy, carrier_for(toy) as carrier:

        async def media(ws: web.WebSocketResponse, event: dict[str, Any]) -> None:
            if event["event"] == "start":
                if isinstance(data, bytes):
                    await ws.send_bytes(data)
                else:
                    await ws.send_str(data.replace("SID", event["streamSid"]))

        toy.media = media
        call = await carrier.call()
        await call.ended()
        assert call.errors[0].startswith("31924")
        carrier.forgive(words)


WRONG_TWIML = {
    "<Response><Say>a & b</Say></Response>": "not well-formed",
    "<Answer/>": "the root is <Answer>",
    "<Response><Sing/></Response>": "<Sing> is not a verb",
    '<Response><Say speed="2">x</Say></Response>': "no attribute 'speed'",
    "<Response><Say>x</Say><Reject/></Response>": "not the first verb",
    '<Response><Connect><Stream url="wss://x/y?z=1"/></Connect></Response>': "query string",
    '<Response><Connect><Stream url="ws://bridge.example.com/y"/></Connect></Response>': "not wss",
    STREAM.replace("g1", "v" * 495): "500 characters",
    "<Response><Dial/></Response>": "nobody to dial",
    '<Response><Pause length="x"/></Response>': "not a number",
    '<Response><Hangup after="1"/></Response>': "no attribute 'after'",
}


@pytest.mark.parametrize("text", list(WRONG_TWIML))
async def test_wrong_twiml_is_a_violation(text: str) -> None:
    """Unknown verbs and attributes, bad stream addresses and documents that are none are caught."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        toy.voice = text
        await (await carrier.call()).hang_up()
        carrier.forgive(WRONG_TWIML[text])
        carrier.violations.clear()


def test_right_twiml_has_no_problems() -> None:
    """What the documents show is taken as it stands."""
    assert parse(STREAM)[1] == []
    assert parse('<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>')[1] == []


async def test_a_wrong_answer_is_a_violation() -> None:
    """Another content type and another status are caught; the fallback URL is asked with what went wrong."""
    async with Toy() as toy, carrier_for(toy, fallback_url=f"{PUBLIC}/fallback") as carrier:
        toy.voice, toy.kind = "<Response/>", "application/json"
        await (await carrier.call()).ended()
        carrier.forgive("answered as 'application/json")
        toy.status = 500
        await (await carrier.call()).ended()
        carrier.forgive("voice webhook was answered 500")
        assert toy.forms[-2][1]["ErrorUrl"] == f"{PUBLIC}/twilio/voice"
        carrier.violations.clear()


async def test_a_bridge_that_is_away_is_asked_again() -> None:
    """A refused connection is retried once by default, then it is an application error and nobody's violation."""
    async with Carrier(public_url=PUBLIC, address="127.0.0.1:9") as carrier:
        carrier.hooks.retry_gap = 0.01
        call = await carrier.call()
        assert (call.reason, call.webhooks("voice")[0].attempts) == ("application error", 2)
        await asyncio.sleep(0)


async def test_a_bridge_that_restarts_gets_its_call_back() -> None:
    """The socket is lost, the action URL is asked until somebody answers, and a new stream begins."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.hooks.retry_gap = 0.3
        call = await carrier.call()
        await call.streaming()
        call.lose_socket()
        await toy.__aexit__()
        toy.after = STREAM
        await asyncio.sleep(0.1)
        await toy.__aenter__()
        await call.streaming(count=2)
        assert call.webhooks("action")[0].attempts > 1
        await call.hang_up()
        assert call.errors == []


async def test_digits_are_gathered() -> None:
    """Keys pressed outside a stream answer a <Gather>."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        toy.voice = '<Response><Gather numDigits="2" action="/twilio/after"><Say>Press.</Say></Gather></Response>'
        call = await carrier.call()
        await call.press("42", gap=0.0)
        await call.ended()
        assert (call.said, call.webhooks("gather")[0]["Digits"]) == (["Press."], "42")


async def test_a_recording_by_twiml_is_told_at_the_end() -> None:
    """Unless its callback is lost, as the test may order; status callbacks likewise."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        toy.voice = STREAM.replace(
            "<Connect",
            f'<Start><Recording recordingStatusCallback="{PUBLIC}/twilio/status" channels="dual"/></Start><Connect',
        )
        carrier.lost_callbacks.add("status")
        call = await carrier.call()
        await call.streaming()
        await call.hang_up()
        told = [f for p, f in toy.forms if p == "/twilio/status"]
        assert [(f["RecordingStatus"], f["RecordingChannels"]) for f in told] == [("completed", "2")]


async def test_overrides_out_of_bounds_are_a_violation() -> None:
    """The fragment's keys and values are Twilio's, or they do nothing."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        toy.voice = "<Response><Redirect>/twilio/after#rc=9&amp;zz=1</Redirect></Response>"
        await (await carrier.call()).ended()
        carrier.forgive("override rc=9 is not within 0..5")
        carrier.forgive("unknown override 'zz'")


async def test_a_stream_comes_later_where_the_test_orders_it() -> None:
    """The socket is opened only `stream_delay` seconds after the TwiML."""
    async with Toy() as toy, carrier_for(toy) as carrier:
        carrier.stream_delay = 0.1
        began = time.monotonic()
        call = await carrier.call()
        stream = await call.streaming()
        assert stream.started_at is not None
        assert stream.started_at - began >= 0.1
        await call.hang_up()
        assert await call.ended() == "completed"
