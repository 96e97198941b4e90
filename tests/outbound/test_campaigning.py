"""Campaigns: who is called next, and what follows from a call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.call.plan import Line
from bridge.call.record import Status, Turn
from bridge.errors import Reason
from bridge.outbound.campaigning import Campaigning
from bridge.outbound.numbers import Destinations
from bridge.outbound.people import Reader
from bridge.outbound.policy import Policy
from bridge.outbound.rules import Defaults, read_rules
from bridge.settings.hours import Period
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.campaigns import Campaign, CampaignStore, Target
from bridge.store.database import Database
from bridge.store.suppression import Suppressions

US = "+12125550100"
START = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # a Monday, ten in New York
POLICY = Policy(
    destinations=Destinations(["+1"], frozenset({US})),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support"}),
)
DEFAULTS = Defaults(hours=(Period.parse("mon-sun 08:00-21:00"),), parse_hours=Period.parse, retry_delay_s=600)


class World:
    """A store and a clock."""

    def __init__(self, database: Database, budget: Budget) -> None:
        self.now = START
        self.calls, self.attempts = Calls(database), Attempts(database)
        self.store, self.suppressions = CampaignStore(database), Suppressions(database)
        self.finished: list[str] = []
        self.mute = False
        self.campaigning = Campaigning(
            store=self.store,
            calls=self.calls,
            suppressions=self.suppressions,
            policy=replace(POLICY, budget=budget),
            defaults=DEFAULTS,
            finished=self._told,
        )

    async def _told(self, connection: AsyncConnection, campaign: Campaign) -> None:
        if self.mute:
            raise RuntimeError("nobody can be told")
        self.finished.append(campaign.campaign_id)

    async def create(self, count: int = 1, campaign_id: str = "camp_1", first: int = 0, **rules: Any) -> None:
        """A campaign of so many people in New York, running."""
        checked = read_rules(rules, POLICY, DEFAULTS)
        lines = "".join(f"+1212555{2000 + first + n:04d},America/New_York\n" for n in range(count))
        preview = Reader(POLICY, checked, DEFAULTS, self.now).read(f"number,zone\n{lines}".encode(), json=False)
        assert len(preview.targets) == count
        campaign = Campaign(campaign_id=campaign_id, name="test", state="running", rules=rules, created_at=self.now)
        assert await self.store.create(campaign, preview.stored())

    async def call(self) -> Attempt:
        """The next person."""
        found = await self.campaigning.next(self.now)
        assert isinstance(found, Attempt), found
        return found

    async def end(
        self, attempt: Attempt, reason: Reason, status: Status = Status.COMPLETED, *, said: str = "", **detail: Any
    ) -> None:
        """Its call ends, and is settled."""

        def finish(record: Any) -> None:
            if status is Status.COMPLETED:
                record.started_at = self.now
            if said:
                record.add_turn(Turn("caller", said, 0))
            record.detail.update(detail)
            record.finish(reason, self.now, status=status)

        await self.calls.change(attempt.call_id, finish)
        for each in await self.attempts.over():
            await self.campaigning.settled(each, self.now)

    async def people(self, campaign_id: str = "camp_1") -> list[Target]:
        """As they stand."""
        return await self.store.targets(campaign_id)

    async def state(self, campaign_id: str = "camp_1") -> str:
        """Of the campaign."""
        found = await self.store.get(campaign_id)
        assert found is not None
        return found.state


@pytest.fixture
def world(database: Database, request: pytest.FixtureRequest) -> World:
    """Without limits."""
    return World(database, getattr(request, "param", Budget()))


async def test_everybody_is_called_once_and_the_campaign_ends(world: World) -> None:
    """In the order of the list; nobody twice, however often it is asked."""
    await world.create(3)
    called = [await world.call() for _ in range(3)]
    assert await world.campaigning.next(world.now) is None
    for attempt in called:
        await world.end(attempt, Reason.AGENT_HANGUP)
    assert len({attempt.to_number for attempt in called}) == 3
    assert await world.state() == "finished"
    assert world.finished == ["camp_1"]
    await world.campaigning.next(world.now)
    assert world.finished == ["camp_1"]


async def test_a_campaign_ends_only_where_that_can_be_told(world: World) -> None:
    """The end and the news of it are one transaction: where the news cannot be kept the campaign ends at the next look."""
    await world.create(1)
    attempt = await world.call()
    world.mute = True
    with pytest.raises(RuntimeError):
        await world.end(attempt, Reason.AGENT_HANGUP)
    assert await world.state() == "running"
    world.mute = False
    await world.campaigning.next(world.now)
    assert (await world.state(), world.finished) == ("finished", ["camp_1"])


async def test_a_busy_person_is_tried_again_after_twice_as_long_each_time(world: World) -> None:
    """Up to max_attempts; the last outcome stands."""
    await world.create(1, max_attempts=3, retry_delay_s=60)
    for wait in (60, 120):
        await world.end(await world.call(), Reason.BUSY, Status.BUSY)
        world.now += timedelta(seconds=wait - 1)
        assert await world.campaigning.next(world.now) is None
        world.now += timedelta(seconds=2)
    await world.end(await world.call(), Reason.BUSY, Status.BUSY)
    (person,) = await world.people()
    assert (person.state, person.result, person.tries) == ("done", "busy", 3)


async def test_a_retry_waits_for_the_window(world: World) -> None:
    """The delay ends at night: the person is called in the morning."""
    await world.create(1, retry_delay_s=12 * 3600)
    await world.end(await world.call(), Reason.NO_ANSWER, Status.NO_ANSWER)
    (person,) = await world.people()
    assert datetime.fromtimestamp(person.due_us / 1e6, UTC) == datetime(2026, 11, 3, 13, 0, tzinfo=UTC)
    world.now += timedelta(hours=13)
    assert await world.campaigning.next(world.now) is None


async def test_a_retry_that_would_be_too_late_is_not_made(world: World) -> None:
    """What the last call came to stands."""
    await world.create(1, retry_delay_s=7200, not_after=(START + timedelta(hours=1)).isoformat())
    await world.end(await world.call(), Reason.BUSY, Status.BUSY)
    (person,) = await world.people()
    assert (person.state, person.result) == ("done", "busy")


@pytest.mark.parametrize(
    ("said", "detail", "result"),
    [
        ("Yes, I will be there.", {}, "confirmed"),
        ("I can't be there, could we do another day?", {}, "rescheduled"),
        ("You have the wrong number.", {}, "wrong_number"),
        ("Hm.", {}, "talked"),
        ("Yes, confirmed.", {"result": "declined"}, "declined"),
    ],
)
async def test_what_a_call_came_to_is_captured(world: World, said: str, detail: dict[str, Any], result: str) -> None:
    """A tool's word counts before the transcript."""
    await world.create(1)
    await world.end(await world.call(), Reason.AGENT_HANGUP, said=said, **detail)
    (person,) = await world.people()
    assert person.result == result


