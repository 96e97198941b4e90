"""Kura's socket: document 004."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.agents.kura.stream import KuraStream, Mode
from bridge.audio.formats import AudioFormat, Encoding
from bridge.call.events import (
    AgentAudio,
    AgentEvent,
    AgentExpired,
    AgentOrder,
    AgentProblem,
    AgentReady,
    AgentText,
    AgentTurnComplete,
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

RECORDED = json.loads((Path(__file__).parent / "messages.json").read_text())
PCM_24000 = AudioFormat(Encoding.PCM16, 24000)


def _opened(mode: Mode = "voice") -> KuraStream:
    stream = KuraStream("s1", mode=mode)
    stream.receive(json.dumps(RECORDED["ready"]).encode())
    return stream


def test_ready_has_the_documents_formats_and_the_sessions_id() -> None:
    """sessionOpen says neither: sound is PCM16 at 24 kHz both ways, and the conversation is the session."""
    stream = KuraStream("s1")
    assert list(stream.open()) == []
    assert stream.receive(json.dumps(RECORDED["ready"]).encode()) == (AgentReady("s1", PCM_24000, PCM_24000),)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("audio", AgentAudio(bytes(range(8)))),
        ("agent_text", AgentText("Hello", final=False)),
        ("caller_text", CallerText("Hi", final=False)),
        ("turn", AgentTurnComplete("Hi", "Hello")),
        ("timeout", AgentExpired("idle", 120.0)),
        ("error", AgentProblem("assistant unavailable")),
    ],
)
def test_every_message_of_the_document_is_understood(name: str, event: AgentEvent) -> None:
    """Each of the document's samples becomes its event."""
    assert _opened().receive(json.dumps(RECORDED[name]).encode()) == (event,)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "turnComplete"}, AgentTurnComplete()),
        ({"type": "turnComplete", "fullInput": None, "fullOutput": "x"}, AgentTurnComplete("", "x")),
        ({"type": "transcriptionUpdate", "source": "system", "text": "x"}, Ignored("transcriptionUpdate")),
        ({"type": "sessionTimeout"}, AgentExpired("idle", 0.0)),
        ({"type": "sessionTimeout", "timeoutSeconds": "90"}, AgentExpired("idle", 90.0)),
        ({"type": "sessionTimeout", "timeoutSeconds": "nan"}, AgentExpired("idle", 0.0)),
        ({"type": "sessionTimeout", "timeoutSeconds": 10**300}, AgentExpired("idle", 0.0)),
        ({"type": "sessionError"}, AgentProblem("no reason was given")),
        ({"type": "sessionError", "error": {"message": "gone"}}, AgentProblem("gone")),
        ({"type": "sessionError", "error": ["x"]}, AgentProblem("no reason was given")),
        ({"type": "sessionError", "error": "a\r\nb" + "x" * 999}, AgentProblem("a  b" + "x" * 296)),
    ],
)
def test_endings_are_understood_with_less_or_more_than_the_document_has(message: Any, event: AgentEvent) -> None:
    """A turn, a time-out and an error count also where a field is missing or oddly written."""
    assert _opened().receive(json.dumps(message).encode()) == (event,)


@pytest.mark.parametrize(
    ("order", "voice", "chat"),
    [
        (SendAudio(b"\0\1"), {"type": "audioChunk", "audio": "AAE="}, None),
        (SendInterrupt(), {"type": "interrupt"}, {"type": "interrupt"}),
        (SendStop(), {"type": "stopSession"}, {"type": "stopSession"}),
        (SendText("hi"), None, {"type": "textMessage", "text": "hi"}),
        (SendPong(1), None, None),
        (SendActivity(), None, None),
        (SendContext("x"), None, None),
        (SendToolResult("t", "x"), None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_orders_become_messages(order: AgentOrder, voice: Any, chat: Any) -> None:
    """Each order is exactly the document's message for the mode, or nothing where it has none."""
    for mode, expected in (("voice", voice), ("chat", chat)):
        message = _opened(mode).send(order)
        assert (message and json.loads(message)) == expected
