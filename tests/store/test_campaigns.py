"""Campaigns and their people."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.call.record import CallRecord, Direction
from bridge.errors import Reason
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.campaigns import LOOKED_AT, Campaign, CampaignStore, Step, Target
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.store.tables import micros

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
Make = Callable[..., CallRecord]


class World:
    """A store."""

    def __init__(self, database: Database, make: Make) -> None:
        self.store, self.attempts, self.calls = CampaignStore(database), Attempts(database), Calls(database)
        self.suppressions = Suppressions(database)
        self._make = make

    async def create(self, *people: Target, campaign_id: str = "camp_1", **values: Any) -> bool:
        """A running campaign; of two people where none are given."""
        targets = people or tuple(Target(position=at, number=f"+2{at}", due_us=at) for at in (1, 2))
        campaign = Campaign(campaign_id=campaign_id, name="n", **{"state": "running", "created_at": NOW} | values)
        return await self.store.create(campaign, targets)

    async def person(self, position: int = 1, campaign_id: str = "camp_1") -> Target:
        """As they stand."""
        (found,) = await self.store.targets(campaign_id, after=position - 1, limit=1)
        return found

    async def begin(
        self,
        target: Target,
        *,
        campaign_id: str = "camp_1",
        whole: Budget | None = None,
        own: Budget | None = None,
        now: datetime = NOW,
    ) -> Any:
        """Call a person."""
        call_id = f"call_{campaign_id}_{target.position}_{target.tries + 1}"
        attempt = Attempt(
            call_id=call_id,
            from_number="+1",
            to_number=target.number,
            due_us=micros(now),
            campaign_id=campaign_id,
            position=target.position,
        )
        return await self.store.begin(
            campaign_id,
            target,
            attempt,
            self.record(call_id),
            budgets=(whole or Budget(), own or Budget()),
            now=now,
        )

    def record(self, call_id: str) -> CallRecord:
        """Of a call that we place."""
        return self._make(call_id, direction=Direction.OUTBOUND)

    async def end(self, call_id: str) -> CallRecord:
        """Its call is over."""
        record = await self.calls.change(call_id, lambda record: record.finish(Reason.CALLER_HANGUP, NOW))
        assert record is not None
        return record


@pytest.fixture
def world(database: Database, make: Make) -> World:
    """On both databases."""
    return World(database, make)


async def test_a_campaign_comes_back_as_it_was_stored(world: World) -> None:
    """Rules, people and what is known of them; a second one of the same id changes nothing."""
    person = Target(position=1, number="+21", name="Ada", due_us=5, note="n", document={"zones": ["UTC"]})
    assert await world.create(person, state="draft", rules={"max_attempts": 2})
    assert not await world.create(replace(person, name="Bob"), state="running")
    found = await world.store.get("camp_1")
    assert found is not None
    assert (found.state, found.rules, found.created_at) == ("draft", {"max_attempts": 2}, NOW)
    assert await world.person() == person
    assert await world.store.get("camp_2") is None


async def test_a_long_list_is_stored_whole(world: World) -> None:
    """More people than one statement takes."""
    await world.create(*(Target(position=at, number=f"+2{at}") for at in range(1, 1202)))
    assert (await world.store.tally("camp_1"))["states"] == {"waiting": 1201}
    assert [each.position for each in await world.store.targets("camp_1", after=1199)] == [1200, 1201]


async def test_campaigns_are_listed_newest_first(world: World) -> None:
    """All, or those in one state."""
    for at, state in enumerate(("running", "draft", "running")):
        await world.create(campaign_id=f"camp_{at}", state=state, created_at=NOW + timedelta(seconds=at))
    assert [each.campaign_id for each in await world.store.all()] == ["camp_2", "camp_1", "camp_0"]
    assert [each.campaign_id for each in await world.store.all(state="running")] == ["camp_2", "camp_0"]
    assert [each.campaign_id for each in await world.store.all(limit=1)] == ["camp_2"]


async def test_campaigns_that_are_over_expire_with_their_people(world: World) -> None:
    """The oldest first; those that run or wait stay, however old, and so do those that were over later."""
    for name, state, days in (
        ("old", "finished", 1),
        ("older", "canceled", 0),
        ("new", "finished", 9),
        ("paused", "paused", 0),
    ):
        await world.create(campaign_id=name, state=state, created_at=NOW + timedelta(days=days))
    limit = NOW + timedelta(days=5)
    assert [await world.store.expire(limit) for _ in range(3)] == ["older", "old", None]
    assert {each.campaign_id for each in await world.store.all()} == {"new", "paused"}
    assert await world.store.targets("old", after=0, limit=10) == []
    assert len(await world.store.targets("paused", after=0, limit=10)) == 2


async def test_a_campaign_moves_only_from_where_it_may(world: World) -> None:
    """Of two who pause it, one does; the reason stands with it."""
    await world.create()
    pause = {"to": "paused", "only_from": ("running",), "now": NOW, "why": "too many failures"}
    assert await world.store.move("camp_1", **pause)
    assert not await world.store.move("camp_1", **pause)
    found = await world.store.get("camp_1")
    assert found is not None
    assert (found.state, found.why) == ("paused", "too many failures")
    assert not await world.store.move("camp_2", **pause)


async def test_a_canceled_campaign_accounts_for_those_who_waited(world: World) -> None:
    """Who is in a call stays in it; the people of other campaigns are not touched."""
    await world.create()
    await world.create(campaign_id="camp_2")
    await world.begin(await world.person(1))
    assert not await world.store.move("camp_1", to="canceled", only_from=("paused",), now=NOW)
    assert (await world.person(2)).state == "waiting"
    assert await world.store.move("camp_1", to="canceled", only_from=("running",), now=NOW)
    assert ((await world.person(2)).state, (await world.person(2)).result) == ("done", "canceled")
    assert (await world.person(1)).state == "calling"
    assert (await world.person(2, "camp_2")).state == "waiting"


async def test_new_rules_let_those_who_were_never_called_be_looked_at_again(world: World) -> None:
    """Whose call failed keeps the delay before the next; a campaign that is over keeps its rules."""
    late = micros(NOW) + 10**9
    await world.create(
        Target(position=1, number="+21", due_us=late), Target(position=2, number="+22", due_us=late, tries=1)
    )
    assert await world.store.change_rules("camp_1", {"max_attempts": 5}, now=NOW)
    assert [each.position for each in await world.store.due("camp_1", NOW)] == [1]
    found = await world.store.get("camp_1")
    assert found is not None
    assert found.rules == {"max_attempts": 5}
    await world.store.move("camp_1", to="finished", only_from=("running",), now=NOW)
    assert not await world.store.change_rules("camp_1", {}, now=NOW)


async def test_who_waits_longest_is_called_first(world: World) -> None:
    """Not those whose time has not come, nor those who are done."""
    us = micros(NOW)
    await world.create(
        Target(position=1, number="+21", due_us=us),
        Target(position=2, number="+22", due_us=us - 5),
        Target(position=3, number="+23", due_us=us + 1),
        Target(position=4, number="+24", state="skipped"),
        Target(position=5, number="+25", state="done"),
    )
    assert [each.position for each in await world.store.due("camp_1", NOW)] == [2, 1]


async def test_one_look_is_bounded(world: World) -> None:
    """However long the list."""
    await world.create(*(Target(position=at, number=f"+2{at}") for at in range(1, LOOKED_AT + 5)))
    assert len(await world.store.due("camp_1", NOW)) == LOOKED_AT


async def test_a_person_is_called_in_one_step(world: World) -> None:
    """The intent, its record and the person's state stand together."""
    await world.create()
    begun = await world.begin(await world.person())
    assert isinstance(begun, Attempt)
    assert (begun.state, begun.owner, begun.campaign_id, begun.position) == ("dialling", "", "camp_1", 1)
    assert await world.attempts.get(begun.call_id) == begun
    assert await world.calls.get(begun.call_id) is not None
    person = await world.person()
    assert (person.state, person.tries, person.call_id) == ("calling", 1, begun.call_id)