async def test_who_opts_out_is_never_called_again(world: World) -> None:
    """Not in this campaign and in no other, for ever."""
    await world.create(1)
    attempt = await world.call()
    await world.end(attempt, Reason.AGENT_HANGUP, said="Please stop calling me.")
    assert await world.suppressions.has(attempt.to_number)
    assert not await world.suppressions.remove(attempt.to_number)
    await world.create(1, "camp_2")
    assert await world.campaigning.next(world.now) is None
    (person,) = await world.people("camp_2")
    assert (person.state, person.result) == ("skipped", "suppressed")


async def test_too_many_failures_pause_the_campaign(world: World) -> None:
    """The circuit breaker says why; resumed, it counts from then on."""
    await world.create(20, failure_window=5, max_failure_rate=0.5, retry_on=[])
    for _ in range(5):
        await world.end(await world.call(), Reason.CARRIER_FAILED, Status.FAILED)
        world.now += timedelta(seconds=1)
    assert await world.state() == "paused"
    assert await world.campaigning.next(world.now) is None
    world.now += timedelta(seconds=1)
    assert await world.store.move("camp_1", to="running", only_from=("paused",), now=world.now)
    await world.end(await world.call(), Reason.CARRIER_FAILED, Status.FAILED)
    assert await world.state() == "running"


async def test_a_paused_campaign_calls_nobody_and_a_canceled_one_never_again(world: World) -> None:
    """Calls under way go on; nothing new begins."""
    await world.create(3)
    attempt = await world.call()
    await world.store.move("camp_1", to="paused", only_from=("running",), now=world.now)
    assert await world.campaigning.next(world.now) is None
    await world.store.move("camp_1", to="canceled", only_from=("paused",), now=world.now)
    await world.end(attempt, Reason.BUSY, Status.BUSY)
    assert [person.result for person in await world.people()] == ["busy", "canceled", "canceled"]
    assert not await world.store.move("camp_1", to="running", only_from=("draft", "paused"), now=world.now)


async def test_changed_rules_hold_from_the_next_call_on(world: World) -> None:
    """New hours move those who wait."""
    await world.create(1)
    await world.store.change_rules("camp_1", {"hours": ["mon-fri 14:00-15:00"]}, now=world.now)
    assert await world.campaigning.next(world.now) is None
    (person,) = await world.people()
    assert datetime.fromtimestamp(person.due_us / 1e6, UTC) == datetime(2026, 11, 2, 19, 0, tzinfo=UTC)


