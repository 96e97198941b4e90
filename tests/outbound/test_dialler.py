"""Dialling: what the carrier's answers, silences and second thoughts lead to. Never to a second dial."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.carriers.twilio.rest import CallFacts
from bridge.errors import CarrierFailure, Reason
from bridge.outbound.dialler import Dialler
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.store.tables import micros

US, THEM = "+12125550100", "+12125550123"
CALL = "call_" + "0" * 24
SID, OTHER = "CA" + "a" * 32, "CA" + "b" * 32
START = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
NO_LIMITS = Budget()


def facts(sid: str, status: str = "ringing", *, ended: datetime | None = None) -> CallFacts:
    """A call as the carrier knows it."""
    return CallFacts(
        carrier_call_id=sid,
        call_status=status,
        direction=Direction.OUTBOUND,
        caller=US,
        called=THEM,
        created_at=START,
        started_at=None,
        ended_at=ended,
        duration_s=0,
        answered_by="",
    )


class Carrier:
    """A carrier that answers as told."""

    def __init__(self) -> None:
        self.answer: str | CarrierFailure = SID
        self.found: list[CallFacts] | CarrierFailure = []
        self.stands: CallFacts | None = None
        self.dials: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.refusals = 0  # requests to give a call up that fail
        self.asked: Callable[..., Awaitable[None]] | None = None

    async def dial(self, to: str, from_: str, **options: Any) -> str:
        """A request."""
        if self.asked is not None:
            await self.asked()
        self.dials.append({"to": to, "from": from_, **options})
        if isinstance(self.answer, CarrierFailure):
            raise self.answer
        return self.answer

    async def find(self, to: str, from_: str, *, since: datetime) -> list[CallFacts]:
        """A search."""
        if isinstance(self.found, CarrierFailure):
            raise self.found
        return self.found

    async def fetch(self, call_id: str) -> CallFacts | None:
        """A look."""
        return self.stands

    async def cancel(self, call_id: str) -> bool:
        """Given up."""
        if self.refusals:
            self.refusals -= 1
            raise CarrierFailure("not now")
        self.ended.append(call_id)
        return True

    async def end(self, call_id: str) -> None:
        """Ended."""
        self.ended.append(call_id)


class World:
    """A store, a carrier, and a clock that is told the time."""

    def __init__(self, database: Database) -> None:
        self.now = START
        self.carrier = Carrier()
        self.calls, self.attempts = Calls(database), Attempts(database)
        self.suppressions = Suppressions(database)
        self.dialler = Dialler(
            calls=self.calls,
            attempts=self.attempts,
            suppressions=self.suppressions,
            rest=self.carrier,
            public_url="https://bridge.example.com",
            owner="me",
            clock=lambda: self.now,
        )

    async def begin(self, call_id: str = CALL, *, budget: Budget = NO_LIMITS) -> Attempt | Denied | None:
        """A call that may be dialled."""
        record = CallRecord(call_id, Direction.OUTBOUND, US, THEM, US, "support", self.now)
        attempt = Attempt(call_id=call_id, from_number=US, to_number=THEM, due_us=micros(self.now))
        return await self.attempts.begin(attempt, record, budget=budget, now=self.now)

    async def dial(self) -> None:
        """Begin and dial."""
        assert isinstance(await self.begin(), Attempt)
        await self.dialler.dial(CALL)

    async def killed(self) -> None:
        """Begun, and somebody was killed when they were about to ask the carrier."""
        assert isinstance(await self.begin(), Attempt)
        assert await self.attempts.intend(CALL, owner="killed", now=self.now) is not None

    async def find_out(self) -> bool:
        """What whoever takes over does, when the carrier must have it in its list."""
        self.now += self.dialler.times.unsure + timedelta(seconds=1)
        return await self.dialler.find_out(await self.attempt())

    async def attempt(self) -> Attempt:
        """As it stands."""
        found = await self.attempts.get(CALL)
        assert found is not None
        return found

    async def state(self) -> str:
        """Of the attempt."""
        return (await self.attempt()).state

    async def record(self) -> CallRecord:
        """Of the call."""
        found = await self.calls.get(CALL)
        assert found is not None
        return found


@pytest.fixture
def world(database: Database) -> World:
    """On both databases."""
    return World(database)


def unsure() -> CarrierFailure:
    """A request of which nobody knows whether it was carried out."""
    return CarrierFailure("no answer", unsure=True)


async def test_the_intent_is_stored_before_the_carrier_is_asked(world: World) -> None:
    """Whoever comes after a crash knows that, when and whom we were about to dial."""
    seen: list[tuple[str, int | None]] = []

    async def asked(**_: Any) -> None:
        found = await world.attempt()
        seen.append((found.owner, found.dialled_us))

    world.carrier.asked = asked
    await world.begin()
    assert not world.carrier.dials
    await world.dialler.dial(CALL)
    assert seen == [("me", micros(world.now))]
    assert CALL in world.carrier.dials[0]["url"]
    assert CALL in world.carrier.dials[0]["status_callback"]
    assert (await world.record()).carrier_call_id == SID
    assert await world.state() == "placed"


async def test_an_unsure_dial_that_the_carrier_took_is_found_and_not_repeated(world: World) -> None:
    """The request's answer was lost; the search finds the call, and it is ours."""
    world.carrier.answer = unsure()
    await world.dial()
    world.carrier.found = [facts(SID)]
    await world.find_out()
    assert (await world.record()).carrier_call_id == SID
    assert await world.state() == "placed"
    assert len(world.carrier.dials) == 1


