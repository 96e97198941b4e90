"""Records of calls that no process has any more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import CarrierFailure, Reason, StoreUnavailable
from bridge.runtime.reconciler import ASKED, LONGEST, SURE_S, Reconciler, ReconcilerParts

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SID = "CA" + "1" * 32
BATCH = 200  # records that the store gives at most


@dataclass
class Facts:
    """What the carrier says."""

    status: Status | None
    ended_at: datetime | None = None


OVER = Facts(Status.COMPLETED, NOW)


@dataclass
class World:
    """Store, carrier and clock."""

    calls: dict[str, CallRecord] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    carrier_away: bool = False
    store_away: bool = False
    while_asked: Callable[[], object] = lambda: None  # what happens before the carrier answers
    held: set[str] = field(default_factory=set)
    clock: float = 0.0
    now: datetime = NOW
    asked: list[str] = field(default_factory=list)

    async def unfinished(
        self, *, instances: Sequence[str] | None = None, before: datetime | None = None
    ) -> list[CallRecord]:
        """As the store has it."""
        found = [
            each
            for each in self.calls.values()
            if not each.status.terminal
            and (instances is None or each.instance in instances)
            and (before is None or each.created_at < before)
        ]
        return found[:BATCH]

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """As the store does."""
        change(self.calls[any_id])
        return self.calls[any_id]

    async def dead(self) -> list[str]:
        """As the store has it."""
        if self.store_away:
            raise StoreUnavailable("away", hint="")
        return list(self.gone)

    async def leave(self, instance: str) -> None:
        """As the store does."""
        self.gone.remove(instance)

    async def fetch(self, call_id: str) -> Facts | None:
        """As the carrier answers."""
        self.asked.append(call_id)
        self.while_asked()
        if not call_id.startswith("CA"):
            raise ValueError(call_id)
        if self.carrier_away:
            raise CarrierFailure("away")
        return self.facts.get(call_id)

    def put(self, *, instance: str = "dead", status: Status = Status.IN_PROGRESS, sid: str | None = SID) -> CallRecord:
        """A call of this instance."""
        record = CallRecord(
            call_id=f"call_{len(self.calls)}",
            carrier_call_id=sid,
            direction=Direction.INBOUND,
            from_number="+15550123456",
            to_number="+15550100",
            line="+15550100",
            agent="support",
            created_at=self.now - timedelta(minutes=5),
            started_at=self.now - timedelta(minutes=4) if status is Status.IN_PROGRESS else None,
            status=status,
            instance=instance,
        )
        self.calls[record.call_id] = record
        return record

    def reconciler(self) -> Reconciler:
        """One that lives in this world."""
        return Reconciler(
            ReconcilerParts(
                instance="own",
                records=self,
                processes=self,
                carrier=self,
                held=self.held.__contains__,
                clock=lambda: self.clock,
                now=lambda: self.now,
            )
        )


@pytest.fixture
def world() -> World:
    """One dead instance."""
    return World(gone=["dead"])


async def looks(world: World, reconciler: Reconciler, *seconds: float) -> None:
    """Look when that many more seconds have passed, each time."""
    for each in seconds:
        world.clock += each
        world.now += timedelta(seconds=each)
        await reconciler.run_once()


@pytest.mark.parametrize(
    ("status", "facts", "reason", "ends_as"),
    [
        (Status.IN_PROGRESS, OVER, Reason.PROCESS_LOST, Status.COMPLETED),
        (Status.RINGING, OVER, Reason.CALLER_ABANDONED, Status.COMPLETED),
        (Status.RINGING, Facts(Status.NO_ANSWER), Reason.NO_ANSWER, Status.NO_ANSWER),
        (Status.RINGING, Facts(Status.BUSY), Reason.BUSY, Status.BUSY),
        (Status.RINGING, Facts(Status.FAILED), Reason.CARRIER_FAILED, Status.FAILED),
    ],
)
async def test_a_call_of_a_dead_instance_ends_as_the_carrier_says(
    world: World, status: Status, facts: Facts, reason: Reason, ends_as: Status
) -> None:
    """Where the carrier says that it is over, its record is closed as soon as its process is known to be dead."""
    world.gone = []
    record = world.put(status=status)
    world.facts[SID] = facts
    reconciler = world.reconciler()
    await looks(world, reconciler, 0, SURE_S)
    world.gone = ["dead"]
    await looks(world, reconciler, 1)
    assert (record.outcome, record.status) == (reason, ends_as)
    assert record.ended_at is not None


@pytest.mark.parametrize(("dialled", "reason"), [(True, Reason.TRANSFERRED), (False, Reason.CALLER_HANGUP)])
async def test_a_call_that_was_handed_over_was_not_lost(world: World, dialled: bool, reason: Reason) -> None:
    """Its process was not there to be told of the end; the agent's part had been over before."""
    record = world.put()
    record.detail |= {"then": "transfer", "transfer_reason": "transferred", "dialled": dialled}
    world.facts[SID] = OVER
    await looks(world, world.reconciler(), 0, SURE_S)
    assert (record.outcome, record.status) == (reason, Status.COMPLETED)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [(None, Reason.UNRECONCILED), (Facts(None), Reason.UNRECONCILED), (Facts(Status.IN_PROGRESS), None)],
)
async def test_a_call_whose_end_the_carrier_does_not_know_has_a_minute(
    world: World, facts: Facts | None, reason: Reason | None
) -> None:
    """So long it may be taken up again; one that lives at the carrier is left alone."""
    record = world.put()
    if facts is not None:
        world.facts[SID] = facts
    await looks(world, reconciler := world.reconciler(), 0, 15, 15, 29)
    assert record.outcome is None
    await looks(world, reconciler, 2)
    assert record.outcome is reason
    assert (record.ended_at is None) is (reason is None)


