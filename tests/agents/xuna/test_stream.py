"""XUNA's socket, document 003, and its ElevenLabs dialect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.agents.wire import FORMATS, UnsupportedFormat
from bridge.agents.xuna.opening import Configured
from bridge.agents.xuna.stream import Dialect, XunaStream
from bridge.audio.formats import AudioFormat, Encoding
from bridge.call.events import (
    AgentAudio,
    AgentClosed,
    AgentEvent,
    AgentInterrupted,
    AgentOrder,
    AgentPing,
    AgentProblem,
    AgentReady,
    AgentText,
    AgentTextCorrected,
    AgentToolCall,
    CallerText,
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
from bridge.call.ports import Brief
from bridge.errors import ProtocolError, Reason

HERE = Path(__file__).parent
PCM = Encoding.PCM16


def _brief(**own: Any) -> Brief:
    known: dict[str, Any] = {
        "call_id": "call_1",
        "carrier_call_id": "CA1",
        "direction": "inbound",
        "phone_number": "+15550111",
        "called_number": "+15550100",
    }
    return Brief(**(known | own))


def _metadata(output: str, ear: str | None = None) -> bytes:
    event = {"conversation_id": "conv_1", "agent_output_audio_format": output}
    if ear is not None:
        event["user_input_audio_format"] = ear
    return json.dumps(
        {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": event}
    ).encode()


def _opened(dialect: Dialect = "xuna") -> XunaStream:
    stream = XunaStream(_brief(), dialect=dialect)
    stream.receive(_metadata("pcm_16000"))
    return stream


def _told(name: str, dialect: Dialect = "xuna") -> AgentEvent:
    recorded = json.loads((HERE / ("messages.json" if dialect == "xuna" else "elevenlabs.json")).read_text())
    (event,) = _opened(dialect).receive(json.dumps(recorded[name]).encode())
    return event


def _first(stream: XunaStream) -> dict[str, Any]:
    (message,) = stream.open()
    found: dict[str, Any] = json.loads(message)
    return found


def test_a_call_without_overrides_is_told_only_its_variables() -> None:
    """The first message names the call, and holds no override where none is set."""
    assert _first(XunaStream(_brief())) == {
        "type": "conversation_initiation_client_data",
        "dynamic_variables": {
            "phone_number": "+15550111",
            "called_number": "+15550100",
            "call_id": "call_1",
            "carrier_call_id": "CA1",
            "direction": "inbound",
        },
    }


def test_a_withheld_number_is_an_empty_text() -> None:
    """An agent whose prompt names phone_number gets it even when there is none."""
    assert _first(XunaStream(_brief(phone_number="")))["dynamic_variables"]["phone_number"] == ""


def test_overrides_of_the_call_win_over_configured_ones() -> None:
    """Each override is set once: the call's own, else the configured, else not at all."""
    configured = Configured(prompt="Be kind.", first_message="Hello!", voice_id="v1")
    stream = XunaStream(_brief(first_message="Good evening!", language="de"), configured=configured)
    assert _first(stream)["conversation_config_override"] == {
        "agent": {"prompt": {"prompt": "Be kind."}, "first_message": "Good evening!", "language": "de"},
        "tts": {"voice_id": "v1"},
    }


def test_an_empty_first_message_is_an_override() -> None:
    """ "" means that the caller speaks first: it is set, unlike None."""
    configured = Configured(first_message="Hello!")
    assert _first(XunaStream(_brief(first_message=""), configured=configured))["conversation_config_override"] == {
        "agent": {"first_message": ""}
    }


def test_what_the_bridge_knows_wins_over_configured_variables() -> None:
    """Variables: the line's win over the configured, and the bridge's own over both."""
    configured = Configured(dynamic_variables={"plan": "Pro", "tries": 1, "call_id": "forged"})
    stream = XunaStream(_brief(variables={"tries": 2, "vip": True, "direction": "forged"}), configured=configured)
    variables = _first(stream)["dynamic_variables"]
    assert (variables["plan"], variables["tries"], variables["vip"]) == ("Pro", 2, True)
    assert (variables["call_id"], variables["direction"]) == ("call_1", "inbound")


