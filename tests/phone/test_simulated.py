"""The simulated telephone against a toy bridge over real sockets."""

from base64 import b64decode

import numpy as np
import pytest

from bridge.audio.sound import from_samples
from bridge.phone.line import Line
from bridge.phone.options import PhoneFailure, PhoneOptions
from bridge.phone.report import Kind
from bridge.phone.script import converse
from bridge.phone.simulated import SimulatedPhone

from .toy import TOKEN, Media, Toy

CONNECT = (
    '<Response><Connect action="/after?n=1"><Stream url="{ws}"><Parameter name="grant" value="g"/></Stream></Connect>'
    "<Say>lost</Say></Response>"
)
HANGUP = {"/twilio/voice": CONNECT, "/after": "<Response><Hangup/></Response>"}
TONE = from_samples(0.2 * np.sin(2 * np.pi * 300 * np.arange(4000) / 8000), 8000)  # half a second
HEARD = TONE.mulaw()


def phone(toy: Toy, **options: object) -> SimulatedPhone:
    """One that calls the toy."""
    chosen = PhoneOptions(url=toy.url, auth_token=TOKEN, stream_delay_s=0.0, **options)  # type: ignore[arg-type]
    return SimulatedPhone(chosen, converse([]))


async def test_what_the_bridge_plays_is_heard_to_the_sample() -> None:
    """Sound in odd pieces is heard once, whole and without a seam; marks come back in order; then the bridge hangs up."""

    async def media(stream: Media) -> None:
        await stream.until("start")
        await stream.mark("first")
        for at in range(0, len(HEARD), 333):
            await stream.play(HEARD[at : at + 333])
        await stream.mark("second")
        await stream.until("mark")
        await stream.until("mark")

    async with Toy(HANGUP, media) as toy:
        report = await phone(toy).call()
        (stream,) = toy.streams
    assert HEARD in report.heard
    assert set(report.heard.replace(HEARD, b"")) <= {0xFF}
    assert [message["mark"]["name"] for message in stream.seen if message["event"] == "mark"] == ["first", "second"]
    assert (report.answered, report.ended_by, report.marks, report.faults) == (True, "bridge", 2, [])
    assert report.first_word_ms is not None


async def test_the_messages_are_those_of_the_carrier() -> None:
    """Connected and start come first with every documented field; media counts up in 20 ms; sequence numbers have no gap."""

    async def media(stream: Media) -> None:
        for _ in range(5):
            await stream.until("media")

    async with Toy(HANGUP, media) as toy:
        report = await phone(toy, from_number="+15550134567").call()
        (stream,) = toy.streams
    connected, start, *rest = stream.seen
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start["start"]["customParameters"] == {"grant": "g"}
    assert start["start"]["callSid"] == report.call_sid
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    assert [message["media"]["chunk"] for message in rest] == ["1", "2", "3", "4", "5"]
    assert {len(b64decode(message["media"]["payload"])) for message in rest} == {160}
    assert [message["sequenceNumber"] for message in stream.seen[1:]] == [str(n) for n in range(1, 7)]
    assert np.diff([int(message["media"]["timestamp"]) for message in rest]).tolist() == [20] * 4


async def test_a_clear_empties_what_is_queued() -> None:
    """Cleared sound is not heard, its marks come back at once, and the interruption is timed from the caller's onset."""

    async def media(stream: Media) -> None:
        await stream.until("start")
        await stream.play(HEARD * 20)
        await stream.mark("unheard")
        while True:
            message = await stream.until("media")
            if set(b64decode(message["media"]["payload"])) != {0xFF}:
                break
        await stream.send("clear")
        await stream.until("mark")

    async def caller(line: Line) -> None:
        await line.until_heard(5)
        await line.wait(0.2)
        await line.say(TONE)
        await line.until(lambda: False, 5)

    async with Toy(HANGUP, media) as toy:
        report = await SimulatedPhone(PhoneOptions(url=toy.url, auth_token=TOKEN, stream_delay_s=0.0), caller).call()
    assert report.clears == report.marks == 1
    assert len(report.heard.replace(b"\xff", b"")) < 2 * len(HEARD)
    assert len(report.interruption_ms) == 1
    assert report.interruption_ms[0] < 500


