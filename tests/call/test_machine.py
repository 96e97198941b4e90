"""bridge/call/machine.py: the table of a call's states, told as stories; and any order of events, by chance."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.call import events as e
from bridge.call.machine import ALARMS, RULES, CallMachine
from bridge.call.playback import MAX_IN_FLIGHT, MAX_WAITING
from bridge.call.record import Status
from bridge.call.state import JOURNAL, MAX_HELD, Leg
from bridge.errors import Class, Reason, Side
from tests.call.stage import LOUD, QUIET, Stage, failed, opened, ready

AUDIO = e.AgentAudio(b"\x55" * 8000)  # 1 s
GONE = e.AgentClosed(1000)
LOST = e.AgentClosed(1006)


@dataclass(frozen=True)
class Story:
    """A cell of the table and what happens in it: (when, event) in, the kinds of orders of the last event and the end out."""

    cell: str
    told: tuple[tuple[float, e.Event], ...]
    orders: tuple[str, ...]  # of the last event, timers and Save left out
    reason: Reason | None = None  # of the end, where it comes within 20 s of the last event
    then: str = "hangup"
    after: float = 0.0  # the end comes so much later
    fallback: bool = False
    backups: tuple[str, ...] = ()


READY, OPEN = ready(), opened()
ENDING = ("ClosePhone", "Ended")
LEAVING_AGENT = ("SendStop", "DropAgent", *ENDING)
STORIES = [
    # ---- phone PENDING, agent PENDING: SETUP
    Story("SETUP: the stream comes first", ((0.2, OPEN),), ()),
    Story("SETUP: the agent comes first", ((0.2, READY),), ()),
    Story("SETUP: the agent refuses", ((0.1, failed()),), ()),
    Story("SETUP: the agent refuses, a backup is asked", ((0.1, failed()),), ("ConnectAgent",), backups=("booking",)),
    Story(
        "SETUP: the caller is gone",
        ((0.1, e.CarrierEnded(Reason.CALLER_HANGUP)),),
        ("DropAgent", *ENDING),
        Reason.CALLER_ABANDONED,
    ),
    Story(
        "SETUP: busy",
        ((0.1, e.CarrierEnded(Reason.BUSY, Status.BUSY)),),
        ("DropAgent", *ENDING),
        Reason.BUSY,
    ),
    Story(
        "SETUP: no answer",
        ((0.1, e.CarrierEnded(Reason.NO_ANSWER, Status.NO_ANSWER)),),
        ("DropAgent", *ENDING),
        Reason.NO_ANSWER,
    ),
    Story(
        "SETUP: the operator hangs up",
        ((0.1, e.EndRequested(Reason.OPERATOR_HANGUP)),),
        ("DropAgent", *ENDING),
        Reason.OPERATOR_HANGUP,
    ),
    # ---- phone PENDING, agent OPEN: SETUP, pre-warmed
    Story("SETUP, ready: the greeting waits", ((0.1, READY), (0.2, AUDIO)), ()),
    Story("SETUP, ready: a ping", ((0.1, READY), (0.2, e.AgentPing(1))), ("SendPong",)),
    Story("SETUP, ready: the agent is lost", ((0.1, READY), (0.2, LOST)), ("DropAgent", "ConnectAgent")),
    Story("SETUP, ready: the agent leaves", ((0.1, READY), (0.2, GONE)), ("DropAgent",)),
    Story(
        "SETUP, ready: the caller is gone",
        ((0.1, READY), (0.2, e.CarrierEnded(Reason.CALLER_HANGUP))),
        LEAVING_AGENT,
        Reason.CALLER_ABANDONED,
    ),
    # ---- phone PENDING, agent CLOSED: said when the stream comes
    Story(
        "doomed: the stream comes",
        ((0.1, failed()), (0.5, OPEN)),
        ("PlayAudio", "PlayMark"),
        Reason.AGENT_AUTH,
        after=0.1,
    ),
    Story(
        "doomed: the stream comes, and a fallback follows",
        ((0.1, failed()), (0.5, OPEN)),
        ENDING,
        Reason.AGENT_AUTH,
        then="fallback",
        fallback=True,
    ),
    Story(
        "doomed: the caller is gone",
        ((0.1, failed()), (0.5, e.CarrierEnded(Reason.CALLER_HANGUP))),
        ENDING,
        Reason.CALLER_ABANDONED,
    ),
    # ---- phone OPEN, agent PENDING: CONNECTING
    Story("CONNECTING: ready", ((0.1, OPEN), (0.2, READY)), ()),
    Story("CONNECTING: the caller speaks", ((0.1, OPEN), (0.2, e.PhoneAudio(b"\x01" * 160))), ()),
    Story(
        "CONNECTING: no agent", ((0.1, OPEN), (0.2, failed())), ("PlayAudio", "PlayMark"), Reason.AGENT_AUTH, after=0.1
    ),
    Story(
        "CONNECTING: no agent, a backup",
        ((0.1, OPEN), (0.2, failed())),
        ("PlayAudio", "ConnectAgent"),
        backups=("booking",),
    ),
    Story(
        "CONNECTING: the caller hangs up",
        ((0.1, OPEN), (0.2, e.PhoneClosed(orderly=True))),
        (),
        Reason.CALLER_HANGUP,
        after=0.4,
    ),
    # ---- phone OPEN, agent OPEN: ACTIVE
    Story("ACTIVE: the caller speaks", ((0.1, READY), (0.1, OPEN), (1, e.PhoneAudio(b"\x01" * 160))), ("SendAudio",)),
    Story("ACTIVE: the agent speaks", ((0.1, READY), (0.1, OPEN), (1, AUDIO)), ("PlayAudio", "PlayMark")),
    Story(
        "ACTIVE: an interruption", ((0.1, READY), (0.1, OPEN), (1, AUDIO), (1.2, e.AgentInterrupted())), ("ClearAudio",)
    ),
    Story("ACTIVE: a key", ((0.1, READY), (0.1, OPEN), (1, e.PhoneDigit("1"))), ("SendActivity",)),
    Story(
        "ACTIVE: the agent leaves",
        ((0.1, READY), (0.1, OPEN), (1, AUDIO), (1.1, GONE)),
        ("DropAgent",),
        Reason.AGENT_HANGUP,
        after=0.9,
    ),
    Story(
        "ACTIVE: the agent leaves in silence",
        ((0.1, READY), (0.1, OPEN), (1, GONE)),
        ("DropAgent", *ENDING),
        Reason.AGENT_HANGUP,
    ),
    Story(
        "ACTIVE: the agent is lost",
        ((0.1, READY), (0.1, OPEN), (1, LOST)),
        ("DropAgent", "PlayAudio", "ConnectAgent"),
    ),
    Story(
        "ACTIVE: stop",
        ((0.1, READY), (0.1, OPEN), (1, e.PhoneClosed(orderly=True))),
        (),
        Reason.CALLER_HANGUP,
        after=0.4,
    ),
    Story(
        "ACTIVE: the carrier's socket is lost",
        ((0.1, READY), (0.1, OPEN), (1, e.PhoneClosed(orderly=False))),
        (),
        Reason.CARRIER_LOST,
        after=5.0,
    ),
    Story(
        "ACTIVE: completed",
        ((0.1, READY), (0.1, OPEN), (1, e.CarrierEnded(Reason.CALLER_HANGUP))),
        LEAVING_AGENT,
        Reason.CALLER_HANGUP,
    ),
    Story(
        "ACTIVE: a transfer",
        ((0.1, READY), (0.1, OPEN), (1, e.TransferRequested("reception", Reason.TRANSFERRED))),
        LEAVING_AGENT,
        Reason.TRANSFERRED,
        then="transfer",
    ),
    Story("ACTIVE: another start", ((0.1, READY), (0.1, OPEN), (1, opened("MZ2"))), ()),
    Story(
        "ACTIVE: another instance",
        ((0.1, READY), (0.1, OPEN), (1, e.Superseded())),
        ("SendStop", "DropAgent", "Ended"),
    ),
    # ---- phone OPEN, agent CLOSED: RECOVERING, DRAINING
    Story(
        "RECOVERING: nobody is left",
        ((0.1, READY), (0.1, OPEN), (1, LOST), (1.2, failed(Reason.AGENT_UNREACHABLE))),
        ("PlayAudio", "PlayMark"),
        Reason.AGENT_UNREACHABLE,
        after=0.1,
    ),
    Story(
        "RECOVERING: nobody is left, a fallback",
        ((0.1, READY), (0.1, OPEN), (1, LOST), (1.2, failed(Reason.AGENT_UNREACHABLE))),
        ENDING,
        Reason.AGENT_UNREACHABLE,
        then="fallback",
        fallback=True,
    ),
    Story(
        "DRAINING: late news of the agent",
        ((0.1, READY), (0.1, OPEN), (1, AUDIO), (1.1, GONE), (1.2, LOST)),
        (),
        Reason.AGENT_HANGUP,
        after=0.8,
    ),
    Story(
        "DRAINING: the operator cannot wait",
        ((0.1, READY), (0.1, OPEN), (1, AUDIO), (1.1, GONE), (1.2, e.EndRequested(Reason.OPERATOR_HANGUP))),
        ENDING,
        Reason.OPERATOR_HANGUP,
    ),
    Story(
        "DRAINING: the stream is replaced",
        ((0.1, READY), (0.1, OPEN), (1, AUDIO), (1.1, GONE), (1.2, e.StreamPromised(15)), (2, opened("MZ2"))),
        ("PlayAudio", "PlayMark"),
        Reason.AGENT_HANGUP,
        after=0.8,
    ),
    # ---- phone AWAY
    Story(
        "AWAY: the agent goes on",
        ((0.1, READY), (0.1, OPEN), (1, e.StreamPromised(15)), (1.5, AUDIO)),
        (),
        Reason.CARRIER_LOST,
        after=14.5,
    ),
    Story(
        "AWAY: the stream is back",
        ((0.1, READY), (0.1, OPEN), (1, e.StreamPromised(15)), (2, AUDIO), (3, OPEN)),
        ("PlayAudio", "PlayMark"),
    ),
    Story(
        "AWAY: an interruption",
        ((0.1, READY), (0.1, OPEN), (1, e.StreamPromised(15)), (2, AUDIO), (3, e.AgentInterrupted())),
        (),
        Reason.CARRIER_LOST,
        after=13.0,
    ),
    Story(
        "AWAY: completed",
        ((0.1, READY), (0.1, OPEN), (1, e.PhoneClosed(orderly=True)), (1.1, e.CarrierEnded(Reason.CALLER_HANGUP))),
        LEAVING_AGENT,
        Reason.CALLER_HANGUP,
    ),
    Story(
        "AWAY: the agent is lost",
        ((0.1, READY), (0.1, OPEN), (1, e.StreamPromised(15)), (2, LOST)),
        ("DropAgent", "ConnectAgent"),
    ),
    # ---- ENDED
    Story(
        "ENDED: everything", ((0.1, e.EndRequested(Reason.OPERATOR_HANGUP)), (0.2, OPEN)), (), Reason.OPERATOR_HANGUP
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.cell)
def test_the_table(story: Story) -> None:
    """Each cell: what is ordered at once, and how and when the call ends."""
    stage = Stage(("support", *story.backups), has_fallback=story.fallback)
    orders: list[e.Order] = []
    for at, event in story.told:
        stage.wait(at - stage.now)
        orders = stage.tell(event)
    quiet = (e.StartTimer, e.StopTimer, e.Save)
    assert tuple(type(order).__name__ for order in orders if not isinstance(order, quiet)) == story.orders
    if story.reason is not None:
        assert stage.until_over(20.0) == pytest.approx(story.after, abs=0.1)
        handed_over = story.then == "transfer"  # then the record ends when the transfer does
        assert (stage.reason, stage.then) == (None if handed_over else story.reason, story.then)
    elif not isinstance(story.told[-1][1], e.Superseded):
        assert not stage.over


def test_every_event_has_a_rule_or_is_counted() -> None:
    """No kind of event falls through in silence."""
    kinds = {kind for kind in e.Event.__subclasses__() if kind is not e.TimedOut}
    assert kinds - set(RULES) == {e.Ignored}
    stage = Stage()
    stage.tell(e.Ignored("x"), e.TimedOut("nobody's"))
    assert stage.machine.call.ignored == {"x": 1}


def test_the_journal_tells_what_led_to_what_within_bounds() -> None:
    """(when, what, orders) of everything but sound, the newest JOURNAL of them."""
    stage = Stage().connected()
    stage.tell(e.PhoneAudio(b"\x01"), e.PhoneDigit("1"))
    assert stage.machine.journal[-1] == (0.0, "PhoneDigit", ("SendActivity", "Save"))
    for _ in range(2 * JOURNAL):
        stage.tell(e.PhoneDigit("1"))
    assert len(stage.machine.journal) == JOURNAL


def test_the_journal_keeps_no_room_for_what_goes_on_all_the_time() -> None:
    """Marks, pings and looks at the clock that lead to nothing would push out what matters within a minute."""
    stage = Stage().connected()
    stage.tell(e.PhoneDigit("1"))
    before = list(stage.machine.journal)
    for _ in range(50):
        stage.says(1.0)
        stage.tell(e.AgentPing(1), e.PhoneAudio(b"\x01"))
        stage.wait(1.0)
    assert list(stage.machine.journal) == before


# ---------------------------------------------------------------- any order of events

TEXT = st.sampled_from(["", "Yes", "one two three four five"])
IDS = st.one_of(st.none(), st.integers(0, 30))
REASONS = st.sampled_from([Reason.OPERATOR_HANGUP, Reason.DRAIN_TIMEOUT, Reason.AGENT_HANGUP, Reason.INTERNAL_ERROR])


def frame(size: int, *, loud: bool) -> e.PhoneAudio:
    """The caller's sound."""
    return e.PhoneAudio((LOUD if loud else QUIET) * size)


