"""bridge/runtime/switchboard.py: admit, find, drain."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from bridge.call import events as e
from bridge.call.interruption import InterruptionPolicy
from bridge.call.ports import Brief, Session
from bridge.call.record import CallRecord, Direction
from bridge.errors import AgentFailure, Reason
from bridge.runtime.session import CallSession, Surroundings
from bridge.runtime.switchboard import Limits, Switchboard
from tests.call.stage import plan, record


class NoAgent:
    """An agent that is not to be had."""

    name = "support"
    provider = "none"
    reports_interruptions = True

    async def open(self, brief: Brief) -> Session:
        """Never."""
        raise AgentFailure("no", reason=Reason.AGENT_AUTH)

    async def release(self, session: Session, *, stopped: bool) -> None:
        """Nothing to give back."""

    async def check(self) -> str:
        """Never."""
        raise AgentFailure("no", reason=Reason.AGENT_AUTH)

    async def close(self) -> None:
        """Nothing to close."""


class Desk:
    """A switchboard that runs, and the records that its calls saved."""

    def __init__(self, limits: Limits) -> None:
        self.board = Switchboard(limits)
        self.saved: list[CallRecord] = []
        self.fails = False

    def session(self, number: int, *, caller: str = "+15550123456", **more: Any) -> CallSession:
        """A call."""
        found = replace(record(), call_id=f"call_{number}", carrier_call_id=f"CA{number}", from_number=caller)
        around = Surroundings(
            agents={"support": NoAgent()}, saved=self._save, closing=lambda *_: None, run_tool=lambda *_: None
        )
        return CallSession(found, plan(**more), InterruptionPolicy(), around, variables={})

    def _save(self, account: CallRecord) -> None:
        if self.fails:
            raise RuntimeError("a bug of ours")
        self.saved.append(account)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Two calls at most, one of each caller."""
    found = Desk(Limits(max_calls=2, max_calls_per_caller=1))
    started = asyncio.Event()
    task = asyncio.create_task(found.board.run(started))
    await started.wait()
    yield found
    task.cancel()
    await asyncio.wait({task})


async def settled(board: Switchboard) -> None:
    """Until no call is left."""
    async with asyncio.timeout(2):
        while board.active:  # what is waited for has no event of its own
            await asyncio.sleep(0)


async def test_a_call_is_found_by_either_id_until_it_is_over(desk: Desk) -> None:
    """Ours and the carrier's; not by others, and not afterwards."""
    session = desk.session(1)
    desk.board.take(session)
    assert desk.board.find("call_1") is session
    assert desk.board.find("CA1") is session
    assert desk.board.find("CA2") is None
    await session.started.wait()
    session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    assert desk.board.find("CA1") is None
    await settled(desk.board)


async def test_what_is_too_much_is_refused_with_its_reason(desk: Desk) -> None:
    """Of one caller, of all callers, while the loop is late, while draining; withheld callers are not one caller."""
    assert desk.board.refusal("+15550123456") is None
    desk.board.take(desk.session(1))
    assert desk.board.refusal("+15550123456") is Reason.OVERLOADED
    assert desk.board.refusal("") is None
    desk.board.take(desk.session(2, caller=""))
    assert desk.board.refusal("+15550123457") is Reason.OVERLOADED
    desk.board.draining = True
    assert desk.board.refusal("+15550123457") is Reason.DRAINING
    assert desk.board.refused == {Reason.OVERLOADED: 2, Reason.DRAINING: 1}


async def test_a_call_that_is_being_taken_has_its_place_already(desk: Desk) -> None:
    """While the store is asked about one, others come: no more are let in than there is room for."""
    with desk.board.coming("+15550123456"):
        assert desk.board.refusal("+15550123456") is Reason.OVERLOADED  # one of a caller at once
        with desk.board.coming("+15550123457"):
            assert desk.board.refusal("+15550123458") is Reason.OVERLOADED  # two of all callers
        assert desk.board.refusal("+15550123458") is None  # the other was given up
        desk.board.take(desk.session(1))
    assert desk.board.refusal("+15550123456") is Reason.OVERLOADED
    assert desk.board.refusal("+15550123458") is None


async def test_a_place_is_kept_for_whoever_we_are_calling(desk: Desk) -> None:
    """A caller finds it taken, the person who answers does not; then it is a call like any other."""
    desk.board.promised = 1
    desk.board.take(desk.session(1))
    assert desk.board.refusal("+15550123457") is Reason.OVERLOADED
    assert desk.board.refusal("+15550123457", placed=True) is None
    answered = desk.session(2, caller="+15550100")
    answered.record.direction = Direction.OUTBOUND
    desk.board.take(answered)
    assert desk.board.promised == 0
    assert desk.board.refusal("+15550123458", placed=True) is Reason.OVERLOADED


async def test_whom_we_call_is_not_bounded_as_a_caller(desk: Desk) -> None:
    """Who has called us as often as anybody may is still talked to when we call, and our calls are not held against them."""
    desk.board.limits = Limits(max_calls=5, max_calls_per_caller=1, max_calls_per_caller_hour=1)
    desk.board.take(desk.session(1))
    assert desk.board.refusal("+15550123456") is Reason.OVERLOADED
    assert desk.board.refusal("+15550123456", placed=True) is None
    ours = desk.session(2)
    ours.record.direction = Direction.OUTBOUND
    ours.record.to_number = "+15550123457"
    desk.board.take(ours)
    for each in desk.board.sessions:
        await each.started.wait()
        each.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await settled(desk.board)
    assert desk.board.refusal("+15550123456") is Reason.OVERLOADED  # has called us within the hour
    assert desk.board.refusal("+15550123457") is None


