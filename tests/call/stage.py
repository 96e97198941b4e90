"""A call machine on a stage: a virtual clock, its timers, and a carrier that plays what it is sent."""

from datetime import UTC, datetime

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.call import events as e
from bridge.call.interruption import InterruptionPolicy
from bridge.call.machine import CallMachine
from bridge.call.plan import CallPlan
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import AgentFailure, ProtocolError, Reason

PCM16K = AudioFormat(Encoding.PCM16, 16000)
PROMPTS = {name: name[:1].encode() * 800 for name in ("one_moment", "still_there", "goodbye_trouble", "closing")}
QUIET, LOUD = b"\xff", b"\x10"


class Straight:
    """A conversion that changes nothing."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        if AudioFormat(Encoding.PCM16, 96000) in (source, target):
            raise ProtocolError("no such rate", reason=Reason.AGENT_FORMAT)

    def process(self, sound: bytes) -> bytes:
        """The same."""
        return sound

    def flush(self) -> bytes:
        """Nothing is held."""
        return b""

    def reset(self) -> None:
        """Nothing to forget."""


def plan(agents: tuple[str, ...] = ("support",), **more: object) -> CallPlan:
    """A plan with stand-in sound."""
    given: dict[str, object] = {"prompts": PROMPTS, "convert": Straight, **more}
    return CallPlan(
        agents=agents,
        level=lambda sound: 0.0 if sound[:1] == QUIET else 5000.0,
        **given,  # type: ignore[arg-type]
    )


def record() -> CallRecord:
    """Of a call that has just been offered."""
    return CallRecord(
        call_id="call_1",
        direction=Direction.INBOUND,
        from_number="+15550123456",
        to_number="+15550100",
        line="+15550100",
        agent="support",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        carrier_call_id="CA" + "0" * 32,
        status=Status.RINGING,
    )


def opened(stream: str = "MZ1") -> e.PhoneOpened:
    """A stream has started."""
    return e.PhoneOpened(stream, "CA" + "0" * 32, "AC" + "0" * 32, TELEPHONE, {})


def ready(output: AudioFormat = TELEPHONE) -> e.AgentReady:
    """An agent is ready."""
    return e.AgentReady("conv_1", output, PCM16K)


def failed(reason: Reason = Reason.AGENT_AUTH, *, retry: bool = False, after: float | None = None) -> e.AgentFailed:
    """An attempt failed."""
    return e.AgentFailed(AgentFailure("no", reason=reason, retry=retry, retry_after=after))


class Stage:
    """One call. Times are seconds of its clock; a carrier with ``echo`` returns marks when their sound was played."""

    def __init__(
        self, agents: tuple[str, ...] = ("support",), *, echo: bool = True, barge_in: str = "agent", **more: object
    ) -> None:
        self.machine = CallMachine(plan(agents, **more), record(), InterruptionPolicy(barge_in))
        self.echo = echo
        self.now = 0.0
        self.log: list[tuple[float, e.Order]] = []
        self.timers: dict[str, float] = {}
        self.marks: list[tuple[float, str]] = []  # when they come back
        self.ends_at = 0.0  # of what the carrier has queued
        self._do(self.machine.start(0.0))

    @property
    def record(self) -> CallRecord:
        """The account."""
        return self.machine.record

    @property
    def over(self) -> bool:
        """The call has ended."""
        return self.machine.over

    @property
    def reason(self) -> Reason | None:
        """Why it ended."""
        return self.record.outcome

    def tell(self, *events: e.Event) -> list[e.Order]:
        """These happen now: what was ordered."""
        orders: list[e.Order] = []
        for event in events:
            found = self.machine.handle(event, self.now)
            self._do(found)
            orders += found
        return orders

    def wait(self, seconds: float) -> None:
        """Let time pass: timers run out, marks come back."""
        end = self.now + seconds
        while True:
            due = [(at, 1, name) for name, at in self.timers.items()] + [(at, 0, name) for at, name in self.marks]
            due = [item for item in due if item[0] <= end]
            if not due:
                break
            at, kind, name = min(due)
            self.now = max(at, self.now)
            if kind:
                del self.timers[name]
                self.tell(e.TimedOut(name))
            else:
                self.marks.remove((at, name))
                self.tell(e.PhoneReached(name))
        self.now = end

    def until_over(self, limit: float = 60.0) -> float:
        """Let time pass until the call is over; how long it took."""
        began = self.now
        while not self.over and self.now - began < limit:
            self.wait(0.05)
        assert self.over, "the call is not over"
        return self.now - began

    def _do(self, orders: list[e.Order]) -> None:
        for order in orders:
            self.log.append((self.now, order))
            if isinstance(order, e.StartTimer):
                self.timers[order.name] = self.now + order.seconds
            elif isinstance(order, e.StopTimer):
                self.timers.pop(order.name, None)
            elif isinstance(order, e.PlayAudio):
                self.ends_at = max(self.ends_at, self.now) + len(order.payload) / 8000
            elif isinstance(order, e.PlayMark) and self.echo:
                self.marks.append((max(self.ends_at, self.now), order.name))
            elif isinstance(order, e.ClearAudio):
                self.ends_at = self.now
                self.marks = [(self.now, name) for _, name in self.marks]
            elif isinstance(order, e.Ended):
                self.timers.clear()
                self.marks.clear()

    # ---- scenes

    def connected(self) -> "Stage":
        """Both legs are open."""
        self.tell(ready(), opened())
        return self

    def says(self, seconds: float, *, event_id: int | None = None, text: str = "") -> list[e.Order]:
        """The agent speaks, all at once."""
        orders = self.tell(e.AgentText(text)) if text else []
        return orders + self.tell(e.AgentAudio(b"\x55" * round(seconds * 8000), event_id))

    def caller(self, seconds: float, *, loud: bool = True) -> None:
        """The caller speaks (or is silent), frame by frame."""
        for _ in range(round(seconds * 50)):
            self.tell(e.PhoneAudio((LOUD if loud else QUIET) * 160))
            self.wait(0.02)

    def idle(self, seconds: float) -> None:
        """Time passes with the silence that carriers send."""
        self.caller(seconds, loud=False)

    def lose_stream(self) -> None:
        """The carrier's socket is lost, and with it what it had queued."""
        self.marks.clear()
        self.ends_at = self.now
        self.tell(e.PhoneClosed(orderly=False))

    # ---- what was ordered

    def sent(self, kind: type[e.Order]) -> list[e.Order]:
        """All orders of a kind."""
        return [order for _, order in self.log if isinstance(order, kind)]

    def at(self, kind: type[e.Order]) -> float:
        """When the newest order of a kind was given."""
        return [at for at, order in self.log if isinstance(order, kind)][-1]

    @property
    def tried(self) -> list[str]:
        """The agents that were asked for, in order."""
        return [order.name for order in self.sent(e.ConnectAgent) if isinstance(order, e.ConnectAgent)]

    @property
    def played(self) -> bytes:
        """All the sound that went to the phone."""
        return b"".join(order.payload for order in self.sent(e.PlayAudio) if isinstance(order, e.PlayAudio))

    @property
    def prompted(self) -> list[str]:
        """What the bridge itself said."""
        return [event["name"] for event in self.record.events if event["type"] == "prompt"]

    @property
    def then(self) -> str:
        """What the carrier is to do next."""
        orders = self.sent(e.ClosePhone)
        assert len(orders) == 1
        assert isinstance(orders[0], e.ClosePhone)
        return orders[0].then