async def test_of_two_who_call_a_person_one_does(world: World) -> None:
    """Whoever saw the list before the other's step comes too late."""
    await world.create()
    seen = await world.person()
    await world.begin(seen)
    assert await world.begin(seen) == "gone"


async def test_nobody_is_in_two_calls_at_once(world: World) -> None:
    """The same number on another campaign's list waits, and is not even shown, until the call is over."""
    await world.create(Target(position=1, number="+21"))
    await world.create(Target(position=1, number="+21"), campaign_id="camp_2")
    seen = await world.person(1, "camp_2")
    begun = await world.begin(await world.person())
    assert await world.store.due("camp_2", NOW) == []
    assert await world.begin(seen, campaign_id="camp_2") == "gone"
    await world.store.settle("camp_1", 1, await world.end(begun.call_id), Step("done"), NOW)
    assert isinstance(await world.begin(seen, campaign_id="camp_2"), Attempt)


async def test_a_campaign_that_no_longer_runs_begins_nothing(world: World) -> None:
    """Paused between the look and the call."""
    await world.create()
    await world.store.move("camp_1", to="paused", only_from=("running",), now=NOW)
    assert await world.begin(await world.person()) == "gone"
    assert (await world.person()).state == "waiting"


async def test_who_is_suppressed_is_not_called(world: World) -> None:
    """Since a moment ago, by whomever."""
    await world.create()
    await world.suppressions.add(["+21"], source="opt_out", now=NOW)
    assert await world.begin(await world.person()) == "suppressed"
    assert (await world.person()).tries == 0


