"""Twilio Media Streams: messages to events, orders to messages."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.audio.formats import TELEPHONE
from bridge.call.events import (
    ClearAudio,
    Ignored,
    PhoneAudio,
    PhoneClosed,
    PhoneDigit,
    PhoneEvent,
    PhoneOpened,
    PhoneReached,
    PlayAudio,
    PlayMark,
)
from bridge.carriers.twilio.stream import MAX_MESSAGE, MAX_PAYLOAD, TwilioStream
from bridge.errors import ProtocolError, Reason

MZ = "MZ18ad3ab5a668481ce02b83e7395059f0"


def message(kind: str, **changes: Any) -> bytes:
    """A recorded message, with the inner object's fields replaced; None takes a field away."""
    value = json.loads((Path(__file__).parent / f"{kind}.json").read_text())
    for name, change in changes.items():
        target = value if name in {"streamSid", "sequenceNumber", "event"} else value[kind]
        if change is None:
            del target[name]
        else:
            target[name] = change
    return json.dumps(value).encode()


def opened() -> TwilioStream:
    """A stream that has had its connected and start."""
    stream = TwilioStream()
    stream.receive(message("connected"))
    stream.receive(message("start"))
    return stream


def heard(payload: str, **changes: Any) -> list[PhoneEvent]:
    """What a started stream makes of one message of sound."""
    return list(opened().receive(message("media", payload=payload, **changes)))


def test_a_call_as_twilio_documents_it() -> None:
    """The documented messages of one call come out as its opening, sound, key, mark and orderly end."""
    stream = TwilioStream()
    events = [
        event
        for kind in ("connected", "start", "media", "dtmf", "mark", "stop")
        for event in stream.receive(message(kind))
    ]
    assert events == [
        PhoneOpened(
            stream_id=MZ,
            carrier_call_id="CA0123456789abcdef0123456789abcdef",
            account_id="AC" + "5" * 32,
            format=TELEPHONE,
            parameters={"grant": "q1w2e3"},
        ),
        PhoneAudio(bytes((i * 7) % 256 for i in range(160))),
        PhoneDigit("1"),
        PhoneReached("turn-3.7"),
        PhoneClosed(orderly=True, detail="stop"),
    ]


@pytest.mark.parametrize("size", [1, 159, 160, 161, MAX_PAYLOAD])
def test_sound_of_any_length_is_taken(size: int) -> None:
    """Twilio does not promise 20 ms: one byte or a whole second is sound too."""
    sound = bytes(range(256)) * 32
    assert heard(base64.b64encode(sound[:size]).decode()) == [PhoneAudio(sound[:size])]


def test_more_than_a_second_of_sound_in_a_message_is_refused() -> None:
    """One message never holds more than 8 KiB of sound."""
    with pytest.raises(ProtocolError):
        heard(base64.b64encode(b"\xff" * (MAX_PAYLOAD + 1)).decode())


def test_a_message_over_64_kib_is_refused_unread() -> None:
    """A huge message is refused by its size, though it would be a good one."""
    padded = message("media") + b" " * MAX_MESSAGE
    assert opened().receive(padded[:MAX_MESSAGE]) == opened().receive(message("media"))
    with pytest.raises(ProtocolError):
        opened().receive(padded)


@pytest.mark.parametrize("payload", ["!!@@", "QQ", "QQ=", "QQ==QQ==", "QU JD", "QUJD\n", "QQ-_", "===="])
def test_base64_is_taken_by_the_strict_alphabet_only(payload: str) -> None:
    """Sound that is not strict base64 is refused rather than guessed at."""
    with pytest.raises(ProtocolError):
        heard(payload)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"payload": ""}, "empty_media"),
        ({"track": "outbound"}, "foreign_track"),
        ({"streamSid": "MZ" + "0" * 32}, "wrong_stream"),
    ],
)
def test_sound_that_is_not_the_callers_is_counted(changes: dict[str, Any], kind: str) -> None:
    """Empty sound, another track and another stream are dropped under a name of their own."""
    assert list(opened().receive(message("media", **changes))) == [Ignored(kind)]


@pytest.mark.parametrize("number", ["0", "-1", "99999999999999999999", "x", "", 7, None])
def test_sequence_numbers_do_not_matter(number: Any) -> None:
    """Sound is taken in the order of its arrival, whatever its numbers say."""
    changed = message("media", sequenceNumber=number, chunk=number, timestamp=number)
    assert isinstance(opened().receive(changed)[0], PhoneAudio)


