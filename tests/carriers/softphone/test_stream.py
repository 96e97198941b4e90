"""The softphone's messages."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from bridge.carriers.softphone.stream import ACCOUNT, MAX_MESSAGE, MAX_PAYLOAD, SoftphoneStream, StreamRefused
from bridge.errors import LocalError, ProtocolError, Reason

START = {"type": "start", "call": "page-0001", "line": "+15550100", "agent": "support"}


def told(stream: SoftphoneStream, message: Any) -> list[PhoneEvent]:
    """What a message of the page comes to."""
    return list(stream.receive(json.dumps(message).encode()))


@pytest.fixture
def stream() -> SoftphoneStream:
    """One that has started."""
    stream = SoftphoneStream()
    told(stream, START)
    return stream


def audio(sound: bytes) -> dict[str, str]:
    """A message with sound."""
    return {"type": "audio", "data": base64.b64encode(sound).decode()}


def test_a_start_opens_the_call() -> None:
    """With who is called and which agent is wanted; the sound is a telephone's."""
    assert told(SoftphoneStream(), START) == [
        PhoneOpened(
            stream_id="page-0001",
            carrier_call_id="page-0001",
            account_id=ACCOUNT,
            format=TELEPHONE,
            parameters={"line": "+15550100", "agent": "support"},
        )
    ]


def test_sound_keys_marks_and_the_end_are_passed_on(stream: SoftphoneStream) -> None:
    """Each message is one event."""
    assert told(stream, audio(b"\xff\x00")) == [PhoneAudio(b"\xff\x00")]
    assert told(stream, {"type": "key", "key": "#"}) == [PhoneDigit("#")]
    assert told(stream, {"type": "played", "mark": "m-1"}) == [PhoneReached("m-1")]
    assert told(stream, {"type": "stop"}) == [PhoneClosed(orderly=True, detail="stop")]


def test_what_comes_at_the_wrong_time_is_let_be() -> None:
    """Before the start and after the stop nothing counts; the same start again is no harm."""
    stream = SoftphoneStream()
    assert told(stream, audio(b"x")) == [Ignored("before_start")]
    told(stream, START)
    assert told(stream, START) == [Ignored("duplicate_start")]
    assert told(stream, audio(b"")) == [Ignored("empty_audio")]
    told(stream, {"type": "stop"})
    assert told(stream, audio(b"x")) == [Ignored("after_stop")]


def test_a_type_of_tomorrow_is_let_be(stream: SoftphoneStream) -> None:
    """A page that is newer than the bridge still talks."""
    assert told(stream, {"type": "camera", "data": 7}) == [Ignored("unknown")]


def test_a_second_call_on_one_socket_is_refused(stream: SoftphoneStream) -> None:
    """The socket must be closed, and the first call is not replaced."""
    with pytest.raises(StreamRefused) as caught:
        told(stream, START | {"call": "page-0002"})
    assert (caught.value.fatal, caught.value.close_code) == (True, 1008)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b'{"type": 1}',
        b'{"type": "key", "key": "12"}',
        b'{"type": "key", "key": "x"}',
        b'{"type": "audio"}',
        b'{"type": "audio", "data": "/w"}',
        b'{"type": "audio", "data": "/w==\\n"}',
        b'{"type": "start", "call": "short"}',
        b'{"type": "start", "call": "../../etc/passwd"}',
        json.dumps({"type": "played", "mark": "m" * 65}).encode(),
        json.dumps(audio(b"x" * (MAX_PAYLOAD + 1))).encode(),
        b'{"type": "stop"}' + b" " * MAX_MESSAGE,
    ],
)
def test_a_malformed_message_is_told_apart(stream: SoftphoneStream, message: bytes) -> None:
    """It is the page's fault, costs that message, and the call goes on."""
    with pytest.raises(ProtocolError) as caught:
        stream.receive(message)
    assert caught.value.reason is Reason.CARRIER_PROTOCOL
    assert not getattr(caught.value, "fatal", False)
    assert told(stream, audio(b"x")) == [PhoneAudio(b"x")]


@given(message=st.binary(max_size=200))
def test_no_bytes_break_it(message: bytes) -> None:
    """Whatever comes is an event or a ProtocolError."""
    stream = SoftphoneStream()
    try:
        found = stream.receive(message)
    except ProtocolError:
        return
    assert all(isinstance(event, Ignored | PhoneOpened) for event in found)


def test_orders_become_messages(stream: SoftphoneStream) -> None:
    """As the page reads them: JSON, sound in base64, names of marks escaped."""
    assert json.loads(stream.send(PlayAudio(b"\xff\x00\x7f"))) == {"type": "play", "data": "/wB/"}
    assert json.loads(stream.send(PlayMark('a"b'))) == {"type": "mark", "mark": 'a"b'}
    assert json.loads(stream.send(ClearAudio())) == {"type": "clear"}


def test_nothing_is_ordered_of_a_phone_that_is_not_there() -> None:
    """Before the start an order is our own mistake."""
    with pytest.raises(LocalError):
        SoftphoneStream().send(ClearAudio())