async def test_t27_at_99_percent_of_the_days_minutes_a_call_is_taken_and_at_100_it_is_not(desk: Desk) -> None:
    """What all instances have had today is counted. Who answers a call of ours is talked to; nobody else is dialled."""
    desk.board.limits = Limits(max_calls=2, agent_minutes_per_day=10)
    desk.board.meter.elsewhere_s = 9.9 * 60
    assert desk.board.refusal("+15550123456") is None
    assert desk.board.offered == 2
    desk.board.meter.elsewhere_s = 10.0 * 60
    assert desk.board.refusal("+15550123456") is Reason.AGENT_BUDGET
    assert desk.board.refusal("") is Reason.AGENT_BUDGET
    assert desk.board.refusal("+15550123456", placed=True) is None
    assert desk.board.offered == 0
    assert not desk.board.full  # a balancer that takes the instance away would leave callers with nobody who says so
    assert desk.board.refused == {Reason.AGENT_BUDGET: 2}


async def test_without_a_budget_agents_talk_all_day(desk: Desk) -> None:
    """By default nothing is too long."""
    desk.board.meter.elsewhere_s = 10.0**9
    assert desk.board.refusal("+15550123456") is None


async def test_a_call_is_metered_from_its_being_taken_to_its_end(desk: Desk) -> None:
    """Also one whose agent is not to be had: nothing goes on counting after it."""
    call = desk.session(1)
    desk.board.take(call)
    await call.started.wait()
    call.handle(e.EndRequested(Reason.OPERATOR_HANGUP))
    await settled(desk.board)
    today = datetime.now(UTC).date()
    spent = desk.board.meter.here(today)
    assert spent > 0
    assert desk.board.meter.here(today) == spent


async def test_a_late_loop_has_room_for_no_more_than_it_has(desk: Desk) -> None:
    """So that nobody else is dialled; who answers already is talked to all the same."""
    assert desk.board.capacity == 2
    for _ in range(100):
        desk.board.lag.note(1.0)
    assert desk.board.capacity == 1
    desk.board.take(desk.session(1))
    assert desk.board.capacity == 1
    assert desk.board.refusal("+15550123457", placed=True) is None


async def test_a_late_loop_refuses_calls(desk: Desk) -> None:
    """Until it has recovered, and only where a call would suffer from one more: the first one is taken."""
    for _ in range(100):
        desk.board.lag.note(1.0)
    assert desk.board.refusal("+1") is None
    desk.board.take(desk.session(1))
    assert desk.board.refusal("+1") is Reason.OVERLOADED


async def test_a_slot_is_free_again_after_the_call(desk: Desk) -> None:
    """Also the caller's own."""
    session = desk.session(1)
    desk.board.take(session)
    await session.started.wait()
    session.handle(e.CarrierEnded(Reason.CALLER_HANGUP))
    await settled(desk.board)
    assert desk.board.refusal("+15550123456") is None
    assert desk.saved[-1].outcome is Reason.CALLER_ABANDONED


async def test_a_bug_of_ours_ends_one_call_and_no_other(desk: Desk) -> None:
    """Loudly: logged, recorded as internal_error, and the neighbour talks on."""
    one, two = desk.session(1), desk.session(2, caller="+15550123457")
    for session in (one, two):
        desk.board.take(session)
        await session.started.wait()
    desk.fails = True
    with structlog.testing.capture_logs() as lines:
        one.handle(e.PhoneDigit("1"))
    assert "call_failed" in [line["event"] for line in lines]
    desk.fails = False
    async with asyncio.timeout(2):
        await one.ended.wait()
    assert one.record.outcome is Reason.INTERNAL_ERROR
    assert desk.board.find("CA2") is two


async def test_an_error_in_a_task_harms_nothing_else(desk: Desk) -> None:
    """It is logged."""

    async def fails() -> None:
        raise RuntimeError("a bug of ours")

    with structlog.testing.capture_logs() as lines:
        task = desk.board.spawn(fails(), name="one that fails")
        assert task is not None
        await asyncio.wait({task})
    assert lines[-1]["task"] == "one that fails"
    assert desk.board.refusal("") is None


async def test_a_drain_without_calls_is_over_at_once(desk: Desk) -> None:
    """And takes no more."""
    async with asyncio.timeout(1):
        await desk.board.drain(3600)
    assert desk.board.draining


async def test_a_drain_waits_for_the_last_call(desk: Desk) -> None:
    """And no longer."""
    session = desk.session(1)
    desk.board.take(session)
    await session.started.wait()
    drain = asyncio.create_task(desk.board.drain(3600))
    await asyncio.sleep(0)
    assert not drain.done()
    session.handle(e.CarrierEnded(Reason.CALLER_HANGUP))
    async with asyncio.timeout(2):
        await drain


async def test_after_the_deadline_calls_are_ended(desk: Desk) -> None:
    """drain_timeout; without a stream there is nobody to say goodbye to."""
    session = desk.session(1)
    desk.board.take(session)
    await session.started.wait()
    async with asyncio.timeout(2):
        await desk.board.drain(0.01)
    assert session.record.outcome is Reason.DRAIN_TIMEOUT


async def test_a_switchboard_that_stops_ends_its_calls_in_their_records(desk: Desk) -> None:
    """The process ends at once: nothing is left open in any account, and no task is started any more."""
    other = Desk(Limits())
    started = asyncio.Event()
    task = asyncio.create_task(other.board.run(started))
    await started.wait()
    session = other.session(1)
    other.board.take(session)
    await session.started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert session.record.outcome is Reason.DRAIN_TIMEOUT
    assert other.saved[-1].status.terminal
    assert other.board.active == 0

    async def late() -> None:
        raise AssertionError("nobody runs this")

    assert other.board.spawn(late(), name="late") is None
