"""Whatever the carrier's API does to a dial, over real HTTP: never a second one, and always an outcome."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call.ports import Secret
from bridge.call.record import CallRecord, Direction
from bridge.carriers.twilio import rest as subject
from bridge.errors import Reason
from bridge.outbound.dialler import Dialler
from bridge.store.attempts import Attempt, Attempts
from bridge.store.budget import Budget
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.suppression import Suppressions
from bridge.store.tables import micros
from tests.standins.twilio import Carrier, Person, TwilioRest, failing
from tests.support.house import ACCOUNT, PUBLIC, TOKEN

US, THEM = "+12125550100", "+12125550123"
CALL = "call_" + "0" * 24
STEP = timedelta(seconds=31)  # past what a request may take


class World:
    """A store, a dialler over HTTP and a carrier, of whose callbacks none arrives."""

    def __init__(self, database: Database, carrier: Carrier, rest: TwilioRest, ours: subject.TwilioRest) -> None:
        self.now = datetime.now(UTC)
        self.carrier, self.rest = carrier, rest
        self.calls, self.attempts = Calls(database), Attempts(database)
        self.dialler = Dialler(
            calls=self.calls,
            attempts=self.attempts,
            suppressions=Suppressions(database),
            rest=ours,
            public_url=PUBLIC,
            owner="me",
            clock=lambda: self.now,
        )

    async def begin(self) -> None:
        """Store the intent and dial."""
        record = CallRecord(CALL, Direction.OUTBOUND, US, THEM, US, "support", self.now)
        attempt = Attempt(call_id=CALL, from_number=US, to_number=THEM, due_us=micros(self.now))
        assert isinstance(await self.attempts.begin(attempt, record, budget=Budget(), now=self.now), Attempt)
        await self.dialler.dial(CALL)

    async def work(self) -> CallRecord:
        """What a run does, step after step, until there is an outcome."""
        for _ in range(12):
            self.now += STEP
            await self.carrier.settled()
            attempt = await self.attempts.get(CALL)
            assert attempt is not None
            if attempt.state == "dialling":
                await self.dialler.find_out(attempt)
            elif attempt.state == "queued":
                if isinstance(await self.attempts.claim(budget=Budget(), now=self.now), Attempt):
                    await self.dialler.dial(CALL)
                    await self.carrier.settled()
            else:
                record = await self.calls.get(CALL)
                assert record is not None
                await self.dialler.look(attempt, record.carrier_call_id or "")
            found = await self.calls.get(CALL)
            assert found is not None
            if found.status.terminal:
                return found
        raise AssertionError("there is no outcome")


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """All of it."""
    async with Carrier(public_url=PUBLIC, address="127.0.0.1:9") as carrier, TwilioRest(carrier) as rest:
        carrier.lost_callbacks = {"status"}
        rest.numbers = {US}
        rest.dialler.anyone = Person("busy", rings=0.01)
        ours = subject.TwilioRest(ACCOUNT, Secret(TOKEN), api_base_url=rest.url, timeout_s=3)
        yield World(database, carrier, rest, ours)
        await ours.close()


@pytest.mark.parametrize(
    "fault",
    [
        failing(429, 20429),
        {**failing(429, 20429), "headers": {"Retry-After": "1"}},
        failing(400, 10004),  # the account may hold no more calls at once
        failing(500, 20500),
        {**failing(500, 20500), "serve_first": True},
        {**failing(503, 20503), "serve_first": True},
        {"hang": True},
        {"hang": True, "serve_first": True},
        {"reset": True},
        {"reset": True, "serve_first": True},
        {"truncate": True, "serve_first": True},
        {"status": 200, "body": "<html>", "serve_first": True},
        {"status": 201, "body": "{}", "serve_first": True},
    ],
    ids=lambda fault: " ".join(name for name, value in fault.items() if value is True) or str(fault["status"]),
)
async def test_a_dial_of_which_the_answer_is_lost_is_made_once(world: World, fault: dict[str, Any]) -> None:
    """Refused for now: dialled again. Carried out, with the answer lost: found by both numbers and the time, and not dialled."""
    world.rest.fault("create_call", **fault)
    await world.begin()
    record = await world.work()
    assert len(world.carrier.calls) == 1
    assert record.outcome is Reason.BUSY
    assert record.carrier_call_id == world.carrier.calls[0].sid


@pytest.mark.parametrize("fault", [failing(500, 20500), {"hang": True}, {"reset": True}, failing(429, 20429)])
async def test_a_search_that_fails_dials_nobody(world: World, fault: dict[str, Any]) -> None:
    """What cannot be found out yet is found out later."""
    world.rest.fault("create_call", reset=True, serve_first=True)
    world.rest.fault("calls", **fault)
    await world.begin()
    record = await world.work()
    assert len(world.carrier.calls) == 1
    assert record.outcome is Reason.BUSY


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, 21211, Reason.CARRIER_REFUSED),
        (400, 21215, Reason.CARRIER_REFUSED),
        (400, 21210, Reason.CARRIER_REFUSED),
        (401, 20003, Reason.CARRIER_FAILED),
        (404, 20404, Reason.CARRIER_FAILED),
    ],
)
async def test_what_is_refused_for_good_is_not_tried_again(
    world: World, status: int, code: int, reason: Reason
) -> None:
    """One request, no call, the reason in words. What is wrong with the account is not the number's: a campaign tries later."""
    world.rest.fault("create_call", **failing(status, code), times=None)
    await world.begin()
    record = await world.work()
    assert not world.carrier.calls
    assert len(world.rest.seen("create_call")) == 1
    assert record.outcome is reason
    assert record.outcome_detail


async def test_a_carrier_that_is_never_free_is_given_up(world: World) -> None:
    """With an outcome, after so many tries."""
    world.rest.fault("create_call", **failing(429, 20429), times=None)
    await world.begin()
    for _ in range(3):
        try:
            record = await world.work()
        except AssertionError:
            continue
        break
    assert record.outcome is Reason.CARRIER_FAILED
    assert not world.carrier.calls
