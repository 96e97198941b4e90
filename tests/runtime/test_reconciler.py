"""Records of calls that no process has any more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.reconciler import LONGEST, Reconciler, ReconcilerParts

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SID = "CA" + "1" * 32


@dataclass
class Facts:
    """What the carrier says."""

    status: Status | None
    ended_at: datetime | None = None


@dataclass
class World:
    """Store, carrier and clock."""

    calls: dict[str, CallRecord] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    carrier_away: bool = False
    held: set[str] = field(default_factory=set)
    clock: float = 0.0
    now: datetime = NOW
    asked: int = 0

    async def unfinished(
        self, *, instances: Sequence[str] | None = None, before: datetime | None = None
    ) -> list[CallRecord]:
        """As the store has it."""
        return [
            each
            for each in self.calls.values()
            if not each.status.terminal
            and (instances is None or each.instance in instances)
            and (before is None or each.created_at < before)
        ]

    async def change(self, any_id: str, change: Callable[[CallRecord], object]) -> CallRecord | None:
        """As the store does."""
        change(self.calls[any_id])
        return self.calls[any_id]

    async def dead(self) -> list[str]:
        """As the store has it."""
        return list(self.gone)

    async def leave(self, instance: str) -> None:
        """As the store does."""
        self.gone.remove(instance)

    async def fetch(self, call_id: str) -> Facts | None:
        """As the carrier answers."""
        self.asked += 1
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


async def pass_time(world: World, reconciler: Reconciler, seconds: float) -> None:
    """Look, wait, look again."""
    await reconciler.run_once()
    world.clock += seconds
    world.now += timedelta(seconds=seconds)
    await reconciler.run_once()


@pytest.mark.parametrize(
    ("status", "facts", "reason", "ends_as"),
    [
        (Status.IN_PROGRESS, Facts(Status.COMPLETED, NOW), Reason.PROCESS_LOST, Status.COMPLETED),
        (Status.RINGING, Facts(Status.COMPLETED, NOW), Reason.CALLER_ABANDONED, Status.COMPLETED),
        (Status.RINGING, Facts(Status.NO_ANSWER), Reason.NO_ANSWER, Status.NO_ANSWER),
        (Status.RINGING, Facts(Status.BUSY), Reason.BUSY, Status.BUSY),
        (Status.RINGING, Facts(Status.FAILED), Reason.CARRIER_FAILED, Status.FAILED),
        (Status.IN_PROGRESS, None, Reason.UNRECONCILED, Status.FAILED),
        (Status.IN_PROGRESS, Facts(None), None, Status.IN_PROGRESS),
        (Status.IN_PROGRESS, Facts(Status.IN_PROGRESS), None, Status.IN_PROGRESS),
    ],
)
async def test_a_call_of_a_dead_instance_ends_as_the_carrier_says(
    world: World, status: Status, facts: Facts | None, reason: Reason | None, ends_as: Status
) -> None:
    """What nobody has taken up within a minute is closed by the carrier's account; what still lives there is left alone."""
    record = world.put(status=status)
    if facts is not None:
        world.facts[SID] = facts
    reconciler = world.reconciler()
    await pass_time(world, reconciler, 59)
    assert record.outcome is None
    world.clock += 2
    await reconciler.run_once()
    if facts is not None and facts.status is None:
        assert record.outcome is Reason.UNRECONCILED
    else:
        assert (record.outcome, record.status) == (reason, ends_as)
    assert record.outcome is None or record.ended_at is not None


async def test_a_call_that_was_taken_up_is_left_alone(world: World) -> None:
    """Resumed on another instance, or held by this one, it is nobody's orphan."""
    elsewhere, here = world.put(), world.put()
    reconciler = world.reconciler()
    await reconciler.run_once()
    elsewhere.instance = "third"
    world.held.add(here.call_id)
    await pass_time(world, reconciler, 100)
    assert elsewhere.outcome is None
    assert here.outcome is None


async def test_a_carrier_that_does_not_answer_is_asked_again_but_not_for_ever(world: World) -> None:
    """Without the carrier's word the record stays open, until no call could last so long."""
    record = world.put()
    world.carrier_away = True
    reconciler = world.reconciler()
    await pass_time(world, reconciler, 100)
    assert record.outcome is None
    assert world.asked == 1
    await pass_time(world, reconciler, LONGEST.total_seconds())
    assert record.outcome is Reason.UNRECONCILED


async def test_no_record_stays_open_longer_than_a_call_can_last(world: World) -> None:
    """Whoever has it, and whatever the carrier says."""
    record = world.put(instance="third")
    world.facts[SID] = Facts(Status.IN_PROGRESS)
    await pass_time(world, world.reconciler(), LONGEST.total_seconds())
    assert record.outcome is Reason.UNRECONCILED


async def test_a_call_that_waits_for_its_dialler_is_no_orphan(world: World) -> None:
    """A queued call belongs to no process, and may wait for days."""
    record = world.put(status=Status.QUEUED, sid=None)
    await pass_time(world, world.reconciler(), LONGEST.total_seconds())
    assert record.outcome is None


async def test_an_own_record_without_a_session_is_settled_too(world: World) -> None:
    """Where the callback with its end was lost, the carrier is asked."""
    record = world.put(instance="own", status=Status.RINGING)
    world.facts[SID] = Facts(Status.NO_ANSWER)
    await pass_time(world, world.reconciler(), 121)
    assert record.outcome is Reason.NO_ANSWER


async def test_a_dead_instance_is_forgotten_when_its_calls_are_settled(world: World) -> None:
    """Not before: another instance may have to go on with it."""
    world.put()
    reconciler = world.reconciler()
    await reconciler.run_once()
    assert world.gone == ["dead"]
    world.clock += 61
    await reconciler.run_once()
    await reconciler.run_once()
    assert world.gone == []


async def test_a_call_that_the_carrier_cannot_know_is_settled_and_holds_up_no_other(world: World) -> None:
    """A call from a browser has no id that the carrier could be asked about."""
    browser, phone = world.put(sid="browser-1"), world.put()
    await pass_time(world, world.reconciler(), 61)
    assert browser.outcome is Reason.UNRECONCILED
    assert phone.outcome is Reason.UNRECONCILED
