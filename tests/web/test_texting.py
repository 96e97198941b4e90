"""Text messages to our lines."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from bridge.carriers.twilio.webhooks import InboundMessage
from bridge.errors import AgentFailure, CarrierFailure, Reason, StoreUnavailable
from bridge.web import texting as subject
from bridge.web.texting import MAX_ANSWER, MAX_BODY, OPTED_OUT, TROUBLE, Means, Texting

PERSON, LINE, OTHER = "+15550123456", "+15550100", "+15550101"
HELP = "Call us for help."


class World:
    """Agents, carrier, list and events."""

    def __init__(self, agents: dict[str, str] | None = None, *, per_hour: int = 30) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.forgotten: list[str] = []
        self.events: list[tuple[str, dict[str, Any], str]] = []
        self.out: set[str] = set()
        self.answer: str | Exception = "Hi!"
        self.refusal: CarrierFailure | None = None
        self.away = False
        self.now = 0.0
        self.spawned: list[Coroutine[Any, Any, None]] = []
        means = Means(
            texts=self,  # type: ignore[arg-type]
            agents={LINE: "support"} if agents is None else agents,
            lines=lambda: {LINE: 1, OTHER: 1},
            suppressed=self,
            send=self._send,
            tell=self._tell,
            spawn=lambda work, name: self.spawned.append(work),
            elsewhere=self._elsewhere,
            help_text=HELP,
            per_hour=per_hour,
        )
        self.owner: bool | Exception = False
        self.texting = Texting(means, clock=lambda: self.now)
        self.count = 0

    async def _elsewhere(self, message: InboundMessage) -> bool:
        if isinstance(self.owner, Exception):
            raise self.owner
        return self.owner

    async def work(self) -> None:
        """Whatever was begun is done."""
        while self.spawned:
            await self.spawned.pop(0)

    async def ask(self, key: str, agent: str, text: str, *, person: str, line: str, metadata: Any) -> str:
        """Of the conversations."""
        assert (person, line, metadata) == (PERSON, line, {"channel": "sms"})
        self.asked.append((key, agent, text))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def forget(self, key: str) -> None:
        """Of the conversations."""
        self.forgotten.append(key)

    async def add(self, numbers: Any, **more: Any) -> int:
        """Of the list."""
        self.out |= set(numbers)
        return 1

    async def has(self, number: str) -> bool:
        """Of the list."""
        return number in self.out

    async def remove(self, number: str) -> bool:
        """Of the list."""
        self.out.discard(number)
        return True

    async def _send(self, to: str, from_: str, *, body: str) -> None:
        self.sent.append((to, from_, body))
        if self.refusal is not None:
            raise self.refusal

    async def _tell(self, kind: str, data: dict[str, Any], *, lane: str, identity: str) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.events.append((kind, data, identity))

    async def says(self, body: str, *, person: str = PERSON, line: str = LINE, opt_out: str = "") -> list[str]:
        """A message, a minute after the one before: what was replied."""
        self.now += 60
        self.count += 1
        before = len(self.sent)
        sid = f"SM{self.count}"
        await self.texting.answer(
            InboundMessage(message_sid=sid, sender=person, receiver=line, body=body, opt_out=opt_out)
        )
        return [each[2] for each in self.sent[before:]]


async def test_a_message_is_answered_by_the_lines_agent() -> None:
    """From the line to the person, in one conversation for the two; the event is told."""
    world = World()
    assert await world.says("Hello") == ["Hi!"]
    assert world.sent == [(PERSON, LINE, "Hi!")]
    assert world.asked == [(f"sms:{PERSON}:{LINE}", "support", "Hello")]
    data = {"from": PERSON, "to": LINE, "text": "Hello", "message_id": "SM1"}
    assert world.events == [("message.received", data, "SM1")]


async def test_a_line_without_an_agent_is_told_of_and_not_answered() -> None:
    """One for all lines takes the others."""
    assert await World().says("Hello", line=OTHER) == []
    assert await World({"*": "any"}).says("Hello", line=OTHER) == ["Hi!"]


@pytest.mark.parametrize("word", ["STOP", "stop", " Stop. ", "UNSUBSCRIBE", "opt-out", "quit", "cancel!"])
async def test_who_says_stop_is_never_answered_again(word: str) -> None:
    """On the list, the conversation forgotten, no words of ours; until START."""
    world = World()
    assert await world.says(word) == []
    assert world.out == {PERSON}
    assert world.forgotten == [f"sms:{PERSON}:{LINE}"]
    assert await world.says("Hello") == []
    assert await world.says("start") == []
    assert world.out == set()
    assert await world.says("Hello") == ["Hi!"]


async def test_the_carriers_own_opt_out_counts_like_the_word() -> None:
    """In whatever language the person wrote."""
    world = World()
    assert await world.says("ARRÊT", opt_out="STOP") == []
    assert world.out == {PERSON}
    await world.says("OUI", opt_out="START")
    assert world.out == set()


async def test_a_sentence_with_the_word_is_no_stop() -> None:
    """Only the word by itself."""
    world = World()
    assert await world.says("Please stop the delivery") == ["Hi!"]
    assert world.out == set()


async def test_help_is_answered_by_the_house_once() -> None:
    """Not by the agent, nor where the carrier has answered already."""
    world = World()
    assert await world.says("Help") == [HELP]
    assert await world.says("AIDE", opt_out="HELP") == []
    assert world.asked == []


@pytest.mark.parametrize("sender", ["12345", OTHER, LINE, "whatsapp:+15550123456"])
async def test_machines_and_our_own_lines_are_not_answered(sender: str) -> None:
    """Two machines would text each other for ever; even their STOP is nobody's."""
    world = World()
    assert await world.says("Hello", person=sender) == []
    assert await world.says("STOP", person=sender) == []
    assert (world.asked, world.out) == ([], set())