def chunk(size: int, event_id: int | None) -> e.AgentAudio:
    """The agent's sound."""
    return e.AgentAudio(b"\x55" * size, event_id)


PHONE = st.one_of(
    st.sampled_from(
        [opened("MZ1"), opened("MZ2"), e.PhoneAlive(), e.PhoneStalled(), e.PhoneReached("x"), e.PhoneReached("0.1")]
    ),
    st.builds(frame, st.sampled_from([0, 1, 160, 8000]), loud=st.booleans()),
    st.builds(e.PhoneDigit, st.sampled_from("0#A")),
    st.builds(e.PhoneClosed, st.booleans()),
    st.builds(e.StreamPromised, st.sampled_from([0.5, 15.0])),
    st.builds(e.Garbage, st.just("phone"), st.just(Reason.CARRIER_PROTOCOL), st.booleans()),
)
AGENT = st.one_of(
    st.sampled_from(
        [ready(), e.AgentPing(1), e.AgentExpired("idle"), e.AgentProblem("no"), e.AgentProgress("socket", 1.0)]
    ),
    st.builds(chunk, st.sampled_from([1, 800, 80_000, 400_000]), IDS),
    st.builds(e.AgentText, TEXT, st.booleans()),
    st.builds(e.CallerText, TEXT, st.booleans()),
    st.builds(e.AgentTurnComplete, TEXT, TEXT),
    st.builds(e.AgentTextCorrected, TEXT, TEXT),
    st.builds(e.AgentInterrupted, IDS),
    st.builds(e.AgentToolCall, st.just("t"), st.just("n"), st.just({})),
    st.builds(e.AgentClosed, st.sampled_from([1000, 1006, 1008, 1011])),
    st.builds(e.Garbage, st.just("agent"), st.just(Reason.AGENT_PROTOCOL), st.booleans()),
)
HOUSE = st.one_of(
    st.builds(e.CarrierEnded, st.sampled_from([Reason.CALLER_HANGUP, Reason.BUSY]), st.sampled_from(list(Status))),
    st.builds(e.EndRequested, REASONS, st.booleans(), st.sampled_from(["", "closing", "nothing"])),
    st.just(e.TransferRequested("reception", Reason.TRANSFERRED)),
    st.just(e.Ignored("x")),
)


