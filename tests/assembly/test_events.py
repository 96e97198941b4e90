"""Who is told what of calls, as the configuration has it, and again when that is read anew."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bridge import settings as config
from bridge.assembly.events import Telling, analysed_of, endpoints_of
from bridge.call.ports import Secret
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.settings import Settings
from bridge.store.calls import Calls
from bridge.store.campaigns import Campaign
from bridge.store.database import Database
from bridge.store.outbox import Outbox
from tests.support.receiver import SECRET, Receiver

XUNA = config.XunaAgent(agent_id="agent_1", api_key=Secret("xi-key-of-a-test"))


def settings(*names: str, agents: dict[str, config.AgentSettings] | None = None, url: str = "") -> Settings:
    """With endpoints of these names."""
    told = {
        name: config.EventEndpoint(
            url=url or "http://127.0.0.1:9/", secret=(Secret(SECRET),), types=("call.ended", "campaign.finished")
        )
        for name in names
    }
    return Settings(events=told, agents=agents or {})


def ended() -> CallRecord:
    """A call that is over."""
    now = datetime.now(UTC)
    record = CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "*", "support", now)
    record.agent_conversation_id = "conv_1"
    record.status = Status.RINGING
    record.finish(Reason.CALLER_HANGUP, now)
    return record


class Stage:
    """A store, and what tells of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls, self.outbox = Calls(database), Outbox(database)

    def telling(self, settings: Settings) -> Telling:
        """Put together from these."""
        return Telling(settings, database=self.database, outbox=self.outbox, calls=self.calls, agents={})

    async def waiting(self) -> set[tuple[str, str]]:
        """Channel and kind of what is to be delivered."""
        return {(each.channel, each.kind) for each in await self.outbox.list()}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty one."""
    database = Database(f"sqlite:///{tmp_path}/calls.db")
    await database.migrate()
    yield Stage(database)
    await database.close()


async def test_every_endpoint_is_told_of_a_call(stage: Stage) -> None:
    """In the transaction that writes the record: nothing else has to be called."""
    telling = stage.telling(settings("crm", "desk"))
    await stage.calls.save(ended())
    assert await stage.waiting() == {("event:crm", "call.ended"), ("event:desk", "call.ended")}
    assert {"event:crm", "event:desk"} <= set(telling.channels())
    await telling.close()


async def test_with_nobody_to_tell_nothing_is_put_into_the_outbox(stage: Stage) -> None:
    """And a call's transaction is spared the look."""
    telling = stage.telling(settings())
    assert telling.announcer.idle
    await stage.calls.save(ended())
    assert await stage.waiting() == set()
    await telling.close()


async def test_an_agent_that_keeps_an_account_is_asked_for_it(stage: Stage) -> None:
    """Even where nobody is told: the record wants it."""
    telling = stage.telling(settings(agents={"support": XUNA}))
    await stage.calls.save(ended())
    assert await stage.waiting() == {("analysis", "analysis")}
    assert "analysis" in telling.channels()
    await telling.close()


async def test_read_again_others_are_told(stage: Stage) -> None:
    """Not before the commit; it gives back the former destinations, for whoever closes them when nothing is under way."""
    telling = stage.telling(settings("crm"))
    commit = telling.prepare(settings("desk"))
    assert "event:crm" in telling.channels()
    former = commit()
    assert len(former) == 1
    await stage.calls.save(ended())
    assert await stage.waiting() == {("event:desk", "call.ended")}
    assert "event:crm" not in telling.channels()
    for destination in former:
        await destination.close()
    await telling.close()


@pytest.mark.parametrize(("before", "after", "told"), [([], ["crm"], 1), (["crm"], [], 0)])
async def test_the_first_endpoint_may_come_and_the_last_one_go(
    stage: Stage, before: list[str], after: list[str], told: int
) -> None:
    """Without a restart either way."""
    telling = stage.telling(settings(*before))
    former = telling.prepare(settings(*after))()
    await stage.calls.save(ended())
    assert len(await stage.waiting()) == told
    for destination in former:
        await destination.close()
    await telling.close()


async def test_the_end_of_a_campaign_is_told_with_the_transaction_that_ends_it(stage: Stage) -> None:
    """One that is undone has told nobody; told twice, it is one event."""
    telling = stage.telling(settings("crm"))
    campaign = Campaign(campaign_id="camp_1", name="Reminders", state="finished")

    async def undone() -> None:
        async with stage.database.write() as connection:
            await telling.campaign_finished(connection, campaign)
            raise LookupError

    with pytest.raises(LookupError):
        await undone()
    assert await stage.outbox.list() == []
    for _ in range(2):
        async with stage.database.write() as connection:
            await telling.campaign_finished(connection, campaign)
    (letter,) = await stage.outbox.claim(["event:crm"], lease_s=60, limit=9)
    assert msgspec.json.decode(letter.body)["data"] == {
        "campaign_id": "camp_1",
        "name": "Reminders",
        "state": "finished",
    }
    assert letter.lane == "camp_1"
    await telling.close()


async def test_what_is_told_is_signed_with_the_endpoints_secret(stage: Stage) -> None:
    """And goes to its address."""
    async with Receiver() as receiver:
        made = settings("crm", url=receiver.url)
        telling = stage.telling(made)
        await stage.calls.save(ended())
        (letter,) = await stage.outbox.claim(["event:crm"], lease_s=60, limit=9)
        await telling.channels()["event:crm"].deliver(letter)
        (delivery,) = receiver.deliveries
        assert (delivery.valid, delivery.body["type"]) == (True, "call.ended")
        await telling.close()


async def test_an_endpoint_is_as_it_was_written() -> None:
    """Hours become seconds."""
    (endpoint,) = endpoints_of(settings("crm"))
    assert endpoint.types == {"call.ended", "campaign.finished"}
    assert (endpoint.timeout_s, endpoint.give_up_s) == (10.0, 86_400.0)
    await endpoint.destination.close()


def test_only_agents_whose_accounts_we_may_read_are_analysed() -> None:
    """One without a key speaks, and tells nothing afterwards."""
    agents: dict[str, config.AgentSettings] = {
        "open": XUNA,
        "public": config.XunaAgent(agent_id="agent_2"),
        "demo": config.DemoAgent(),
    }
    assert analysed_of(settings(agents=agents)) == {"open"}