async def test_a_campaigns_times_can_be_changed_for_everybody(world: World) -> None:
    """Put off, or ended sooner, also for people who were imported before; nobody's own times are passed either."""
    await world.create(1, not_after=(START + timedelta(days=1)).isoformat())
    later = (START + timedelta(hours=1)).isoformat()
    await world.store.change_rules("camp_1", {"not_before": later}, now=world.now)
    assert await world.campaigning.next(world.now) is None
    await world.store.change_rules("camp_1", {"not_after": START.isoformat()}, now=world.now)
    assert await world.campaigning.next(world.now) is None
    (person,) = await world.people()
    assert (person.state, person.result) == ("done", "too_late")


async def again(world: World, attempt: Attempt) -> Attempt | None:
    """The carrier surely never had it: the engine claims it anew, and asks whether it may still be dialled."""
    assert await world.attempts.requeue(attempt, due=world.now)
    found = await world.attempts.claim(budget=Budget(), now=world.now)
    if isinstance(found, Attempt) and await world.campaigning.still(found, world.now):
        return found
    for each in await world.attempts.over():
        await world.campaigning.settled(each, world.now)
    return None


async def test_a_dial_that_never_was_is_made_up_for_only_within_the_window(world: World) -> None:
    """A worker that was away until the night must not ring then: the person waits for the morning."""
    await world.create(1)
    attempt = await world.call()
    world.now = START + timedelta(minutes=1)
    assert (again_ := await again(world, attempt)) is not None
    world.now = START.replace(hour=2) + timedelta(days=1)  # nine in the evening
    assert await again(world, again_) is None
    (person,) = await world.people()
    assert person.state == "waiting"
    world.now = START.replace(hour=13) + timedelta(days=1)  # eight in the morning
    assert (await world.call()).to_number == attempt.to_number


async def test_a_dial_that_never_was_is_too_late_where_no_time_is_left(world: World) -> None:
    """It is not begun again for ever."""
    await world.create(1, not_after=(START + timedelta(hours=2)).isoformat())
    attempt = await world.call()
    world.now = START + timedelta(hours=3)
    assert await again(world, attempt) is None
    (person,) = await world.people()
    assert (person.state, person.result) == ("done", "too_late")
    assert await world.state() == "finished"


async def test_whoever_was_dialled_is_not_dialled_again_for_the_hour(world: World) -> None:
    """Only a call that never rang is made up for: whatever ended this one, it did ring."""
    await world.create(1)
    attempt = await world.call()
    await world.calls.change(attempt.call_id, lambda record: setattr(record, "carrier_call_id", "CA" + "1" * 32))
    await world.end(attempt, Reason.OUTSIDE_HOURS, Status.CANCELED)
    (person,) = await world.people()
    assert (person.state, person.result) == ("done", "too_late")


async def test_a_dial_that_never_was_waits_while_its_campaign_is_paused(world: World) -> None:
    """Pausing holds for everybody who was not dialled; canceling ends it for them."""
    await world.create(1)
    attempt = await world.call()
    await world.store.move("camp_1", to="paused", only_from=("running",), now=world.now)
    assert await again(world, attempt) is None
    (person,) = await world.people()
    assert person.state == "calling"
    await world.store.move("camp_1", to="running", only_from=("paused",), now=world.now)
    found = await world.attempts.claim(budget=Budget(), now=world.now)
    assert isinstance(found, Attempt)
    await world.store.move("camp_1", to="canceled", only_from=("running",), now=world.now)
    assert await again(world, found) is None
    (person,) = await world.people()
    assert (person.state, person.result) == ("done", "canceled")


@pytest.mark.parametrize("world", [Budget(max_concurrent=3)], indirect=True)
async def test_limits_hold_per_campaign_and_over_all(world: World) -> None:
    """One campaign that is full does not hold up another; all together keep the limit over all."""
    await world.create(5, "camp_1", max_concurrent=1)
    await world.create(5, "camp_2", first=100)
    begun = [found for _ in range(6) if isinstance(found := await world.campaigning.next(world.now), Attempt)]
    assert sorted(attempt.campaign_id or "" for attempt in begun) == ["camp_1", "camp_2", "camp_2"]
    assert isinstance(await world.campaigning.next(world.now), Denied)


async def test_nobody_is_in_two_calls_at_once(world: World) -> None:
    """Somebody on the lists of two campaigns is called by the second after the first has hung up."""
    await world.create(1, "camp_1")
    await world.create(1, "camp_2")
    first = await world.call()
    assert await world.campaigning.next(world.now) is None
    await world.end(first, Reason.AGENT_HANGUP)
    assert (await world.call()).to_number == first.to_number
