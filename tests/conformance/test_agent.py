"""What every agent's translator must do: one suite, one line of AGENTS for each of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.kura.stream import KuraStream
from bridge.agents.xuna.stream import XunaStream
from bridge.call.events import (
    AgentAudio,
    AgentClosed,
    AgentProblem,
    AgentReady,
    AgentText,
    CallerText,
    Event,
    Ignored,
    SendActivity,
    SendAudio,
    SendContext,
    SendInterrupt,
    SendPong,
    SendStop,
    SendText,
    SendToolResult,
)
from bridge.call.ports import AgentStream, Brief
from bridge.errors import ProtocolError

RECORDED = Path(__file__).parent.parent / "agents"
BRIEF = Brief("call_1", "CA" + "0" * 32, "inbound", "+15550111", "+15550100")


@dataclass(frozen=True)
class Subject:
    """An agent under test: its stream, what it sends, where a message of it keeps its sound, and how ours looks."""

    name: str
    make: Callable[[], XunaStream | KuraStream]
    recorded: str
    sound_in: tuple[str, ...]
    sound_out: tuple[str, ...]

    def message(self, name: str) -> dict[str, Any]:
        """A recorded message."""
        messages: dict[str, dict[str, Any]] = json.loads((RECORDED / self.recorded).read_text())
        return messages[name]

    def messages(self) -> list[dict[str, Any]]:
        """All recorded messages."""
        return list(json.loads((RECORDED / self.recorded).read_text()).values())

    def audio(self, text: Any) -> bytes:
        """A message of sound that holds ``text`` where the base64 belongs."""
        message = self.message("audio")
        place = message
        for key in self.sound_in[:-1]:
            place = place[key]
        place[self.sound_in[-1]] = text
        return json.dumps(message).encode()

    def opened(self) -> XunaStream | KuraStream:
        """A stream that is ready."""
        stream = self.make()
        stream.open()
        stream.receive(_as_bytes(self.message("ready")))
        return stream


AGENTS = [
    Subject(
        "xuna",
        lambda: XunaStream(BRIEF),
        "xuna/messages.json",
        ("audio_event", "audio_base_64"),
        ("audio_event", "audio_base_64"),
    ),
    Subject(
        "elevenlabs",
        lambda: XunaStream(BRIEF, dialect="elevenlabs"),
        "xuna/elevenlabs.json",
        ("audio_event", "audio_base_64"),
        ("user_audio_chunk",),
    ),
    Subject(  # the built-in one, as it speaks on its own socket: messages of a real conversation with it
        "demo",
        lambda: XunaStream(BRIEF),
        "demo/messages.json",
        ("audio_event", "audio_base_64"),
        ("audio_event", "audio_base_64"),
    ),
    Subject("kura", lambda: KuraStream("550e8400-e29b"), "kura/messages.json", ("audio",), ("audio",)),
]
ORDERS = [
    SendAudio(b"\0\0"),
    SendPong(1),
    SendActivity(),
    SendInterrupt(),
    SendStop(),
    SendToolResult("t1", "done"),
    SendText("hello"),
    SendContext("the caller pressed 1"),
]
GARBAGE = [
    b"",
    b"\xff\xfe\x00\x80",
    b"not json",
    b"null",
    b"1",
    b"[]",
    b'"audio"',
    b"{}",
    b'{"type": 1}',
    b'{"type": null}',
    b'{"type": "\\ud800"}',
    b'{"type": "\xff"}',
    b'{"type": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"type": "x", "huge": ' + b"[" * 100_000,
    b'{"type": "x", "nan": NaN}',
    b'{"type": "ping", "ping_event": {"event_id": ' + b"9" * 5000 + b"}}",
    b'{"type": "x"} {"type": "y"}',
]
NOT_BASE64 = [
    "!!@@AAECAw==",
    "AAECAwQFBgc",
    "AAEC AwQF",
    "AAEC\n",
    "QQ==QQ==",
    "Q-_=",
    "é===",
    "=",
    7,
    None,
    ["AAEC"],
    {},
]


def _as_bytes(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


@pytest.fixture(params=AGENTS, ids=lambda subject: subject.name)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each agent in turn."""
    found: Subject = request.param
    return found


def test_what_is_sent_first_is_json(subject: Subject) -> None:
    """What must be sent before anything else is a sequence of JSON objects, the same each time it is asked for."""
    stream = subject.make()
    first = list(stream.open())
    assert all(isinstance(json.loads(message), dict) for message in first)
    assert list(stream.open()) == first


def test_ready_comes_first_and_once(subject: Subject) -> None:
    """The agent's first message makes the session ready, with both formats; said again, it is no second start."""
    stream = subject.make()
    ready = _as_bytes(subject.message("ready"))
    (event,) = stream.receive(ready)
    assert isinstance(event, AgentReady)
    assert event.output.rate >= 8000
    assert event.input.rate >= 8000
    assert not any(isinstance(event, AgentReady) for event in stream.receive(ready))


def test_no_sound_before_ready(subject: Subject) -> None:
    """Sound whose format nobody has announced is an error and not sound."""
    stream = subject.make()
    with pytest.raises(ProtocolError):
        stream.receive(_as_bytes(subject.message("audio")))
    (event,) = stream.receive(_as_bytes(subject.message("ready")))
    assert isinstance(event, AgentReady)