@pytest.mark.parametrize("which", ["whole", "own"])
async def test_the_limits_of_all_and_of_the_campaign_are_both_kept(world: World, which: str) -> None:
    """Whichever is reached first; the person stays as they were."""
    await world.create()
    limits: Any = {which: Budget(max_concurrent=1)}
    assert isinstance(await world.begin(await world.person(1), **limits), Attempt)
    assert isinstance(await world.begin(await world.person(2), **limits), Denied)
    assert (await world.person(2)).state == "waiting"


@pytest.mark.parametrize("which", ["whole", "own"])
async def test_the_pace_of_all_and_of_the_campaign_are_both_kept(world: World, which: str) -> None:
    """A call that was begun delays the next by each of them."""
    await world.create()
    limits: Any = {which: Budget(calls_per_second=1)}
    await world.begin(await world.person(1), **limits)
    assert await world.begin(await world.person(2), **limits) == Denied("rate", 1.0)
    assert isinstance(await world.begin(await world.person(2), **limits, now=NOW + timedelta(seconds=1)), Attempt)


async def test_a_person_is_put_off_only_while_they_wait(world: World) -> None:
    """Who was called meanwhile is not moved by somebody who saw them before."""
    await world.create()
    seen = await world.person()
    await world.store.put_off("camp_1", seen, Step("waiting", due_us=micros(NOW) + 9))
    assert [each.position for each in await world.store.due("camp_1", NOW)] == [2]
    await world.begin(seen)
    await world.store.put_off("camp_1", seen, Step("skipped", result="suppressed"))
    assert (await world.person()).state == "calling"


async def test_a_call_settles_its_person_once(world: World) -> None:
    """What follows is written with the attempt; told again, nothing moves."""
    await world.create()
    begun = await world.begin(await world.person())
    record = await world.end(begun.call_id)
    await world.store.settle("camp_1", 1, record, Step("waiting", due_us=7, result="busy", note="n"), NOW)
    await world.store.settle("camp_1", 1, record, Step("done", result="failed"), NOW)
    person = await world.person()
    assert (person.state, person.due_us, person.result, person.note, person.tries) == ("waiting", 7, "busy", "n", 1)
    settled = await world.attempts.get(begun.call_id)
    assert settled is not None
    assert settled.state == "done"