async def test_the_caller_is_heard_and_hangs_up_cleanly() -> None:
    """What the caller says and presses arrives whole; hanging up sends stop, asks the action and reports completed."""

    async def media(stream: Media) -> None:
        await stream.until("start")
        await stream.play(HEARD)
        assert await stream.until("stop")

    async def caller(line: Line) -> None:
        assert await line.until_heard(5)
        assert await line.until_quiet(5, pause=0.1)
        await line.say(TONE, "a tone")
        await line.press("1#")

    async with Toy(HANGUP, media) as toy:
        report = await SimulatedPhone(PhoneOptions(url=toy.url, auth_token=TOKEN, stream_delay_s=0.0), caller).call()
        (stream,) = toy.streams
    said = b"".join(b64decode(message["media"]["payload"]) for message in stream.seen if message["event"] == "media")
    assert HEARD in said
    assert [message["dtmf"]["digit"] for message in stream.seen if message["event"] == "dtmf"] == ["1", "#"]
    assert report.ended_by == "caller"
    paths = [(path, fields["CallStatus"]) for path, fields in toy.requests]
    assert paths == [("/twilio/voice", "ringing"), ("/after?n=1", "completed"), ("/twilio/status", "completed")]
    assert toy.requests[-1][1]["CallDuration"] == str(round(report.duration_s))


async def test_redirects_words_and_a_second_stream() -> None:
    """Redirect, Say, Pause and a Dial are followed in order; without anything more the carrier hangs up."""
    twiml = {
        "/twilio/voice": "<Response><Redirect>/twilio/next</Redirect></Response>",
        "/twilio/next": '<Response><Say>please hold</Say><Pause length="0"/><Dial action="dialled">+15550999</Dial></Response>',
        "/twilio/dialled": "<Response/>",
    }
    async with Toy(twiml) as toy:
        report = await phone(toy).call()
    assert [path for path, _ in toy.requests][:3] == ["/twilio/voice", "/twilio/next", "/twilio/dialled"]
    assert toy.requests[2][1]["DialCallStatus"] == "no-answer"
    assert report.ended_by == "carrier"
    assert 'says "please hold"' in [moment.text for moment in report.moments]


async def test_a_rejected_call_is_not_answered() -> None:
    """Reject ends the call before it is answered."""
    async with Toy({"/twilio/voice": '<Response><Reject reason="busy"/></Response>'}) as toy:
        report = await phone(toy).call()
    assert not report.answered
    assert report.heard == b""


async def test_a_loop_of_redirects_ends() -> None:
    """TwiML that redirects to itself for ever is a fault, not an endless call."""
    async with Toy({"/twilio/voice": "<Response><Redirect>/twilio/voice</Redirect></Response>"}) as toy:
        report = await phone(toy).call()
    assert len(report.faults) == 1
    assert len(toy.requests) < 60


@pytest.mark.parametrize(
    "bad",
    [
        {"event": "media", "media": {"payload": "***"}},
        {"event": "media", "media": {}},
        {"event": "hello"},
        {"event": "clear", "streamSid": "other"},
    ],
)
async def test_what_the_carrier_does_not_understand_ends_the_stream(bad: dict[str, object]) -> None:
    """A message that no carrier would take is reported as error 31924 and the stream ends."""

    async def media(stream: Media) -> None:
        await stream.until("start")
        await stream.socket.send_json({"streamSid": stream.sid, **bad})
        await stream.until("nothing")

    async with Toy(HANGUP, media) as toy:
        report = await phone(toy).call()
    assert [fault[:5] for fault in report.faults] == ["31924"]


async def test_a_wrong_token_is_explained() -> None:
    """A refused signature fails the call with a remedy that names the credentials."""
    async with Toy(HANGUP) as toy:
        options = PhoneOptions(url=toy.url, auth_token="wrong")
        with pytest.raises(PhoneFailure, match="signature") as caught:
            await SimulatedPhone(options, converse([])).call()
    assert "auth_token" in caught.value.hint


async def test_nobody_there_is_explained() -> None:
    """An address where nothing answers fails the call with a remedy."""
    async with Toy({}) as toy:
        url = toy.url
    with pytest.raises(PhoneFailure, match="reached") as caught:
        await SimulatedPhone(PhoneOptions(url=url), converse([])).call()
    assert caught.value.hint


async def test_a_call_has_a_longest_duration() -> None:
    """A bridge that never ends the call is hung up on."""

    async def media(stream: Media) -> None:
        await stream.until("stop")

    async with Toy(HANGUP, media) as toy:
        report = await phone(toy, max_duration_s=0.5).call()
    assert report.duration_s == pytest.approx(0.5, abs=0.2)
    assert report.moments[-1].kind is Kind.ENDED
    assert toy.streams[0].seen[-1]["event"] == "stop"
