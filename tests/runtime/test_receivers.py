"""Who hears the sockets of a call."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.call import events as e
from bridge.errors import Reason
from bridge.runtime.receivers import MAX_EARLY, AgentLink, AgentReceiver, PhoneReceiver
from tests.runtime.wires import Bench, Helper, Translator, Wire


class Listener:
    """A session that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[e.Event] = []
        self.phone_socket: Wire | None = None
        self.link: AgentLink | None = None
        self.answers = 0

    def handle(self, event: e.Event) -> None:
        """Kept."""
        self.told.append(event)

    def phone_answered(self) -> None:
        """Counted."""
        self.answers += 1


class Phone:
    """A phone's receiver and its session."""

    def __init__(self, **knows: list[e.Event]) -> None:
        self.session = Listener()
        self.socket = self.session.phone_socket = Wire()
        self.ear = PhoneReceiver(self.session, self.socket, Translator(**knows))  # type: ignore[arg-type]


class Agent:
    """An agent's receiver and its session."""

    def __init__(self, **knows: list[e.Event]) -> None:
        self.session = Listener()
        self.stream = Translator(**knows)
        self.link = self.session.link = AgentLink(Helper(), stream=self.stream)  # type: ignore[arg-type]
        self.ear = AgentReceiver(self.session, self.link)  # type: ignore[arg-type]


def test_a_phones_message_is_told_as_its_events() -> None:
    """All of them, in order."""
    phone = Phone(both=[e.PhoneAudio(b"x"), e.PhoneDigit("5")])
    phone.ear.received(b"both")
    assert phone.session.told == [e.PhoneAudio(b"x"), e.PhoneDigit("5")]


def test_a_message_that_cannot_be_understood_is_counted_and_the_socket_stays() -> None:
    """Only what the translator calls fatal closes it, with 1008."""
    phone = Phone()
    phone.ear.received(b"?")
    phone.ear.received_binary(5)
    assert [type(event) for event in phone.session.told] == [e.Garbage, e.Garbage]
    assert phone.socket.codes == []
    phone.ear.received(b"fatal")
    assert phone.session.told[-1] == e.Garbage("phone", Reason.AGENT_PROTOCOL, True)
    assert phone.socket.codes == [1008]


def test_a_phones_socket_that_was_replaced_is_not_heard() -> None:
    """Neither its messages nor its end."""
    phone = Phone(hi=[e.PhoneAudio(b"x")])
    new = phone.session.phone_socket = Wire()
    phone.ear.received(b"hi")
    phone.ear.received(b"fatal")
    phone.ear.closed(1006, "")
    assert phone.session.told == []
    assert phone.session.phone_socket is new


def test_a_lost_phone_is_told_once_and_as_lost() -> None:
    """After the carrier's own stop the end of the socket says nothing new."""
    phone = Phone()
    phone.ear.closed(1006, "cut")
    assert phone.session.told == [e.PhoneClosed(orderly=False, detail="cut")]
    assert phone.session.phone_socket is None
    stopped = Phone(stop=[e.PhoneClosed(orderly=True)])
    stopped.ear.received(b"stop")
    stopped.ear.closed(1000, "")
    assert stopped.session.told == [e.PhoneClosed(orderly=True)]
    assert stopped.session.phone_socket is None


def test_an_answered_ping_reaches_the_session() -> None:
    """The carrier reads."""
    phone = Phone()
    phone.ear.answered()
    assert phone.session.answers == 1


def test_an_agent_that_speaks_first_is_heard_when_it_was_greeted() -> None:
    """In order, nothing twice, and of a flood only so much."""
    agent = Agent(a=[e.AgentText("a")], b=[e.AgentText("b")])
    agent.ear.received(b"a")
    for _ in range(MAX_EARLY + 10):
        agent.ear.received(b"b")
    assert agent.session.told == []
    agent.ear.begin()
    assert agent.session.told == [e.AgentText("a")] + [e.AgentText("b")] * (MAX_EARLY - 1)
    agent.ear.received(b"a")
    assert len(agent.session.told) == MAX_EARLY + 1


def test_an_agent_without_the_call_is_not_heard() -> None:
    """Another link has it: neither messages nor garbage nor its end are told."""
    agent = Agent(a=[e.AgentText("a")])
    agent.ear.begin()
    agent.session.link = None
    agent.ear.received(b"a")
    agent.ear.received(b"?")
    agent.ear.received_binary(5)
    agent.ear.closed(1006, "")
    assert agent.session.told == []


def test_an_agents_garbage_is_counted() -> None:
    """Text that cannot be understood, and any binary message."""
    agent = Agent()
    agent.ear.begin()
    agent.ear.received(b"?")
    agent.ear.received(b"fatal")
    agent.ear.received_binary(5)
    assert [(each.side, each.fatal) for each in agent.session.told if isinstance(each, e.Garbage)] == [
        ("agent", False),
        ("agent", True),
        ("agent", False),
    ]


def test_an_agents_end_is_told_in_its_own_translation() -> None:
    """Problem first, then the close; without a translator the bare code."""
    agent = Agent()
    agent.stream.last = [e.AgentProblem("quota"), e.AgentClosed(1011)]
    agent.ear.closed(1011, "")
    assert agent.session.told == [e.AgentProblem("quota"), e.AgentClosed(1011)]
    early = Agent()
    early.link.stream = None
    early.ear.received(b"a")
    early.ear.closed(1006, "cut")
    assert early.session.told == [e.AgentClosed(1006, "cut")]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A whole session."""
    found = Bench(monkeypatch)
    yield found
    if found.task is not None and not found.task.done():
        found.task.cancel()
        await asyncio.wait({found.task})


async def test_an_event_that_loses_the_call_silences_those_behind_it(bench: Bench) -> None:
    """A close told in two events: the second is not told to whoever has the call by then."""
    session = await bench.connected()
    heard: list[e.Event] = []
    handle = session.handle

    def hear(event: e.Event) -> None:
        heard.append(event)
        handle(event)

    session.handle = hear  # type: ignore[method-assign]
    bench.agents[0].stream.last = [e.AgentClosed(1006), e.AgentProblem("late")]
    bench.wires[0].receiver.closed(1006, "")
    assert heard == [e.AgentClosed(1006)]