async def test_a_call_is_deleted_when_its_campaign_knows_of_its_end(world: World) -> None:
    """Before that its person would wait for ever; after it the day's limit still counts the call, but not whom it was to."""
    await world.create()
    begun = await world.begin(await world.person())
    record = await world.end(begun.call_id)
    assert await world.calls.delete(record.call_id) is None
    await world.store.settle("camp_1", 1, record, Step("done", result="talked"), NOW)
    assert await world.calls.delete(record.call_id) is not None
    attempt = await world.attempts.get(record.call_id)
    assert attempt is not None
    assert (attempt.to_number, attempt.dialled_us) == ("", micros(NOW))


async def test_a_deleted_call_by_itself_holds_no_place(world: World) -> None:
    """Also where no worker has looked at it yet: the next call is placed."""
    attempt = Attempt(call_id="call_1", from_number="+1", to_number="+2", due_us=0)
    record = world.record("call_1")
    budget = Budget(max_concurrent=1)
    assert not isinstance(await world.attempts.begin(attempt, record, budget=budget, now=NOW), Denied)
    await world.end("call_1")
    assert await world.calls.delete("call_1") is not None
    assert await world.attempts.counts() == {}
    second = replace(attempt, call_id="call_2")
    begun = await world.attempts.begin(second, world.record("call_2"), budget=budget, now=NOW + timedelta(minutes=1))
    assert not isinstance(begun, Denied)


async def test_people_are_tallied_by_state_and_by_result(world: World) -> None:
    """Those without a result are in no result's count."""
    await world.create(
        Target(position=1, number="+21"),
        Target(position=2, number="+22", state="done", result="confirmed"),
        Target(position=3, number="+23", state="done", result="confirmed"),
        Target(position=4, number="", state="skipped", result="skipped"),
    )
    assert await world.store.tally("camp_1") == {
        "states": {"waiting": 1, "done": 2, "skipped": 1},
        "results": {"confirmed": 2, "skipped": 1},
    }


async def test_many_campaigns_are_tallied_in_one_look(world: World) -> None:
    """Each by itself; one without people has an empty tally, others are not asked for."""
    await world.create(Target(position=1, number="+21", state="done", result="busy"))
    await world.create(Target(position=1, number="+22"), campaign_id="camp_2")
    await world.create(Target(position=1, number="+23"), campaign_id="camp_3")
    assert await world.store.tallies(["camp_1", "camp_2", "camp_4"]) == {
        "camp_1": {"states": {"done": 1}, "results": {"busy": 1}},
        "camp_2": {"states": {"waiting": 1}, "results": {}},
        "camp_4": {"states": {}, "results": {}},
    }


async def test_a_campaign_is_open_while_somebody_waits_or_talks(world: World) -> None:
    """It may not be declared finished over a call that goes on."""
    await world.create(Target(position=1, number="+21"), Target(position=2, number="+22", state="done"))
    told: list[str] = []

    async def tell(connection: AsyncConnection, campaign: Campaign) -> None:
        told.append(campaign.campaign_id)

    async def finish() -> bool:
        campaign = await world.store.get("camp_1")
        assert campaign is not None
        return await world.store.finish(campaign, now=NOW, told=tell)

    assert not await finish()
    begun = await world.begin(await world.person())
    assert not await finish()
    await world.store.settle("camp_1", 1, await world.end(begun.call_id), Step("done"), NOW)
    assert await finish()
    assert not await finish()
    assert told == ["camp_1"]


async def test_the_last_calls_are_those_since_the_start(world: World) -> None:
    """Newest first; what failed before somebody resumed the campaign counts no more."""
    await world.create()
    ids = []
    for position in (1, 2):
        begun = await world.begin(await world.person(position))
        ids.append(begun.call_id)
        at = NOW + timedelta(seconds=position)
        await world.store.settle("camp_1", position, await world.end(begun.call_id), Step("done"), at)
    assert [each.call_id for each in await world.store.last_calls("camp_1", 5)] == ids[::-1]
    assert [each.call_id for each in await world.store.last_calls("camp_1", 1)] == ids[1:]
    resumed = NOW + timedelta(seconds=1)
    await world.store.move("camp_1", to="running", only_from=("running",), now=resumed)
    assert await world.store.last_calls("camp_1", 5) == []
