"""All conversations by text: one for each person and line."""

import asyncio
from typing import Any

import pytest

from bridge.errors import AgentFailure, Reason
from bridge.runtime import chat
from bridge.runtime.texts import Texts
from tests.runtime.test_chat import Writer
from tests.runtime.wires import Helper, until


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    """An agent."""
    found = Writer()
    monkeypatch.setattr(chat, "connect", found.connect)
    return found


def texts(writer: Writer, *, most: int = 5, idle_s: float = 60.0) -> tuple[Texts, list[Any]]:
    """Conversations, and whenever one begins or ends."""
    changed: list[Any] = []
    agents = {"support": writer, "voice": Helper()}
    return Texts(agents, idle_s=idle_s, max_sessions=most, changed=lambda each: changed.append(each.outcome)), changed


async def say(all_: Texts, key: str = "a", agent: str = "support") -> str:
    """A message."""
    return await all_.ask(key, agent, "?", person="+15550123456", line="+15550100", metadata={"channel": "sms"})


async def test_each_key_has_a_conversation_of_its_own(writer: Writer) -> None:
    """Which goes on with the next message; the agent is told who writes, and where."""
    all_, changed = texts(writer)
    for key in ("a", "b", "a"):
        assert await say(all_, key) == "Fine."
    assert len(writer.wires) == len(all_.sessions) == 2
    assert changed == [None, None]
    brief = writer.briefs[0]
    assert (brief.phone_number, brief.called_number, brief.variables) == (
        "+15550123456",
        "+15550100",
        {"channel": "sms"},
    )


async def test_only_so_many_go_on_at_once(writer: Writer) -> None:
    """One more is refused as overload; those that are there are not concerned."""
    all_, _ = texts(writer, most=1)
    await say(all_, "a")
    with pytest.raises(AgentFailure) as refused:
        await say(all_, "b")
    assert refused.value.reason is Reason.OVERLOADED
    assert await say(all_, "a") == "Fine."


@pytest.mark.parametrize("agent", ["nobody", "voice"])
async def test_an_agent_that_does_not_chat_is_refused(writer: Writer, agent: str) -> None:
    """Unknown, or for calls only."""
    all_, _ = texts(writer)
    with pytest.raises(AgentFailure) as refused:
        await say(all_, agent=agent)
    assert refused.value.reason is Reason.AGENT_NOT_FOUND


async def test_a_conversation_that_was_lost_between_two_messages_begins_anew(writer: Writer) -> None:
    """The person need not write again, whether the loss was noticed before or while asking."""
    all_, _ = texts(writer)
    await say(all_)
    writer.wires[0].receiver.closed(1006, "")
    assert await say(all_) == "Fine."
    assert len(writer.wires) == 2
    writer.answers = None
    asking = asyncio.create_task(say(all_))
    await until(lambda: writer.wires[1].sent.count(b"SendText") == 2)
    writer.answers = chat_answers()
    writer.wires[1].receiver.closed(1006, "")
    assert await asking == "Fine."
    assert len(writer.wires) == 3


def chat_answers() -> list[Any]:
    """As at first."""
    return list(Writer().answers or [])


async def test_a_new_conversation_that_fails_is_not_tried_twice(writer: Writer) -> None:
    """The failure is told."""
    writer.fails = AgentFailure("no", reason=Reason.AGENT_BUSY, retry=True)
    all_, _ = texts(writer)
    with pytest.raises(AgentFailure):
        await say(all_)
    assert len(writer.modes) == 1
    assert all_.sessions == []


async def test_with_the_process_every_conversation_ends(writer: Writer) -> None:
    """Each agent's session is given back."""
    all_, changed = texts(writer)
    task = asyncio.create_task(all_.run())
    await asyncio.sleep(0)
    await say(all_, "a")
    await say(all_, "b")
    task.cancel()
    await asyncio.wait({task})
    assert writer.released == [True, True]
    assert all_.sessions == []
    assert changed.count(Reason.AGENT_IDLE) == 2


async def test_what_nobody_uses_and_what_is_forgotten_is_given_back(writer: Writer) -> None:
    """After its idle time, or when the person wants no more of it."""
    all_, _ = texts(writer, idle_s=0.0)
    await say(all_)
    task = asyncio.create_task(all_.run())
    await until(lambda: writer.released == [True])
    task.cancel()
    await asyncio.wait({task})
    other, _ = texts(writer)
    task = asyncio.create_task(other.run())
    await say(other)
    other.forget("a")
    other.forget("nobody")
    assert other.sessions == []
    await until(lambda: writer.released == [True, True])
    task.cancel()
    await asyncio.wait({task})


async def test_what_was_forgotten_is_not_begun_anew(writer: Writer) -> None:
    """Also where an answer was still waited for: the person wants no more of it."""
    all_, _ = texts(writer)
    task = asyncio.create_task(all_.run())
    await say(all_)
    writer.answers = None
    asking = asyncio.create_task(say(all_))
    await until(lambda: writer.wires[0].sent.count(b"SendText") == 2)
    all_.forget("a")
    with pytest.raises(AgentFailure):
        await asking
    assert (len(writer.wires), all_.sessions) == (1, [])
    task.cancel()
    await asyncio.wait({task})


async def test_a_conversation_in_which_an_answer_is_due_is_not_idle(writer: Writer) -> None:
    """However long the agent takes to think."""
    all_, _ = texts(writer, idle_s=0.0)
    writer.answers = None
    asking = asyncio.create_task(say(all_))
    await until(lambda: bool(writer.wires) and b"SendText" in writer.wires[0].sent)
    task = asyncio.create_task(all_.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(all_.sessions) == 1
    writer.stream.knows["answer"] = chat_answers()
    writer.wires[0].receiver.received(b"answer")
    assert await asking == "Fine."
    task.cancel()
    await asyncio.wait({task})
