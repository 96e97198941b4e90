"""Conversations by text over all instances."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from bridge.errors import AgentFailure, Reason, StoreUnavailable
from bridge.store.conversations import Hold
from bridge.web import conversing as subject
from bridge.web.conversing import Conversing
from bridge.web.questions import Unanswered

KEY = "web:1"


class World:
    """This instance (a), its sessions, what the store says of holds, and what another instance answers."""

    instance = "a"

    def __init__(self) -> None:
        self.holders: list[Hold | Exception] = [Hold("a", "web")]
        self.answers: list[dict[str, Any] | Exception] = []
        self.here: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.forgotten: list[str] = []
        self.fails: AgentFailure | None = None
        self.kinds: dict[str, Any] = {}
        self.opened = self.closed = None
        self.begun: list[Coroutine[Any, Any, None]] = []
        self.conversing = Conversing(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            hold_s=60.0,
            spawn=lambda work, name: self.begun.append(work),
        )
        self.conversing.join(self)  # type: ignore[arg-type]

    async def claim(self, key: str, **more: Any) -> Hold:
        """Of the store: the next one, the last one for ever."""
        found = self.holders.pop(0) if len(self.holders) > 1 else self.holders[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def _here(self, text: str) -> str:
        if self.fails is not None:
            raise self.fails
        self.here.append(text)
        return f"a: {text}"

    async def ask(self, first: str, *args: Any, instance: str = "", timeout_s: float = 0.0, **more: Any) -> Any:
        """Of the sessions here, or of another instance."""
        if not instance:
            return await self._here(args[1])
        self.asked.append((instance, first))
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def forget(self, key: str) -> None:
        """Of the sessions here."""
        self.forgotten.append(key)

    async def says(self, text: str = "Hello") -> str:
        """A message."""
        return await self.conversing.ask(KEY, "web", text, person="", line="", metadata={})


async def test_what_is_ours_is_answered_here_and_the_rest_where_it_lives() -> None:
    """A session that we still have then is ended: we were taken for dead."""
    world = World()
    assert await world.says() == "a: Hello"
    world.holders, world.answers = [Hold("b", "web")], [{"reply": "b: Hello"}]
    assert await world.says() == "b: Hello"
    assert (world.asked, world.forgotten, world.here) == ([("b", "text")], [KEY], ["Hello"])


@pytest.mark.parametrize("answer", [Unanswered(undone=True), Unanswered(undone=False), {"moved": True}])
async def test_where_the_other_one_is_gone_it_is_ours(answer: Any) -> None:
    """The message is not lost; who had it is told, in case it was only slow."""
    world = World()
    world.holders, world.answers = [Hold("b", "web"), Hold("a", "web", former="b")], [answer, {}]
    assert await world.says() == "a: Hello"
    for work in world.begun:
        await work
    assert world.asked == [("b", "text"), ("b", "let go")]


async def test_an_agents_failure_is_the_same_from_elsewhere() -> None:
    """And one that nobody answers for ends after a while."""
    world = World()
    world.holders, world.answers = [Hold("b", "web")], [{"failure": "AGENT_BUSY"}]
    with pytest.raises(AgentFailure) as failed:
        await world.says()
    assert failed.value.reason is Reason.AGENT_BUSY


async def test_nobody_who_answers_is_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without limit."""
    monkeypatch.setattr(subject, "PATIENCE_S", 0.02)
    world = World()
    world.holders, world.answers = [Hold("b", "web")], [Unanswered(undone=True)] * 100_000
    with pytest.raises(AgentFailure) as failed:
        await world.says()
    assert failed.value.reason is Reason.AGENT_TIMEOUT


async def test_without_the_store_nothing_is_opened() -> None:
    """Another instance may have the conversation."""
    world = World()
    world.holders = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await world.says()
    assert world.here == []


async def test_other_instances_ask_the_same() -> None:
    """What is not ours any more is said so; a failure goes back as one."""
    world = World()
    question = {"key": KEY, "agent": "web", "text": "Hi", "person": "", "line": "", "metadata": {}}
    assert await world.kinds["text"](question) == {"reply": "a: Hi"}
    world.fails = AgentFailure("no", reason=Reason.AGENT_BUSY)
    assert await world.kinds["text"](question) == {"failure": "AGENT_BUSY"}
    world.holders = [Hold("b", "web")]
    assert await world.kinds["text"](question) == {"moved": True}
    assert await world.kinds["let go"]({"key": KEY}) == {}
    assert world.forgotten == [KEY]