async def test_an_empty_message_is_not_answered() -> None:
    """A picture without words, say."""
    assert await World().says("  ") == []


async def test_so_many_messages_an_hour_and_no_more() -> None:
    """The rest is told of, not answered; in the next hour it goes on."""
    world = World(per_hour=2)
    assert [await world.says(f"{n}") for n in range(3)] == [["Hi!"], ["Hi!"], []]
    assert len(world.events) == 3
    world.now += 3600
    assert await world.says("again") == ["Hi!"]


async def test_an_agent_that_fails_is_excused() -> None:
    """The person is not left without an answer."""
    world = World()
    world.answer = AgentFailure("no", reason=Reason.AGENT_TIMEOUT)
    assert await world.says("Hello") == [TROUBLE]


async def test_an_agent_with_nothing_to_say_sends_nothing() -> None:
    """No empty message goes out."""
    world = World()
    world.answer = ""
    assert await world.says("Hello") == []


async def test_a_long_answer_is_not_cut_and_an_endless_one_is() -> None:
    """The carrier's messages may be several, but not any number; what comes in is never longer than one."""
    world = World()
    world.answer = "word " * 900 + "end"
    assert await world.says("y" * 5000) == [world.answer]
    assert len(world.asked[-1][2]) == MAX_BODY
    world.answer = "x" * (MAX_ANSWER + 1)
    assert await world.says("Go on") == ["x" * MAX_ANSWER]


async def test_a_carrier_that_knows_of_an_opt_out_is_believed() -> None:
    """Any other refusal puts nobody on the list; neither is raised."""
    world = World()
    world.refusal = CarrierFailure("no", code=30007)
    await world.says("Hello")
    assert world.out == set()
    world.refusal = CarrierFailure("no", code=OPTED_OUT)
    await world.says("Hello again")
    assert world.out == {PERSON}


async def test_a_store_that_is_away_costs_the_event_and_not_the_answer() -> None:
    """The person is answered."""
    world = World()
    world.away = True
    assert await world.says("Hello") == ["Hi!"]


