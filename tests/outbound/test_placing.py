"""One call, asked for by an operator."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.plan import Line
from bridge.call.record import Direction, Status
from bridge.errors import Reason
from bridge.outbound.numbers import Destinations
from bridge.outbound.placing import LONGEST_S, Placing, attempt_of, new_call_id, record_of, refusal
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.wanted import Wanted
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget, Denied
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.suppression import Suppressions

US, THEM = "+12125550100", "+12125550123"
CALL, NEXT = "call_" + "0" * 24, "call_" + "1" * 24
NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
POLICY = Policy(
    destinations=Destinations(["+1"]),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support"}),
)
WANTED = Wanted(to=THEM, from_=US, agent="support", line=US)


class World:
    """A store."""

    def __init__(self, database: Database) -> None:
        self.calls, self.attempts = Calls(database), Attempts(database)
        self.suppressions = Suppressions(database)
        self.draining = False

    def placing(self, **limits: Any) -> Placing:
        """The subject."""
        return Placing(
            policy=replace(POLICY, budget=Budget(**limits)),
            calls=self.calls,
            attempts=self.attempts,
            draining=lambda: self.draining,
        )

    async def allowed(self) -> list[str]:
        """What the worker finds to dial."""
        return [each.call_id for each in await self.attempts.allowed()]


@pytest.fixture
def world(database: Database) -> World:
    """On both databases."""
    return World(database)


async def test_a_call_is_stored_for_the_worker_to_dial_at_once(world: World) -> None:
    """The answer does not wait for the carrier, a crash forgets nothing, and the limits count it from now on."""
    record = await world.placing().place(WANTED, call_id=CALL)
    stored, attempt = await world.calls.get(CALL), await world.attempts.get(CALL)
    assert stored is not None
    assert attempt is not None
    assert (stored.status, attempt.state, attempt.owner) == (Status.QUEUED, "dialling", "")
    assert record.call_id == CALL
    assert await world.allowed() == [CALL]


async def test_the_same_request_again_dials_nobody_again(world: World) -> None:
    """The record that is there is the answer."""
    first = await world.placing().place(WANTED, call_id=CALL)
    await world.attempts.intend(CALL, owner="worker", now=NOW)
    again = await world.placing().place(replace(WANTED, to="+12125550124"), call_id=CALL)
    assert again.to_number == first.to_number
    assert await world.allowed() == []


async def test_a_call_for_later_waits_for_the_worker(world: World) -> None:
    """It is stored with its time, and nobody dials it here; asked for again, it is the same."""
    later = datetime.now(UTC) + timedelta(hours=1)
    for _ in range(2):
        record = await world.placing().place(replace(WANTED, not_before=later), call_id=CALL)
        assert record.call_id == CALL
    attempt = await world.attempts.get(CALL)
    assert attempt is not None
    assert attempt.state == "queued"
    assert await world.allowed() == []
    assert await world.attempts.claim(budget=Budget(), now=later - timedelta(seconds=1)) is None
    assert isinstance(await world.attempts.claim(budget=Budget(), now=later), Attempt)


async def test_a_time_that_has_passed_is_now(world: World) -> None:
    """A request that came late is dialled at once."""
    await world.placing().place(replace(WANTED, not_before=datetime.now(UTC) - timedelta(seconds=1)), call_id=CALL)
    assert await world.allowed() == [CALL]


async def test_a_draining_bridge_begins_nothing(world: World) -> None:
    """Another instance is to be asked: 503, and when."""
    world.draining = True
    with pytest.raises(Refused) as caught:
        await world.placing().place(WANTED, call_id=CALL)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 30)
    assert await world.calls.get(CALL) is None


async def test_who_is_suppressed_is_not_called_and_not_stored(world: World) -> None:
    """The request is refused for good."""
    await world.suppressions.add([THEM], source="api", now=NOW)
    with pytest.raises(Refused) as caught:
        await world.placing().place(WANTED, call_id=CALL)
    assert (caught.value.status, caught.value.retry_after_s) == (422, None)
    assert await world.calls.get(CALL) is None


async def test_who_is_suppressed_is_not_called_later_either(world: World) -> None:
    """It is known now, so it is said now."""
    await world.suppressions.add([THEM], source="api", now=NOW)
    with pytest.raises(Refused) as caught:
        await world.placing().place(replace(WANTED, not_before=datetime.now(UTC) + timedelta(hours=1)), call_id=CALL)
    assert caught.value.status == 422
    assert await world.calls.get(CALL) is None


async def test_a_limit_that_is_reached_refuses_the_next(world: World) -> None:
    """429 with a time to come again; the one under way is untouched."""
    placing = world.placing(max_concurrent=1)
    await placing.place(WANTED, call_id=CALL)
    with pytest.raises(Refused) as caught:
        await placing.place(WANTED, call_id=NEXT)
    assert caught.value.status == 429
    assert caught.value.retry_after_s
    assert await world.calls.get(NEXT) is None


async def test_a_deleted_call_is_not_dialled_again(world: World) -> None:
    """Its record is gone, its intent is known: 404."""
    await world.placing().place(WANTED, call_id=CALL)
    await world.attempts.intend(CALL, owner="worker", now=NOW)
    await world.calls.change(CALL, lambda record: record.finish(Reason.BUSY, NOW, status=Status.BUSY))
    assert await world.calls.delete(CALL)
    with pytest.raises(Refused) as caught:
        await world.placing().place(WANTED, call_id=CALL)
    assert caught.value.status == 404
    assert await world.allowed() == []


def test_a_key_makes_one_id_and_no_key_a_new_one() -> None:
    """The same idempotency key is the same call on whichever instance."""
    assert new_call_id("k") == new_call_id("k") != new_call_id("l")
    assert new_call_id() != new_call_id()
    assert len(new_call_id()) == len(new_call_id("k")) == len(CALL)


def test_the_record_holds_what_the_call_is_to_say() -> None:
    """Variables, the first message, the first line, and the message for a machine."""
    wanted = replace(
        WANTED,
        variables={"name": "Ada"},
        first_message="Hello",
        machine_detection="leave_message",
        voicemail_message="Call us.",
        max_duration_s=60,
    )
    record = record_of(wanted, call_id=CALL, now=NOW, policy=replace(POLICY, first_line="This is recorded."))
    assert (record.direction, record.from_number, record.to_number) == (Direction.OUTBOUND, US, THEM)
    assert (record.line, record.agent, record.created_at) == (US, "support", NOW)
    assert record.detail == {
        "variables": {"name": "Ada"},
        "max_duration_s": 60,
        "overrides": {"first_message": "Hello"},
        "first_line": "This is recorded.",
        "machine_detection": "leave_message",
        "voicemail_message": "Call us.",
    }
    plain = record_of(WANTED, call_id=CALL, now=NOW, policy=POLICY)
    assert set(plain.detail) == {"variables", "max_duration_s"}


def test_the_carriers_time_limit_is_behind_ours() -> None:
    """The agent may finish its sentence, and no call outlasts what the carrier allows."""
    policy = replace(POLICY, ring_timeout_s=17)
    plan = attempt_of(replace(WANTED, max_duration_s=600), call_id=CALL, due=NOW, policy=policy).plan
    assert 600 < plan["time_limit_s"] <= 700
    assert plan["ring_timeout_s"] == 17
    longest = attempt_of(replace(WANTED, max_duration_s=LONGEST_S), call_id=CALL, due=NOW, policy=policy)
    assert longest.plan["time_limit_s"] == LONGEST_S


def test_whoever_takes_a_call_over_is_not_cut_off_with_the_agents_time() -> None:
    """Where there is a place to transfer to, the carrier's own limit is the longest that there is."""
    wanted = replace(WANTED, max_duration_s=600)
    made = attempt_of(wanted, call_id=CALL, due=NOW, policy=replace(POLICY, hands_over=True))
    assert made.plan["time_limit_s"] == LONGEST_S


@pytest.mark.parametrize(
    ("why", "key"),
    [
        ("rate", "outbound.calls_per_second"),
        ("concurrent", "outbound.max_concurrent"),
        ("daily", "outbound.daily_limit"),
        ("minutes", "outbound.daily_minutes"),
    ],
)
def test_a_limit_names_its_setting(why: str, key: str) -> None:
    """Who reads the refusal knows what to change, and is never told to come back at once."""
    refused = refusal(Denied(why, 0.01))
    assert key in refused.hint
    assert (refused.status, refused.retry_after_s) == (429, 1.0)
    assert refusal(Denied(why, 90.0)).retry_after_s == 90.0