def test_half_a_surrogate_pair_is_still_a_message() -> None:
    """A variable that UTF-8 cannot hold does not keep the call from its agent."""
    assert _first(XunaStream(_brief(variables={"name": "a\ud800b"})))["dynamic_variables"]["name"] == "a?b"


@pytest.mark.parametrize(("name", "known"), list(FORMATS.items()))
def test_the_announced_format_is_honoured(name: str, known: AudioFormat) -> None:
    """Every documented format is taken as announced, and the caller's sound goes up at 16 kHz all the same."""
    assert XunaStream(_brief()).receive(_metadata(name, "pcm_48000")) == (
        AgentReady("conv_1", known, AudioFormat(PCM, 16000)),
    )


@pytest.mark.parametrize("told", [{}, {"agent_output_audio_format": None, "conversation_id": None}])
def test_where_no_format_is_announced_it_is_the_documents(told: dict[str, Any]) -> None:
    """Left out or null: PCM at 16 kHz both ways, and the caller is not without an agent for it."""
    message = {"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": told}
    ready = AgentReady("", AudioFormat(PCM, 16000), AudioFormat(PCM, 16000))
    assert XunaStream(_brief()).receive(json.dumps(message).encode()) == (ready,)


@pytest.mark.parametrize("name", ["mp3_44100", "opus_48000", "", "pcm_16000 ", "PCM_16000", "pcm_96000"])
def test_a_format_that_cannot_be_converted_is_fatal(name: str) -> None:
    """Sound that cannot be converted ends the leg with its own reason rather than as noise."""
    with pytest.raises(UnsupportedFormat) as caught:
        XunaStream(_brief()).receive(_metadata(name))
    assert caught.value.reason is Reason.AGENT_FORMAT
    assert caught.value.fatal
    assert "pcm_16000" in caught.value.hint


def test_a_format_that_changes_in_the_middle_is_fatal() -> None:
    """No chipmunks: another rate in the middle of a call ends the leg."""
    with pytest.raises(UnsupportedFormat) as caught:
        _opened().receive(_metadata("pcm_8000"))
    assert caught.value.fatal


def test_the_dialect_hears_in_the_format_it_announces() -> None:
    """ElevenLabs says in which format it listens, and means 16 kHz where it does not."""
    mulaw = AudioFormat(Encoding.MULAW, 8000)
    stream = XunaStream(_brief(), dialect="elevenlabs")
    assert stream.receive(_metadata("pcm_24000", "ulaw_8000")) == (
        AgentReady("conv_1", AudioFormat(PCM, 24000), mulaw),
    )
    silent = XunaStream(_brief(), dialect="elevenlabs")
    assert silent.receive(_metadata("ulaw_8000")) == (AgentReady("conv_1", mulaw, AudioFormat(PCM, 16000)),)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("audio", AgentAudio(bytes(range(8)), 1)),
        ("agent_text", AgentText("Hello! How can I help you today?")),
        ("caller_text", CallerText("What are your opening hours?")),
        ("ping", AgentPing(123)),
        ("interruption", AgentInterrupted(None)),
    ],
)
def test_every_message_of_the_document_is_understood(name: str, event: AgentEvent) -> None:
    """Each of document 003's samples becomes its event."""
    assert _told(name) == event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("audio", AgentAudio(bytes(range(8)), 7)),
        ("agent_text", AgentText("Hello.", event_id=7)),
        ("caller_text", CallerText("Hours?")),
        ("tentative", CallerText("Ho", final=False)),
        ("correction", AgentTextCorrected("Hello there.", "Hello...")),
        ("part", AgentText("Hel", final=False, event_id=7)),
        ("ping", AgentPing(123)),
        ("interruption", AgentInterrupted(9)),
        ("tool", AgentToolCall("t1", "end_call", {"why": "done"})),
        ("vad", Ignored("vad_score")),
    ],
)
def test_the_dialects_messages_are_understood(name: str, event: AgentEvent) -> None:
    """Each message of the dialect that matters on the phone becomes its event."""
    assert _told(name, "elevenlabs") == event


def test_an_error_says_what_it_means() -> None:
    """An error event names its type, its code and the remedy."""
    event = _told("error", "elevenlabs")
    assert isinstance(event, AgentProblem)
    assert event.code == 1008
    assert "override_error" in event.text
    assert "security settings" in event.text


