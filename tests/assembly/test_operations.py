"""Several instances, and housekeeping, over one store."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from bridge.app import House
from bridge.assembly.operations import Operations
from bridge.call import events as e
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.store.campaigns import Campaign, Target
from bridge.store.commands import Command
from tests.support.deployment import Deployment, deployed, settled
from tests.support.house import running
from tests.support.media import form

TRANSFERS = '[transfers]\nreception = "+15550777"\n'


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment."""
    async with deployed(tmp_path, more=TRANSFERS) as deployment:
        yield deployment


@contextlib.asynccontextmanager
async def second(deployment: Deployment, tmp_path: Path) -> AsyncIterator[House]:
    """Another instance on the same store; both know of each other."""
    text = settled(tmp_path, deployment.xuna, deployment.rest.url, more=TRANSFERS)
    async with running(tmp_path, text) as house:
        for each in (house, deployment.house):
            await operations(each).beat()
        yield house


def operations(house: House) -> Operations:
    """Of a house that runs."""
    assert house.operations is not None
    return house.operations


async def test_a_call_on_another_instance_obeys_too(all_: Deployment, tmp_path: Path) -> None:
    """What one instance is asked about a call of another is done there."""
    call, _ = await all_.talking()
    async with second(all_, tmp_path) as other:
        reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/digits", body={"digits": "7"}, house=other)
        assert reply.status == 202, reply.text
        await call.streaming(count=2)
        assert any('digits="7"' in twiml for _, twiml in call.documents)
        shown = await all_.ask("GET", f"/api/v1/calls/{call.sid}", house=other)
        assert shown.json["status"] == "in_progress"
        hangup = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup", house=other)
        assert hangup.status == 202
        await call.ended()
    record = all_.house.writer.find(call.sid) or await all_.house.calls.get(call.sid)
    assert record is not None
    assert record.outcome is Reason.OPERATOR_HANGUP


async def test_an_instance_that_lost_a_call_to_another_lets_go(all_: Deployment, tmp_path: Path) -> None:
    """Told that it is superseded, it releases the agent and leaves the record to the other."""
    call, _ = await all_.talking()
    async with second(all_, tmp_path) as other:
        live = all_.house.switchboard.find(call.sid)
        assert live is not None
        await operations(other).taken_over(live.record.call_id, all_.house.instance)
        await operations(all_.house).take_commands()
        await live.ended.wait()
        assert live.record.outcome is None
    await call.hang_up()


async def test_what_a_dead_instance_was_asked_is_done_by_another(all_: Deployment, tmp_path: Path) -> None:
    """An operator was told that the call ends: it does, although its process had just died while the caller was held."""
    call, _ = await all_.talking()
    async with second(all_, tmp_path) as other:
        live = all_.house.switchboard.find(call.sid)
        assert live is not None
        await all_.house.writer.flush(5.0)
        await all_.house.calls.change(live.record.call_id, lambda record: setattr(record, "instance", "vm-dead"))
        await operations(other).instances.beat("vm-dead", active_calls=1)
        reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup", house=other)
        assert reply.status == 202
        await operations(other).obey_for_the_dead()
        assert not call.over  # it may be alive
        async with other.database.write() as connection:
            await connection.execute(sql("UPDATE instances SET seen_us = seen_us - 16000000 WHERE id = 'vm-dead'"))
        await operations(other).obey_for_the_dead()
        await call.ended()


async def test_a_held_call_whose_process_died_is_resumed_all_the_same(all_: Deployment, tmp_path: Path) -> None:
    """The operator asks before anybody knows of the death: as soon as it is known, another instance has the caller and an agent."""
    call, _ = await all_.talking()
    async with second(all_, tmp_path) as other:
        assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")).status == 202
        await call.pulse.until(lambda: bool(call.said), "the words of the hold")
        live = all_.house.switchboard.find(call.sid)
        assert live is not None
        await all_.house.writer.flush(5.0)
        await all_.house.calls.change(live.record.call_id, lambda record: setattr(record, "instance", "vm-dead"))
        live.handle(e.Superseded())  # it is gone, without a word to the store
        await operations(other).instances.beat("vm-dead", active_calls=1)
        reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume", house=other)
        assert reply.status == 202
        async with other.database.write() as connection:
            await connection.execute(sql("UPDATE instances SET seen_us = seen_us - 16000000 WHERE id = 'vm-dead'"))
        await operations(other).obey_for_the_dead()
        await call.streaming(count=2)
        again = await all_.xuna.session()
        assert "Hello!" in again.variables["previous_transcript"]
        await again.close(1000)
        assert await call.ended() == "completed"