@pytest.mark.parametrize(
    "media_format",
    [
        None,
        {},
        "audio/x-mulaw",
        {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
    ],
)
def test_another_media_format_ends_the_stream(media_format: Any) -> None:
    """A stream that is not mu-law at 8 kHz is refused at once, with its own reason."""
    with pytest.raises(ProtocolError) as caught:
        TwilioStream().receive(message("start", mediaFormat=media_format))
    assert getattr(caught.value, "fatal", False)
    assert caught.value.reason is Reason.BAD_MEDIA_FORMAT


@pytest.mark.parametrize(
    "changes",
    [
        {"callSid": "CA" + "f" * 32},
        {"streamSid": "MZ" + "f" * 32},
        {"accountSid": "AC" + "f" * 32},
        {"customParameters": {"grant": "other"}},
    ],
)
def test_a_second_start_cannot_change_who_is_calling(changes: dict[str, Any]) -> None:
    """A start with another identity is refused in a way that closes the socket."""
    value = json.loads(message("start"))
    value["start"] |= changes
    with pytest.raises(ProtocolError) as caught:
        opened().receive(json.dumps(value).encode())
    assert getattr(caught.value, "fatal", False)
    assert caught.value.reason is Reason.CARRIER_PROTOCOL


@pytest.mark.parametrize(
    "changes",
    [
        {"callSid": "CA1"},
        {"callSid": "CA" + "F" * 32},
        {"callSid": "CA" + "f" * 32 + "\n"},
        {"accountSid": ""},
        {"customParameters": {"grant": 1}},
        {"customParameters": []},
    ],
)
def test_a_malformed_start_opens_nothing(changes: dict[str, Any]) -> None:
    """A start whose ids or parameters are no such things is refused, and a good one is taken after it."""
    stream = TwilioStream()
    with pytest.raises(ProtocolError) as caught:
        stream.receive(message("start", **changes))
    assert not getattr(caught.value, "fatal", False)
    assert isinstance(stream.receive(message("start"))[0], PhoneOpened)


def test_a_stream_id_cannot_break_out_of_our_messages() -> None:
    """A stream id with a quote in it is refused: it would be written into every message of ours."""
    value = json.loads(message("start"))
    value["start"]["streamSid"] = 'MZ","event":"clear'
    with pytest.raises(ProtocolError):
        TwilioStream().receive(json.dumps(value).encode())


@pytest.mark.parametrize("digit", list("0123456789*#ABCD"))
def test_every_key_is_told(digit: str) -> None:
    """All sixteen keys reach the call."""
    assert list(opened().receive(message("dtmf", digit=digit))) == [PhoneDigit(digit)]


@pytest.mark.parametrize("digit", ["", "12", "E", " ", "\u0661", 1])
def test_what_is_no_key_is_refused(digit: Any) -> None:
    """A key press that no telephone can make is malformed."""
    with pytest.raises(ProtocolError):
        opened().receive(message("dtmf", digit=digit))


def test_a_key_on_another_track_is_counted() -> None:
    """A key that was not pressed by the caller is not the caller's."""
    assert list(opened().receive(message("dtmf", track="outbound_track"))) == [Ignored("foreign_track")]


def test_messages_that_twilio_may_add_are_counted() -> None:
    """An event of a new name is counted under one label, whatever its name and content."""
    for raw in (b'{"event":"video"}', b'{"event":"","media":7}', b'{"event":"x","start":[]}', b'{"event":"Media"}'):
        assert list(opened().receive(raw)) == [Ignored("unknown")]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"null",
        b"5",
        b'"media"',
        b"[]",
        b"{}",
        b"NaN",
        b'{"event":NaN}',
        b'{"event":null}',
        b'{"event":["media"]}',
        b'{"event":"media"}',
        b'{"event":"media","streamSid":"' + MZ.encode() + b'","media":5}',
        b'{"event":"mark","streamSid":' + b"9" * 5000 + b"}",
        b'{"event":"\\ud800"}',
        b'{"event":"mark","streamSid":"\\ud800","mark":{"name":"a"}}',
        b'{"event":"media","streamSid":"\xff\xfe"}',
        b"\xef\xbb\xbf{}",
        b"[" * 60000,
        b'{"event":"mark","x":' + b"[" * 60000,
        b'{"x":' * 9000 + b"1" + b"}" * 9000,
        message("media") + b"{}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_hostile_messages_are_refused_and_the_stream_goes_on(raw: bytes) -> None:
    """Nothing that a socket can carry raises anything but ProtocolError, or keeps the next message from being heard."""
    stream = opened()
    with pytest.raises(ProtocolError) as caught:
        stream.receive(raw)
    assert not getattr(caught.value, "fatal", False)
    assert isinstance(stream.receive(message("media"))[0], PhoneAudio)


@pytest.mark.parametrize("number", [b"1" * 5000, b"1e999", b"-0.0"])
def test_strange_numbers_in_unread_fields_do_no_harm(number: bytes) -> None:
    """A field that is not read may hold any number."""
    raw = message("media").replace(b'"sequenceNumber": "4"', b'"sequenceNumber": ' + number)
    assert isinstance(opened().receive(raw)[0], PhoneAudio)


def test_sound_is_sent_as_documented() -> None:
    """Sound goes out as a media message with nothing but the stream's id and strict base64."""
    sound = bytes(range(256))
    assert json.loads(opened().send(PlayAudio(sound))) == {
        "event": "media",
        "streamSid": MZ,
        "media": {"payload": base64.b64encode(sound).decode()},
    }


@pytest.mark.parametrize("name", ["g1.2", "", 'a"b\\c', "\u00e9\n\U0001f600"])
def test_marks_are_sent_as_documented_and_come_back_as_they_were(name: str) -> None:
    """A mark goes out with its name, whatever is in it, and is told by the same name."""
    stream = opened()
    sent = json.loads(stream.send(PlayMark(name)))
    assert sent == {"event": "mark", "streamSid": MZ, "mark": {"name": name}}
    assert list(stream.receive(json.dumps(sent).encode())) == [PhoneReached(name)]


def test_a_clear_is_sent_as_documented() -> None:
    """A clear names the stream and nothing else."""
    assert json.loads(opened().send(ClearAudio())) == {"event": "clear", "streamSid": MZ}


def test_a_deep_field_of_an_unknown_event_does_no_harm() -> None:
    """How deep the decoder looks into what is not read differs by Python's version: it is refused or skipped, no more."""
    stream = opened()
    deep = b'{"event":"new","x":' + b'{"a":' * 9000 + b"1" + b"}" * 9001
    try:
        told = [type(event) for event in stream.receive(deep)]
    except ProtocolError:
        told = [Ignored]
    assert told == [Ignored]
    assert list(stream.receive(b'{"event":"new"}')) == [Ignored("unknown")]