async def test_a_dial_is_made_once_however_often_it_is_asked_for(world: World) -> None:
    """A run that goes on elsewhere asks for the same again, and so does one that was thought dead."""
    await world.begin()
    for _ in range(3):
        await world.dialler.dial(CALL)
    assert len(world.carrier.dials) == 1


async def test_what_somebody_was_about_to_dial_is_not_dialled(world: World) -> None:
    """Nobody knows whether they did."""
    await world.killed()
    await world.dialler.dial(CALL)
    assert not world.carrier.dials
    assert await world.state() == "dialling"


async def test_a_dial_that_never_was_is_made_once(world: World) -> None:
    """Killed before the request: the carrier knows nothing, so it is dialled, by one of all who look."""
    await world.killed()
    await world.find_out()
    assert await world.state() == "queued"
    claims = [await world.attempts.claim(budget=NO_LIMITS, now=world.now) for _ in range(3)]
    assert sum(isinstance(each, Attempt) for each in claims) == 1
    for _ in range(3):
        await world.dialler.dial(CALL)
    assert len(world.carrier.dials) == 1


async def test_two_calls_that_may_be_it_are_nobodys(world: World) -> None:
    """What cannot be told is unknown, for a person, and never dialled again."""
    await world.killed()
    world.carrier.found = [facts(SID), facts(OTHER)]
    await world.find_out()
    assert await world.state() == "unknown"
    assert await world.attempts.claim(budget=NO_LIMITS, now=world.now) is None
    await world.dialler.dial(CALL)
    assert not world.carrier.dials


async def test_another_attempts_call_is_not_taken_for_this_one(world: World) -> None:
    """The earlier call to the same person has its own record."""
    earlier = CallRecord("call_" + "1" * 24, Direction.OUTBOUND, US, THEM, US, "support", START)
    earlier.carrier_call_id = OTHER
    await world.calls.save(earlier)
    await world.killed()
    world.carrier.found = [facts(OTHER), facts(SID)]
    await world.find_out()
    assert (await world.record()).carrier_call_id == SID


async def test_a_callback_proves_an_unknown_dial_after_all(world: World) -> None:
    """Whoever learns the carrier's id from a callback settles what was unsure."""
    world.carrier.answer = unsure()
    await world.dial()
    await world.attempts.unknown(CALL, conclude_at=world.now)

    def bound(record: CallRecord) -> None:
        record.carrier_call_id = SID

    await world.calls.change(CALL, bound)
    assert await world.attempts.proved(look_at=world.now) == [CALL]
    assert await world.state() == "placed"


async def test_without_the_carriers_word_nothing_is_dialled(world: World) -> None:
    """A search that failed says so, and changes nothing; whoever has had enough of it gives up."""
    await world.killed()
    world.carrier.found = CarrierFailure("away", retry=True)
    assert not await world.find_out()
    assert await world.state() == "dialling"
    await world.dialler.give_up(await world.attempt())
    assert await world.state() == "unknown"
    assert not world.carrier.dials


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], Reason.UNRECONCILED),
        ([facts(SID, "busy"), facts(OTHER, "busy")], Reason.UNRECONCILED),
        ([facts(SID, "busy")], Reason.BUSY),
        (CarrierFailure("away", retry=True), None),
    ],
)
async def test_what_is_unknown_has_an_outcome_when_the_longest_call_would_be_over(
    world: World, found: list[CallFacts] | CarrierFailure, reason: Reason | None
) -> None:
    """The carrier is asked once more; without its word it is unknown for good, and nobody is dialled for it."""
    await world.killed()
    world.carrier.found = [facts(SID), facts(OTHER)]
    await world.find_out()
    unknown = await world.attempt()
    assert unknown.due_us >= micros(START + timedelta(hours=4, minutes=10))
    world.carrier.found = found
    await world.dialler.conclude(unknown)
    assert (await world.record()).outcome is reason
    assert not world.carrier.dials