async def test_what_was_asked_of_a_call_is_done_by_who_took_it_over(all_: Deployment, tmp_path: Path) -> None:
    """The order had been left for an instance that did not live to read it."""
    call, _ = await all_.talking()
    async with second(all_, tmp_path) as other:
        live = all_.house.switchboard.find(call.sid)
        assert live is not None
        await operations(other).commands.put(Command(live.record.call_id, "hangup", {}), instance="vm-dead")
        await operations(all_.house).taken_over(live.record.call_id, "vm-dead")
        await operations(all_.house).take_commands()
        await call.ended()
    assert live.record.outcome is Reason.OPERATOR_HANGUP


async def test_t27_the_minutes_of_all_instances_are_counted_together(tmp_path: Path) -> None:
    """What one instance's calls have used is gone for the other, which says so; a restart gives nothing back."""
    more = "[limits]\nagent_minutes_per_day = 1\n"
    async with deployed(tmp_path, more=more) as all_:
        text = settled(tmp_path, all_.xuna, all_.rest.url, more=more)
        async with running(tmp_path, text) as other:
            spent = operations(other).agent_time
            await spent.report(other.instance, datetime.now(UTC).date(), 59.4)  # as its calls did
        call, _ = await all_.talking()  # 99 %: it is taken
        await operations(all_.house).count_agent_time()
        assert all_.house.switchboard.meter.elsewhere_s == 59.4
        await spent.report("another", datetime.now(UTC).date(), 0.6)
        await operations(all_.house).count_agent_time()
        refused = await all_.carrier.call()
        await refused.ended()
        assert any("lines are busy" in twiml for _, twiml in refused.documents)
        assert not call.over  # what is in progress goes on
        metrics = (await all_.ask("GET", "/metrics")).text
        assert 'callbridge_calls_refused_total{reason="agent_budget"} 1.0' in metrics
        await call.hang_up()
        record = all_.house.writer.find(refused.sid) or await all_.house.calls.get(refused.sid)
        assert record is not None
        assert record.outcome is Reason.AGENT_BUDGET


async def test_a_process_that_ends_as_it_should_leaves(all_: Deployment, tmp_path: Path) -> None:
    """After a drain nobody takes it for dead."""
    async with second(all_, tmp_path) as other:
        known = {each.id for each in await operations(all_.house).instances.all()}
        assert known == {all_.house.instance, other.instance}
    assert {each.id for each in await operations(all_.house).instances.all()} == {all_.house.instance}


async def test_old_records_go_with_all_that_belongs_to_them(all_: Deployment) -> None:
    """After ``retention_days`` a record is removed, and whoever keeps something else of the call is told."""
    now = datetime.now(UTC)
    for number, days in enumerate((91, 89)):
        record = CallRecord(
            call_id=f"call_{number}",
            direction=Direction.INBOUND,
            from_number="+15550123456",
            to_number="+15550100",
            line="+15550100",
            agent="support",
            created_at=now - timedelta(days=days),
            status=Status.COMPLETED,
        )
        await all_.house.calls.save(record)
        over = Campaign(campaign_id=f"camp_{number}", name="n", state="finished", created_at=record.created_at)
        await operations(all_.house).campaigns.create(over, [Target(position=1, number="+15550123456")])
    forgotten: list[str] = []

    async def broken(record: CallRecord) -> None:
        raise OSError

    async def recording(record: CallRecord) -> None:
        forgotten.append(record.call_id)

    operations(all_.house).forgetters += [broken, recording]
    await operations(all_.house).expire(now)
    assert forgotten == ["call_0"]
    assert await all_.house.calls.get("call_0") is None
    assert await all_.house.calls.get("call_1") is not None
    assert [each.campaign_id for each in await operations(all_.house).campaigns.all()] == ["camp_1"]


async def test_a_call_that_the_carrier_alone_has_ended_is_counted(all_: Deployment) -> None:
    """Its process is gone, and a status callback closes its record: it is in the metrics like any other, once."""
    now = datetime.now(UTC)
    lost = CallRecord(
        call_id="call_lost",
        carrier_call_id="CA" + "7" * 32,
        direction=Direction.INBOUND,
        from_number="+15550123456",
        to_number="+15550100",
        line="+15550100",
        agent="support",
        created_at=now,
        started_at=now,
        status=Status.IN_PROGRESS,
    )
    await all_.house.calls.save(lost)
    for _ in range(2):
        told = form(lost.carrier_call_id or "", CallStatus="completed")
        assert (await all_.carrier.post("status", "/twilio/status", told)).status == 204
    text = (await all_.ask("GET", "/metrics")).text
    (line,) = [each for each in text.splitlines() if each.startswith("callbridge_calls_total{")]
    assert 'reason="process_lost"' in line
    assert line.endswith(" 1.0")
