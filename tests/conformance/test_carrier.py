"""What every carrier's stream must do, whatever its messages look like.

To add a carrier: record ``start``, ``media``, ``dtmf``, ``mark`` and ``stop`` of one stream as JSON files in
``tests/carriers/<name>/`` and add its stream to ``CARRIERS``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.formats import Encoding
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
from bridge.call.ports import PhoneStream
from bridge.carriers.softphone.stream import SoftphoneStream
from bridge.carriers.twilio.stream import TwilioStream
from bridge.errors import LocalError, ProtocolError, Side

CARRIERS: dict[str, Callable[[], PhoneStream]] = {"softphone": SoftphoneStream, "twilio": TwilioStream}
FOLDER = Path(__file__).parent.parent / "carriers"
KINDS = ("start", "media", "dtmf", "mark", "stop")

carriers = pytest.mark.parametrize("carrier", list(CARRIERS))


def recorded(carrier: str, kind: str) -> bytes:
    """One recorded message."""
    return (FOLDER / carrier / f"{kind}.json").read_bytes()


def opened(carrier: str) -> PhoneStream:
    """A stream that has had its start."""
    stream = CARRIERS[carrier]()
    stream.receive(recorded(carrier, "start"))
    return stream


@carriers
def test_start_tells_who_calls_in_which_format(carrier: str) -> None:
    """The first event of a stream names stream, call and account, and a format of telephony."""
    (event,) = CARRIERS[carrier]().receive(recorded(carrier, "start"))
    assert isinstance(event, PhoneOpened)
    assert event.stream_id
    assert event.carrier_call_id
    assert event.account_id
    assert event.format.rate == 8000
    assert event.format.encoding in {Encoding.MULAW, Encoding.ALAW}


@carriers
@pytest.mark.parametrize(
    ("kind", "event_type"), [("media", PhoneAudio), ("dtmf", PhoneDigit), ("mark", PhoneReached), ("stop", PhoneClosed)]
)
def test_each_recorded_message_is_one_event(carrier: str, kind: str, event_type: type[PhoneEvent]) -> None:
    """Sound, keys, marks and the end of a started stream come out as the events of the call's language."""
    (event,) = opened(carrier).receive(recorded(carrier, kind))
    assert isinstance(event, event_type)


@carriers
@pytest.mark.parametrize("kind", ["media", "dtmf", "mark"])
def test_nothing_is_heard_of_a_stream_before_its_start(carrier: str, kind: str) -> None:
    """Sound, keys and marks of a stream that nobody has announced are counted, not believed."""
    assert [type(event) for event in CARRIERS[carrier]().receive(recorded(carrier, kind))] == [Ignored]


@carriers
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_heard_of_a_stream_after_its_stop(carrier: str, kind: str) -> None:
    """A stream ends once: whatever follows its stop is counted, not believed."""
    stream = opened(carrier)
    stream.receive(recorded(carrier, "stop"))
    assert [type(event) for event in stream.receive(recorded(carrier, kind))] == [Ignored]


@carriers
def test_the_same_start_again_changes_nothing(carrier: str) -> None:
    """A start repeated word for word is counted, and the stream goes on."""
    stream = opened(carrier)
    assert [type(event) for event in stream.receive(recorded(carrier, "start"))] == [Ignored]
    assert isinstance(stream.receive(recorded(carrier, "media"))[0], PhoneAudio)


@carriers
def test_orders_before_the_start_are_our_own_mistake(carrier: str) -> None:
    """Nothing can be sent to a stream that has no name yet."""
    with pytest.raises(LocalError):
        CARRIERS[carrier]().send(PlayAudio(b"\xff"))


@carriers
@given(payload=st.binary(min_size=1, max_size=4000))
def test_every_order_has_a_message(carrier: str, payload: bytes) -> None:
    """Sound of any length, a mark and a clear each have their own non-empty message."""
    stream = opened(carrier)
    messages = {stream.send(PlayAudio(payload)), stream.send(PlayMark("g1.2")), stream.send(ClearAudio())}
    assert len(messages) == 3
    assert all(messages)


@carriers
@given(garbage=st.binary(max_size=300))
def test_garbage_is_the_carriers_fault_and_leaves_the_stream_usable(carrier: str, garbage: bytes) -> None:
    """No bytes raise anything but ProtocolError, with the carrier's side in its reason, and the next message is heard."""
    stream = opened(carrier)
    try:
        stream.receive(garbage)
    except ProtocolError as error:
        assert error.reason.side is Side.CARRIER  # noqa: PT017 - either answer is right
    assert isinstance(stream.receive(recorded(carrier, "media"))[0], PhoneAudio)


@carriers
@given(data=st.data())
def test_any_order_of_messages_opens_once_and_closes_once(carrier: str, data: st.DataObject) -> None:
    """Messages in any order and number open a stream at most once, close it at most once, and give no sound outside."""
    stream = CARRIERS[carrier]()
    state = "new"
    for kind in data.draw(st.lists(st.sampled_from(KINDS), max_size=40)):
        for event in stream.receive(recorded(carrier, kind)):
            match event:
                case PhoneOpened():
                    assert state == "new"
                    state = "open"
                case PhoneClosed():
                    assert state == "open"
                    state = "closed"
                case PhoneAudio() | PhoneDigit() | PhoneReached():
                    assert state == "open"
                case Ignored():
                    pass


@carriers
@given(data=st.data())
def test_a_damaged_message_never_breaks_the_stream(carrier: str, data: st.DataObject) -> None:
    """A recorded message with bytes changed, cut or doubled gives events or a ProtocolError, nothing else."""
    message = bytearray(recorded(carrier, data.draw(st.sampled_from(KINDS))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message)))
        end = data.draw(st.integers(at, min(len(message), at + 20)))
        message[at:end] = data.draw(st.binary(max_size=8))
    stream = data.draw(st.sampled_from([opened, lambda name: CARRIERS[name]()]))(carrier)
    try:
        stream.receive(bytes(message))
    except ProtocolError as error:
        assert error.reason.side is Side.CARRIER  # noqa: PT017 - either answer is right