async def test_a_message_that_comes_twice_is_answered_once() -> None:
    """By its own id; the hook returns before anything was asked."""
    world = World()
    message = InboundMessage(message_sid="SM9", sender=PERSON, receiver=LINE, body="Hello")
    await world.texting.received(message)
    await world.texting.received(message)
    assert world.asked == []
    await world.work()
    assert len(world.sent) == 1


@pytest.mark.parametrize("owner", [False, StoreUnavailable("away"), AgentFailure("no", reason=Reason.AGENT_TIMEOUT)])
async def test_a_message_is_answered_by_the_instance_that_has_the_person(owner: bool | Exception) -> None:
    """By this one too where that one cannot be told."""
    world = World()
    world.owner = owner
    await world.texting.received(InboundMessage(message_sid="SM9", sender=PERSON, receiver=LINE, body="Hello"))
    await world.work()
    assert len(world.sent) == 1
    world.owner = True
    await world.texting.received(InboundMessage(message_sid="SM10", sender=PERSON, receiver=LINE, body="Hello"))
    await world.work()
    assert len(world.sent) == 1


async def test_a_stop_is_not_overtaken() -> None:
    """What the same person wrote after it is judged after it, however slow the list is."""
    world = World()
    go = asyncio.Event()
    add = world.add

    async def slow(numbers: Any, **more: Any) -> int:
        await go.wait()
        return await add(numbers, **more)

    world.add = slow  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(world.says("STOP"))
        await asyncio.sleep(0)
        second = group.create_task(world.says("Hello"))
        for _ in range(5):
            await asyncio.sleep(0)
        go.set()
    assert second.result() == []
    assert world.asked == []


async def test_who_texts_from_another_country_is_told_of_and_not_answered() -> None:
    """At our cost; their STOP counts all the same. The countries that are meant may be named."""
    world = World()
    assert await world.says("Hello", person="+4915112345678") == []
    assert (world.asked, len(world.events)) == ([], 1)
    await world.says("STOP", person="+4915112345678")
    assert world.out == {"+4915112345678"}


async def test_a_stop_that_comes_while_the_agent_answers_is_the_last_word() -> None:
    """What the agent says by then is not sent."""
    world = World()
    go = asyncio.Event()
    ask = world.ask

    async def slow(*args: Any, **more: Any) -> str:
        await go.wait()
        return await ask(*args, **more)

    world.ask = slow  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(world.says("Hello"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert await world.says("STOP") == []
        go.set()
    assert (world.sent, world.out) == ([], {PERSON})


async def test_a_stop_outlives_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered from then on, and it is put on the list as soon as there is one; START takes it back."""
    monkeypatch.setattr(subject, "STOP_AGAIN_S", (0.0, 0.0, 0.0))
    world = World()
    add, tries = world.add, [StoreUnavailable("away"), StoreUnavailable("away"), None, StoreUnavailable("away")]

    async def failing(numbers: Any, **more: Any) -> int:
        error = tries.pop(0)
        if error is not None:
            raise error
        return await add(numbers, **more)

    world.add = failing  # type: ignore[method-assign]
    assert await world.says("STOP") == []
    assert await world.says("Hello") == []
    assert world.out == set()
    await world.work()
    assert world.out == {PERSON}
    await world.says("START")
    assert await world.says("Hello") == ["Hi!"]
    assert await world.says("STOP") == []
    await world.says("START")
    await world.work()
    assert (world.out, await world.says("Hello")) == (set(), ["Hi!"])


async def test_where_nobody_can_tell_who_wants_no_answer_there_is_none() -> None:
    """The list cannot be read: better no word than one too many."""
    world = World()

    async def away(number: str) -> bool:
        raise StoreUnavailable("away")

    world.has = away  # type: ignore[method-assign]
    assert await world.says("Hello") == []
    assert world.asked == []