@pytest.mark.parametrize("size", [1, 2, 3, 159, 160, 640, 961, 65_537])
def test_the_agents_sound_arrives_unchanged(subject: Subject, size: int) -> None:
    """Every byte of the agent's sound comes through, odd counts included."""
    payload = bytes(index * 31 % 256 for index in range(size))
    (event,) = subject.opened().receive(subject.audio(base64.b64encode(payload).decode()))
    assert isinstance(event, AgentAudio)
    assert event.payload == payload


def test_sound_with_escaped_slashes_arrives_unchanged(subject: Subject) -> None:
    """JSON may write a slash as ``\\/``: it is a slash of the base64 all the same."""
    message = subject.audio(base64.b64encode(b"\xff\xff\xff").decode()).replace(b"////", b"\\/\\/\\/\\/")
    (event,) = subject.opened().receive(message)
    assert isinstance(event, AgentAudio)
    assert event.payload == b"\xff\xff\xff"


@pytest.mark.parametrize("size", [0, 1, 2, 160, 641, 960])
def test_the_callers_sound_leaves_unchanged(subject: Subject, size: int) -> None:
    """Every byte of the caller's sound is in the message that leaves."""
    payload = bytes(index * 7 % 256 for index in range(size))
    message = subject.opened().send(SendAudio(payload))
    assert message is not None
    place = json.loads(message)
    for key in subject.sound_out:
        place = place[key]
    assert base64.b64decode(place, validate=True) == payload


@pytest.mark.parametrize("text", NOT_BASE64, ids=repr)
def test_what_is_no_base64_is_no_sound(subject: Subject, text: Any) -> None:
    """Lax base64 would be noise in the caller's ear: it is an error, and the next chunk is heard."""
    stream = subject.opened()
    with pytest.raises(ProtocolError):
        stream.receive(subject.audio(text))
    (event,) = stream.receive(_as_bytes(subject.message("audio")))
    assert isinstance(event, AgentAudio)


def test_empty_sound_is_no_sound(subject: Subject) -> None:
    """A chunk without a sample is counted and nothing else."""
    (event,) = subject.opened().receive(subject.audio(""))
    assert isinstance(event, Ignored)


def test_both_sides_words_are_told(subject: Subject) -> None:
    """What the agent says and what it understood the caller to say become events."""
    stream = subject.opened()
    (said,) = stream.receive(_as_bytes(subject.message("agent_text")))
    (heard,) = stream.receive(_as_bytes(subject.message("caller_text")))
    assert isinstance(said, AgentText)
    assert isinstance(heard, CallerText)


def test_unknown_types_are_ignored_under_one_label(subject: Subject) -> None:
    """A type that nobody has documented is counted, and however many there are, they make no new labels."""
    stream = subject.opened()
    kinds = set()
    for index in range(50):
        (event,) = stream.receive(_as_bytes({"type": f"new_{index}", "new_event": {"x": [index]}}))
        assert isinstance(event, Ignored)
        kinds.add(event.kind)
    assert len(kinds) == 1


def test_unknown_fields_are_ignored(subject: Subject) -> None:
    """A field that nobody has documented changes nothing."""
    plain, more = subject.opened(), subject.opened()
    for message in subject.messages():
        assert list(more.receive(_as_bytes({**message, "extra": {"x": 1}, "id": None}))) == list(
            plain.receive(_as_bytes(message))
        )


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:30]))
def test_garbage_is_a_protocol_error_and_harms_nothing(subject: Subject, garbage: bytes) -> None:
    """Whatever bytes come, the only error is ProtocolError, it repeats none of them, and the next message is understood."""
    stream = subject.opened()
    error = _survive(stream, garbage)
    assert not getattr(error, "fatal", False)
    assert len(str(error)) < 200
    (event,) = stream.receive(_as_bytes(subject.message("audio")))
    assert isinstance(event, AgentAudio)


@pytest.mark.parametrize("code", [1000, 1002, 1006, 1008, 1011, 4999])
def test_the_end_of_the_socket_is_told_once_and_printable(subject: Subject, code: int) -> None:
    """Whatever the close code, the last event is the close itself, and a stranger's words are fit for a record."""
    *before, last = subject.opened().closed(code, "over\r\n\x1b[31m")
    assert isinstance(last, AgentClosed)
    assert last.code == code
    assert last.detail.isprintable()
    assert all(isinstance(event, AgentProblem) for event in before)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_every_order_is_a_json_object_or_nothing(subject: Subject, order: Any) -> None:
    """Each order becomes one JSON object, or None where the protocol has no word for it."""
    message = subject.opened().send(order)
    assert message is None or isinstance(json.loads(message), dict)


@given(message=st.binary(max_size=200))
def test_any_bytes(message: bytes) -> None:
    """No bytes raise anything but ProtocolError."""
    for subject in AGENTS:
        _survive(subject.opened(), message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_any_field_of_any_message_may_be_anything(data: st.DataObject) -> None:
    """A documented message with any of its values replaced by any JSON raises nothing but ProtocolError."""
    for subject in AGENTS:
        message = data.draw(st.sampled_from(subject.messages()))
        place, key = data.draw(st.sampled_from(_places(message)))
        place[key] = data.draw(JSON)
        _survive(subject.opened(), _as_bytes(message))
        _survive(subject.make(), _as_bytes(message))


def _places(message: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found = [(message, key) for key in message]
    for value in message.values():
        if isinstance(value, dict):
            found += _places(value)
    return found


def _survive(stream: AgentStream, message: bytes) -> ProtocolError | None:
    try:
        events = stream.receive(message)
    except ProtocolError as error:
        return error
    assert all(isinstance(event, Event) for event in events)
    return None