class AnyCall(RuleBasedStateMachine):
    """Both legs, any events in any order, timers that run out when they must; failures of an agent only where one is tried."""

    stage: Stage

    @initialize(
        backups=st.integers(0, 2),
        echo=st.booleans(),
        fallback=st.booleans(),
        prewarm=st.booleans(),
        resumed=st.booleans(),
        barge_in=st.sampled_from(["agent", "both", "local", "off"]),
        chunk=st.sampled_from([20, 60]),
    )
    def begin(
        self, *, backups: int, echo: bool, fallback: bool, prewarm: bool, resumed: bool, barge_in: str, chunk: int
    ) -> None:
        """A call is offered."""
        self.stage = Stage(
            ("a", "b", "c")[: backups + 1],
            echo=echo,
            barge_in=barge_in,
            has_fallback=fallback,
            prewarm=prewarm,
            resumed=resumed,
            uplink_chunk_ms=chunk,
        )
        self.superseded = False
        self.seen = 0
        self.live: int | None = None
        self.closed = False
        self.ended = 0

    @rule(event=PHONE)
    def phone(self, event: e.Event) -> None:
        """The phone leg."""
        self.stage.tell(event)

    @rule(event=AGENT)
    def agent(self, event: e.Event) -> None:
        """The agent leg."""
        self.stage.tell(event)

    @rule(event=HOUSE)
    def house(self, event: e.Event) -> None:
        """Everybody else."""
        self.stage.tell(event)

    @rule()
    def supersede(self) -> None:
        """Another instance has the call."""
        self.superseded = self.superseded or not self.stage.over
        self.stage.tell(e.Superseded())

    @precondition(lambda self: self.live is not None)
    @rule(retry=st.booleans(), after=st.one_of(st.none(), st.sampled_from([0.0, 1.0, 60.0])))
    def fail(self, *, retry: bool, after: float | None) -> None:
        """An attempt failed: the runtime has let go of it."""
        self.live = None
        self.stage.tell(failed(Reason.AGENT_5XX, retry=retry, after=after))

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.0, 6.0, 16.0, 70.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.stage.wait(seconds)

    @rule(seconds=st.sampled_from([0.2, 2.0]), loud=st.booleans())
    def speak(self, *, seconds: float, loud: bool) -> None:
        """The caller speaks or is silent."""
        self.stage.caller(seconds, loud=loud)

    @invariant()
    def all_is_well(self) -> None:
        """After every step."""
        self.orders_make_sense()
        self.one_end()
        self.someone_will_act()
        self.bounded()
        self.pair_of_legs()

    def orders_make_sense(self) -> None:
        """No two agents at once, nothing to the phone after it was closed, one end, timers that somebody hears."""
        for _, order in self.stage.log[self.seen :]:
            if isinstance(order, e.ConnectAgent):
                assert self.live is None
                self.live = order.attempt
            elif isinstance(order, e.DropAgent):
                self.live = None
            elif isinstance(order, e.ClosePhone):
                assert not self.closed
                assert order.then in {"hangup", "fallback", "transfer"}
                self.closed = True
            elif isinstance(order, e.Ended):
                self.ended += 1
            elif isinstance(order, e.StartTimer):
                assert order.name in ALARMS
                assert 0 <= order.seconds <= 14_400
            if self.closed:
                assert isinstance(order, e.ClosePhone | e.Save | e.Ended)
            if isinstance(order, e.PlayAudio | e.SendAudio):
                assert order.payload
        self.seen = len(self.stage.log)

    def one_end(self) -> None:
        """Exactly one, with side, class and reason; the agent is let go of."""
        stage, record = self.stage, self.stage.record
        assert self.ended == (1 if stage.over else 0)
        if not stage.over:
            assert record.outcome is None
            assert not record.status.terminal
            return
        assert self.live is None
        if self.superseded:
            assert record.outcome is None
            return
        if record.outcome is None:  # handed over: the record ends when the transfer does
            assert stage.then == "transfer"
            return
        assert record.outcome in Reason
        assert record.outcome.side in Side
        assert record.outcome.class_ in Class
        assert record.status.terminal
        assert record.ended_at is not None
        assert self.closed

    def someone_will_act(self) -> None:
        """A call that is not over has a timer running: nobody waits for ever."""
        if not self.stage.over:
            assert self.stage.timers

    def bounded(self) -> None:
        """Nothing grows without end."""
        call = self.stage.machine.call
        assert call.held_bytes <= MAX_HELD
        assert len(self.stage.machine.journal) <= JOURNAL
        assert call.playback.left(self.stage.now) * 8000 <= MAX_IN_FLIGHT + MAX_WAITING
        assert len(call.chunk) < 480

    def pair_of_legs(self) -> None:
        """The state is one of the table's cells."""
        call = self.stage.machine.call
        assert call.agent is not Leg.AWAY
        assert (call.phone is Leg.CLOSED) == self.stage.over
        if call.agent is Leg.CLOSED and not self.stage.over:
            assert call.leaving is not None or call.doomed is not None


AnyCall.TestCase.settings = settings(
    max_examples=500, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyCall = AnyCall.TestCase


def test_a_machine_ends_whatever_it_is_left_in() -> None:
    """A call whose peers fall silent for good ends by its own timers, from every state of the table."""
    for story in STORIES:
        stage = Stage(("support", *story.backups), has_fallback=story.fallback)
        for at, event in story.told:
            stage.wait(at - stage.now)
            stage.tell(event)
        stage.until_over(200.0)
        assert isinstance(stage.machine, CallMachine)