def test_an_unknown_error_is_told_in_its_own_words_without_control_characters() -> None:
    """What the agent says of an error type that is new reaches the record, cut and printable."""
    message = {
        "type": "error",
        "error_event": {"code": "1011", "error_type": "new", "message": "a\x1b[31m\r\n" + "b" * 9999},
    }
    (event,) = _opened("elevenlabs").receive(json.dumps(message).encode())
    assert isinstance(event, AgentProblem)
    assert event.code == 1011
    assert event.text.isprintable()
    assert len(event.text) <= 300


@pytest.mark.parametrize("name", ["tentative", "correction", "part", "tool", "error"])
def test_what_only_the_dialect_has_is_ignored_of_a_xuna_agent(name: str) -> None:
    """Document 003 does not know these types: they are counted under their names."""
    message = json.loads((HERE / "elevenlabs.json").read_text())[name]
    assert _opened().receive(json.dumps(message).encode()) == (Ignored(message["type"]),)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        (5.0, 5),
        (None, None),
        ("", None),
        ("five", None),
        (2**70, None),
        ("9" * 400, None),
        (1.5, None),
    ],
)
def test_an_event_id_may_be_text_or_missing(given: Any, understood: int | None) -> None:
    """Identifiers are taken as they come; what is none is as good as missing, and the sound is heard."""
    message = {"type": "audio", "audio_event": {"audio_base_64": "AAE=", "event_id": given}}
    assert _opened().receive(json.dumps(message).encode()) == (AgentAudio(b"\0\1", understood),)


@pytest.mark.parametrize(
    "type_", ["audio", "agent_response", "user_transcript", "ping", "conversation_initiation_metadata"]
)
def test_a_missing_wrapper_is_a_protocol_error(type_: str) -> None:
    """A message without what it is about cannot be understood."""
    with pytest.raises(ProtocolError):
        _opened().receive(json.dumps({"type": type_}).encode())


def test_a_ping_that_cannot_be_answered_is_a_protocol_error() -> None:
    """A pong needs the ping's id."""
    with pytest.raises(ProtocolError):
        _opened().receive(b'{"type": "ping", "ping_event": {}}')


@pytest.mark.parametrize(
    ("order", "xuna", "elevenlabs"),
    [
        (
            SendAudio(b"\0\1"),
            {"type": "audio", "audio_event": {"audio_base_64": "AAE="}},
            {"user_audio_chunk": "AAE="},
        ),
        (SendPong(123), {"type": "pong", "event_id": 123}, {"type": "pong", "event_id": 123}),
        (SendActivity(), {"type": "user_activity"}, {"type": "user_activity"}),
        (SendInterrupt(), None, None),
        (SendStop(), None, None),
        (
            SendToolResult("t1", "no \ud800", is_error=True),
            None,
            {"type": "client_tool_result", "tool_call_id": "t1", "result": "no ?", "is_error": True},
        ),
        (SendText("hi"), None, {"type": "user_message", "text": "hi"}),
        (SendContext("key 1"), None, {"type": "contextual_update", "text": "key 1"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_orders_become_messages(order: AgentOrder, xuna: Any, elevenlabs: Any) -> None:
    """Each order is exactly the documented message of its dialect, or nothing where there is none."""
    for dialect, expected in (("xuna", xuna), ("elevenlabs", elevenlabs)):
        message = _opened(dialect).send(order)
        assert (message and json.loads(message)) == expected


def test_close_codes_say_what_they_mean() -> None:
    """1000 is a normal end, the dialect's errors have their words, and of others nothing is made up."""
    for dialect, code in (("xuna", 1008), ("elevenlabs", 1000), ("elevenlabs", 1006)):
        assert _opened(dialect).closed(code, "bye") == (AgentClosed(code, "bye"),)
    for code in (1002, 1008, 1011):
        problem, closed = _opened("elevenlabs").closed(code, "why\r\n")
        assert isinstance(problem, AgentProblem)
        assert problem.code == code
        assert problem.text.endswith(": why")
        assert closed == AgentClosed(code, "why")
