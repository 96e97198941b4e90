"""The shapes of what a XUNA agent sends."""

import json
from typing import Any

import msgspec
import pytest

from bridge.agents.xuna.messages import (
    ERROR,
    EVENT,
    MESSAGE,
    METADATA,
    NOTHING,
    PART,
    RESPONSE,
    TOOL_CALL,
    TRANSCRIPT,
    UNUSED,
    Error,
    Event,
    Metadata,
)


def raw(value: Any) -> bytes:
    """As it comes."""
    return json.dumps(value).encode()


def test_sound_is_read_in_one_pass_and_the_rest_is_left_for_later() -> None:
    """A wrapper that its type does not ask for is never looked into."""
    message = MESSAGE.decode(
        raw({"type": "audio", "audio_event": {"audio_base_64": "/w==", "event_id": "7"}, "ping_event": [1]})
    )
    assert message.audio_event is not None
    assert (message.audio_event.audio_base_64, message.audio_event.event_id) == ("/w==", "7")
    assert bytes(message.ping_event) == b"[1]"
    assert message.interruption_event == NOTHING


def test_fields_of_tomorrow_are_let_be() -> None:
    """A newer agent still talks."""
    assert MESSAGE.decode(raw({"type": "x", "new": {"deep": [1]}})).type == "x"
    assert RESPONSE.decode(raw({"agent_response": "Hi", "new": 1})).agent_response == "Hi"


def test_formats_that_are_not_announced_are_the_documented_ones() -> None:
    """PCM at 16 kHz from the agent; the other way follows it."""
    assert METADATA.decode(b"{}") == Metadata("", "pcm_16000", None)


@pytest.mark.parametrize("value", [7, "7", 7.0, None])
def test_an_event_has_an_id_of_any_kind_or_none(value: Any) -> None:
    """Senders differ in how they write it."""
    assert EVENT.decode(raw({"event_id": value})) == Event(value)
    assert EVENT.decode(b"null") is None


@pytest.mark.parametrize(
    ("decoder", "value"),
    [
        (MESSAGE, {}),
        (MESSAGE, {"type": 1}),
        (MESSAGE, {"type": "audio", "audio_event": {}}),
        (RESPONSE, {}),
        (RESPONSE, {"agent_response": None}),
        (TRANSCRIPT, {"user_transcript": 1}),
        (TOOL_CALL, {"tool_name": "x"}),
        (TOOL_CALL, {"tool_name": "x", "tool_call_id": "1", "parameters": []}),
        (PART, []),
    ],
)
def test_what_must_be_there_must_be_there(decoder: msgspec.json.Decoder[Any], value: Any) -> None:
    """A message without it is malformed rather than half understood."""
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(raw(value))


def test_an_error_may_hold_anything_or_nothing() -> None:
    """It must not fail to be read."""
    assert ERROR.decode(b"{}") == Error()
    assert ERROR.decode(raw({"code": "1008", "error_type": None})).code == "1008"


def test_what_is_counted_as_unused_is_never_sound_or_the_callers_words() -> None:
    """Else a call would be silent without a sign of why."""
    spoken = {"audio", "agent_response", "user_transcript", "interruption", "ping", "conversation_initiation_metadata"}
    assert not UNUSED & spoken
