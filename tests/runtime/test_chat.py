"""One conversation by text with an agent."""

import asyncio
from typing import Any

import pytest

from bridge.call import events as e
from bridge.call.ports import Brief, Session
from bridge.errors import AgentFailure, Reason
from bridge.runtime import chat as subject
from bridge.runtime.chat import MAX_REPLY, TextSession
from tests.call.stage import record
from tests.runtime.wires import Helper, Wire, until

DONE = e.AgentTurnComplete("", "Fine.")


class Writer(Helper):
    """An agent that also chats. ``answers``: what comes back for a message, at once; None: nothing does."""

    def __init__(self) -> None:
        super().__init__()
        self.wires: list[Wire] = []
        self.modes: list[str] = []
        self.answers: list[e.Event] | None = [DONE]
        self.stream.knows["answer"] = []

    async def create(self, brief: Brief, *, mode: Any) -> Session:
        """A session."""
        self.modes.append(mode)
        return await self.open(brief)

    async def connect(self, url: Any, receiver: Any, *, timeout_s: float) -> Wire:
        """A socket that is ready at once."""
        wire = Wire()
        wire.receiver = receiver
        self.wires.append(wire)
        plain = wire.send

        def send(message: bytes) -> None:
            plain(message)
            if message == b"how are you":
                receiver.received(b"ready")
            elif message == b"SendText" and self.answers is not None:
                self.stream.knows["answer"] = self.answers
                receiver.received(b"answer")

        wire.send = send  # type: ignore[method-assign]
        return wire


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    """An agent."""
    found = Writer()
    monkeypatch.setattr(subject, "connect", found.connect)
    return found


def begin(writer: Writer) -> tuple[TextSession, list[TextSession]]:
    """A conversation, and where it is told that it ended."""
    ended: list[TextSession] = []
    brief = Brief("text_1", "", "inbound", "+15550123456", "+15550100")
    return TextSession(writer, brief, record(), ended=ended.append), ended


async def test_a_question_gets_the_whole_answer(writer: Writer) -> None:
    """The agent's own account of its turn, else the pieces; one session for all questions."""
    session, ended = begin(writer)
    assert await session.ask("How are you?") == "Fine."
    writer.answers = [e.AgentText("A"), e.AgentText("B "), e.AgentTurnComplete()]
    assert await session.ask("And now?") == "AB"
    assert writer.modes == ["chat"]
    assert session.record.agent_conversation_id == "conv_1"
    assert ended == []


async def test_an_answer_is_bounded(writer: Writer) -> None:
    """An agent that never stops is cut."""
    session, _ = begin(writer)
    writer.answers = [*[e.AgentText("x" * 1000)] * 50, e.AgentTurnComplete()]
    assert await session.ask("?") == "x" * MAX_REPLY


async def test_what_cannot_be_understood_is_skipped(writer: Writer) -> None:
    """Garbage and sound cost the conversation nothing."""
    session, _ = begin(writer)
    await session.ask("?")
    writer.wires[0].receiver.received(b"garbage")
    writer.wires[0].receiver.received_binary(5)
    assert await session.ask("?") == "Fine."


@pytest.mark.parametrize("slow", ["OPEN_S", "REPLY_S"])
async def test_an_agent_that_does_not_answer_is_given_up(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """Within its time; the conversation is over, and who asks again is told at once."""
    monkeypatch.setattr(subject, slow, 0.001)
    writer.hangs = slow == "OPEN_S"
    writer.answers = None
    session, ended = begin(writer)
    with pytest.raises(AgentFailure) as failed:
        await session.ask("?")
    assert failed.value.reason is Reason.AGENT_TIMEOUT
    assert session.over
    assert ended == [session]
    assert session.record.outcome is Reason.AGENT_TIMEOUT


@pytest.mark.parametrize(("code", "reason"), [(1000, Reason.AGENT_HANGUP), (1006, Reason.AGENT_LOST)])
async def test_a_socket_that_closes_fails_who_waits(writer: Writer, code: int, reason: Reason) -> None:
    """Told at once, as something that another attempt may help; the end is told once."""
    writer.answers = None
    session, ended = begin(writer)
    asking = asyncio.create_task(session.ask("?"))
    await until(lambda: bool(writer.wires) and b"SendText" in writer.wires[0].sent)
    writer.wires[0].receiver.closed(code, "")
    with pytest.raises(AgentFailure) as failed:
        await asking
    assert (failed.value.reason, failed.value.retry) == (reason, True)
    assert session.record.outcome is reason
    await session.close()
    assert ended == [session]


async def test_the_end_gives_the_session_back(writer: Writer) -> None:
    """Once, stopped; one that was never opened has nothing to give."""
    session, ended = begin(writer)
    await session.ask("?")
    await session.close()
    await session.close()
    assert writer.released == [True]
    assert writer.wires[0].codes[0] == 1000
    assert session.record.outcome is Reason.AGENT_IDLE
    assert ended == [session]
    fresh, _ = begin(writer)
    await fresh.close()
    assert writer.released == [True]
    with pytest.raises(AgentFailure):
        await session.ask("?")


async def test_a_tool_may_end_the_conversation(writer: Writer) -> None:
    """With its reason."""
    session, _ = begin(writer)
    await session.ask("?")
    session.handle(e.EndRequested(Reason.AGENT_HANGUP))
    assert session.over
    assert session.record.outcome is Reason.AGENT_HANGUP