async def test_a_worker_that_slept_on_its_intent_does_not_dial(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may be looking for its call by now."""
    await world.begin()

    async def sleeps(number: str) -> bool:
        world.now += world.dialler.times.unsure
        return False

    monkeypatch.setattr(world.suppressions, "has", sleeps)
    await world.dialler.dial(CALL)
    assert not world.carrier.dials


async def test_too_many_requests_wait_and_refusals_stand(world: World) -> None:
    """429 is dialled again later; 4xx is the end, with the carrier's reason."""
    world.carrier.answer = CarrierFailure("slow down", status=429, code=20429, retry=True)
    await world.dial()
    assert await world.state() == "queued"
    world.now += timedelta(minutes=2)
    world.carrier.answer = CarrierFailure(
        "Twilio refused: calls to that region are not permitted", status=400, code=21215
    )
    assert isinstance(await world.attempts.claim(budget=NO_LIMITS, now=world.now), Attempt)
    await world.dialler.dial(CALL)
    record = await world.record()
    assert record.outcome is Reason.CARRIER_REFUSED
    assert "region" in record.outcome_detail


async def test_a_call_whose_callbacks_never_came_is_asked_for(world: World) -> None:
    """The carrier tells how it ended; one that it does not know any more is unreconciled."""
    await world.dial()
    world.now += timedelta(minutes=10)
    world.carrier.stands = facts(SID, "busy", ended=world.now - timedelta(minutes=5))
    await world.dialler.look(await world.attempt(), SID)
    assert (await world.record()).outcome is Reason.BUSY
    assert [each.attempt.call_id for each in await world.attempts.over()] == [CALL]


async def test_a_call_that_the_carrier_forgot_is_unreconciled(world: World) -> None:
    """It ends, and nobody is dialled again."""
    await world.dial()
    await world.dialler.look(await world.attempt(), SID)
    assert (await world.record()).outcome is Reason.UNRECONCILED


async def test_a_call_given_up_while_it_was_dialled_is_ended(world: World) -> None:
    """The request was under way when the operator hung up."""
    await world.begin()
    dial = world.carrier.dial

    async def slow(to: str, from_: str, **options: Any) -> str:
        await world.calls.change(CALL, lambda record: record.finish(Reason.CANCELED, world.now))
        return await dial(to, from_, **options)

    world.carrier.dial = slow  # type: ignore[method-assign]
    await world.dialler.dial(CALL)
    assert SID in world.carrier.ended


@pytest.mark.parametrize(("failures", "stopped"), [(2, True), (9, False)])
async def test_a_carrier_that_does_not_stop_the_phone_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch, failures: int, stopped: bool
) -> None:
    """A few times; then the answer to its webhook hangs up on whoever picks up, and nothing breaks for it."""
    monkeypatch.setattr("bridge.outbound.dialler.GIVE_UP_S", (0.0, 0.0))
    await world.begin()
    world.carrier.refusals = failures
    dial = world.carrier.dial

    async def slow(to: str, from_: str, **options: Any) -> str:
        await world.calls.change(CALL, lambda record: record.finish(Reason.CANCELED, world.now))
        return await dial(to, from_, **options)

    world.carrier.dial = slow  # type: ignore[method-assign]
    await world.dialler.dial(CALL)
    assert bool(world.carrier.ended) is stopped


async def test_a_suppressed_person_is_not_dialled(world: World) -> None:
    """Whatever was planned before."""
    await world.begin()
    await world.suppressions.add([THEM], source="opt_out", now=world.now)
    await world.dialler.dial(CALL)
    assert not world.carrier.dials
    assert (await world.record()).outcome is Reason.CALLER_BLOCKED
    assert await world.suppressions.remove(THEM) is False


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (Budget(calls_per_second=1), "rate"),
        (Budget(max_concurrent=1), "concurrent"),
        (Budget(daily_limit=1), "daily"),
        (Budget(daily_minutes=1), "minutes"),
    ],
)
async def test_limits_hold_over_all_instances(world: World, budget: Budget, why: str) -> None:
    """Whoever asks: what is spent is spent, and told when to come again."""
    assert isinstance(await world.begin(budget=budget), Attempt)
    world.now += timedelta(seconds=0.5 if why == "rate" else 70)
    denied = await world.begin("call_" + "2" * 24, budget=budget)
    assert isinstance(denied, Denied)
    assert denied.why == why
    assert denied.retry_after_s > 0
