"""Events out of a whole bridge: to receivers that fail, and over the death of the process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.standins import sound
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.house import PUBLIC, configuration, running
from tests.support.receiver import SECRET, Receiver


def agent(xuna: Xuna) -> str:
    """One of XUNA's."""
    return (
        f'[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\n'
        f'api_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
    )


def events(receiver: Receiver) -> str:
    """Everything goes there."""
    return f'[events.crm]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'


async def test_a_call_is_told_with_what_the_agent_found(tmp_path: Path) -> None:
    """In order, signed, through failures of the receiver, and at the end with transcript and evaluation."""
    async with (
        Xuna() as xuna,
        Receiver() as receiver,
        running(tmp_path, configuration(tmp_path, agent(xuna), more=events(receiver))) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        receiver.answers = [500]
        call = await carrier.call()
        session = await xuna.session()
        await call.streaming()
        await session.say(sound.tone(0.5, rate=16000), text="Hello! How can I help?")
        await call.hears(0.4)
        await session.user_transcript("When are you open?")
        await session.close(1000)
        assert await call.ended() == "completed"
        async with asyncio.timeout(20):
            while "call.ended" not in [body["type"] for body in receiver.once]:
                await receiver.got(len(receiver.deliveries) + 1, timeout=20)
    kinds = [body["type"] for body in receiver.once]
    assert kinds[:2] == ["call.started", "call.answered"]
    assert kinds[-1] == "call.ended"
    assert all(delivery.valid for delivery in receiver.deliveries)
    end = receiver.once[-1]["data"]
    assert [turn["text"] for turn in end["turns"]] == ["Hello! How can I help?", "When are you open?"]
    assert end["analysis"]["collected_data"] == {"topic": "opening hours"}


PUTS = """
import asyncio, os, signal, sys
from bridge.store.database import Database
from bridge.store.outbox import Letter, Outbox
from bridge.tools.courier import Channel, Courier

async def main():
    database = Database(sys.argv[1])
    await database.migrate()
    outbox = Outbox(database)
    await outbox.put([Letter("event:crm", f"evt_{n}", f'{{"n":{n}}}', lane="call_1", kind="turn") for n in range(3)])

    async def die(letter):
        os.kill(os.getpid(), signal.SIGKILL)

    await Courier(outbox, {"event:crm": Channel(die, timeout_s=0.1, give_up_s=60)}).run()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_killed_process_loses_no_event(tmp_path: Path) -> None:
    """Killed (-9) in the middle of a delivery; the next process delivers all of it, in order."""
    url = f"sqlite:///{tmp_path}/calls.db"
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", PUTS, url], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    async with (
        Xuna() as xuna,
        Receiver() as receiver,
        running(tmp_path, configuration(tmp_path, agent(xuna), more=events(receiver))),
    ):
        await receiver.got(3, timeout=20)
    assert [body["n"] for body in receiver.once] == [0, 1, 2]


FINISHES = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from bridge.assembly.events import Telling
from bridge.settings import Settings
from bridge.store.calls import Calls
from bridge.store.campaigns import Campaign, CampaignStore
from bridge.store.database import Database
from bridge.store.outbox import Outbox

async def main(path, when):
    settings = Settings.load(path, {})
    database = Database(settings.database_url)
    await database.migrate()
    telling = Telling(settings, database=database, outbox=Outbox(database), calls=Calls(database), agents={})
    store = CampaignStore(database)
    campaign = Campaign(campaign_id="camp_1", name="reminders", state="running", created_at=datetime.now(UTC))
    await store.create(campaign, [])

    async def told(connection, campaign):
        await telling.campaign_finished(connection, campaign)
        if when == "before the end is kept":
            os.kill(os.getpid(), signal.SIGKILL)

    if await store.finish(campaign, now=datetime.now(UTC), told=told):
        os.kill(os.getpid(), signal.SIGKILL)
    print((await store.get("camp_1")).state, await Outbox(database).counts())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
async def test_the_end_of_a_campaign_is_told_once_whenever_its_process_is_killed(tmp_path: Path) -> None:
    """Killed (-9) within the transaction: neither ended nor told. Killed after it: told by the next process, once."""

    async def finish(when: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", FINISHES, str(tmp_path / "bridge.toml"), when]
        return await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)

    async with Xuna() as xuna, Receiver() as receiver:
        text = configuration(tmp_path, agent(xuna), more=events(receiver))
        (tmp_path / "bridge.toml").write_text(text)
        for when in ("before the end is kept", "before the end is kept", "afterwards"):
            killed = await finish(when)
            assert killed.returncode == -signal.SIGKILL, killed.stderr
        late = await finish("afterwards")
        assert late.stdout == "finished {'waiting': 1, 'dead': 0}\n", late.stderr
        async with running(tmp_path, text) as house:
            await receiver.got(1, timeout=20)
            async with asyncio.timeout(5):
                while (await house.business.outbox.counts())["waiting"]:
                    await asyncio.sleep(0.01)
    [told] = receiver.deliveries
    assert told.valid
    assert (told.body["type"], told.body["data"]["campaign_id"]) == ("campaign.finished", "camp_1")