async def test_after_the_store_was_away_nobody_is_believed_dead_at_once(world: World) -> None:
    """A living instance could give no sign of life meanwhile, and has still to write how its calls ended."""
    world.gone = []
    record = world.put()
    world.facts[SID] = OVER
    reconciler = world.reconciler()
    await looks(world, reconciler, 0, 15)
    world.store_away = True
    with pytest.raises(StoreUnavailable):
        await looks(world, reconciler, 15)
    world.store_away, world.gone = False, ["dead"]
    await looks(world, reconciler, 1, SURE_S - 1)
    assert world.asked == []
    await looks(world, reconciler, 1)
    assert record.outcome is Reason.PROCESS_LOST


async def test_the_carrier_is_asked_about_a_few_calls_at_a_time(world: World) -> None:
    """Each once before any of them twice; and of one that lives there, more and more seldom."""
    orphans = [world.put(sid=f"CA{number:032x}") for number in range(ASKED + 5)]
    world.facts.update({str(each.carrier_call_id): Facts(Status.IN_PROGRESS) for each in orphans})
    reconciler = world.reconciler()
    await looks(world, reconciler, 0, 15)
    assert len(world.asked) == ASKED
    await looks(world, reconciler, 1)
    assert sorted(world.asked) == sorted(str(each.carrier_call_id) for each in orphans)
    world.asked.clear()
    await looks(world, reconciler, *[15.0] * (4 * 60))  # an hour
    assert len(world.asked) / len(orphans) < 20


async def test_a_carrier_that_is_away_is_asked_once_in_a_look(world: World) -> None:
    """Its time-out would fill the look; the others' turn comes first at the next one."""
    first, second = world.put(sid="CA" + "2" * 32), world.put(sid="CA" + "3" * 32)
    world.carrier_away = True
    await looks(world, world.reconciler(), 0, 15, 1)
    assert world.asked == [first.carrier_call_id, second.carrier_call_id]


async def test_a_call_that_is_taken_up_while_the_carrier_is_asked_is_left_alone(world: World) -> None:
    """Whoever has it now tells its end."""
    record = world.put()
    world.facts[SID] = OVER
    world.while_asked = lambda: world.held.add(record.call_id)
    await looks(world, world.reconciler(), 0, 15)
    assert world.asked == [SID]
    assert record.outcome is None


async def test_an_instance_with_calls_beyond_those_that_are_looked_at_is_not_forgotten(world: World) -> None:
    """A look is bounded; what it does not reach is looked at later."""
    for number in range(BATCH):
        world.facts[world.put(sid=f"CA{number:032x}").carrier_call_id or ""] = Facts(Status.IN_PROGRESS)
    late = world.put(instance="dead too")
    world.facts[SID] = OVER
    world.gone.append("dead too")
    await looks(world, world.reconciler(), *[15.0] * 20)
    assert late.outcome is Reason.PROCESS_LOST


async def test_a_call_that_was_taken_up_is_left_alone(world: World) -> None:
    """Resumed on another instance, or held by this one, it is nobody's orphan."""
    elsewhere, here = world.put(), world.put()
    reconciler = world.reconciler()
    await reconciler.run_once()
    elsewhere.instance = "third"
    world.held.add(here.call_id)
    await looks(world, reconciler, 0, 100)
    assert elsewhere.outcome is None
    assert here.outcome is None


async def test_a_carrier_that_does_not_answer_is_asked_again_but_not_for_ever(world: World) -> None:
    """Without the carrier's word the record stays open, until no call could last so long."""
    record = world.put()
    world.carrier_away = True
    reconciler = world.reconciler()
    await looks(world, reconciler, 0, 100)
    assert record.outcome is None
    assert world.asked == [SID]
    await looks(world, reconciler, 0, LONGEST.total_seconds())
    assert record.outcome is Reason.UNRECONCILED


async def test_no_record_stays_open_longer_than_a_call_can_last(world: World) -> None:
    """Whoever has it, and whatever the carrier says."""
    record = world.put(instance="third")
    world.facts[SID] = Facts(Status.IN_PROGRESS)
    await looks(world, world.reconciler(), 0, LONGEST.total_seconds())
    assert record.outcome is Reason.UNRECONCILED


async def test_a_call_that_waits_for_its_dialler_is_no_orphan(world: World) -> None:
    """A queued call belongs to no process, and may wait for days."""
    record = world.put(status=Status.QUEUED, sid=None)
    await looks(world, world.reconciler(), 0, LONGEST.total_seconds())
    assert record.outcome is None


async def test_an_own_record_without_a_session_is_settled_too(world: World) -> None:
    """Where the callback with its end was lost, the carrier is asked."""
    record = world.put(instance="own", status=Status.RINGING)
    world.facts[SID] = Facts(Status.NO_ANSWER)
    await looks(world, world.reconciler(), 0, 121)
    assert record.outcome is Reason.NO_ANSWER


async def test_a_dead_instance_is_forgotten_when_its_calls_are_settled(world: World) -> None:
    """Not before: another instance may have to go on with it."""
    world.put()
    reconciler = world.reconciler()
    await looks(world, reconciler, 0)
    assert world.gone == ["dead"]
    await looks(world, reconciler, 61, 0)
    assert world.gone == []


async def test_a_call_that_the_carrier_cannot_know_is_settled_and_holds_up_no_other(world: World) -> None:
    """A call from a browser has no id that the carrier could be asked about."""
    browser, phone = world.put(sid="browser-1"), world.put()
    await looks(world, world.reconciler(), 0, 61)
    assert browser.outcome is Reason.UNRECONCILED
    assert phone.outcome is Reason.UNRECONCILED
