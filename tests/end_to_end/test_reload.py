"""The configuration read again while calls go on, over the whole bridge."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import Settings
from tests.standins import sound
from tests.standins.twilio.dialling import Person
from tests.standins.xuna import Xuna
from tests.support.deployment import Deployment, deployed
from tests.support.house import API_KEY, TOKEN
from tests.support.receiver import SECRET, Receiver

TOOLS_KEY = "tk-0123456789"
PERSON = "+15550123456"
NEW_KEY = "another-key-0123456789"
NEW_TOKEN = "fedcba9876543210fedcba9876543210"
MORE = '[transfers]\nreception = "+15550777"\n[outbound]\nallowed_prefixes = ["+44"]\n[server]\nworker = false\n'


@dataclass
class Scene:
    """A deployment and its configuration file."""

    it: Deployment
    file: Path

    def edit(self, old: str, new: str) -> None:
        """Change the file."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new, 1))

    async def reload(self, *, key: str = API_KEY) -> Any:
        """Through the API."""
        return (await self.it.ask("POST", "/api/v1/reload", key=key)).json

    async def tool(self, name: str, *, agent: str = "support", **arguments: Any) -> Any:
        """An agent's tool call."""
        body = {"tool_name": name, "tool_args": arguments}
        return await self.it.ask("POST", f"/tools/{agent}", key=TOOLS_KEY, body=body)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """With little in it."""
    async with deployed(tmp_path, more=MORE, agent=f'tools_key = "{TOOLS_KEY}"') as deployment:
        file = tmp_path / "bridge.toml"
        deployment.house.reloading.load = lambda: Settings.load(str(file), {})
        yield Scene(deployment, file)


async def test_nothing_new_changes_nothing(scene: Scene) -> None:
    """And says so."""
    agent = scene.it.house.agents["support"]
    assert await scene.reload() == {"changed": [], "restart_needed": [], "detail": "Nothing has changed."}
    assert scene.it.house.agents["support"] is agent


async def test_a_call_keeps_its_agent_and_the_next_one_has_the_new(scene: Scene) -> None:
    """Another account, another key, another base_url: for calls from then on, also where an agent is gone altogether."""
    call, session = await scene.it.talking()
    async with Xuna(api_key="xi-standin-key-0002") as other:
        scene.edit(f'api_key = "{scene.it.xuna.api_key}"', f'api_key = "{other.api_key}"')
        scene.edit(f'base_url = "{scene.it.xuna.url}"', f'base_url = "{other.url}"')
        assert (await scene.reload())["changed"] == ["agents"]
        await session.say(sound.tone(0.3, rate=16000), text="Still here.")
        await call.hears(0.4)
        second = await scene.it.carrier.call(from_="+15550199999")
        theirs = await other.session()
        await second.streaming()
        scene.edit("[agents.support]", "[agents.renamed]")
        scene.edit('agent = "support"', 'agent = "renamed"')
        assert (await scene.reload())["changed"] == ["agents", "lines"]
        await session.close(1006)
        resumed = await scene.it.xuna.session()
        assert "previous_transcript" in resumed.variables
        for each in (call, second):
            await each.hang_up()
        await resumed.gone()
        await theirs.gone()


async def test_tools_and_their_keys_change(scene: Scene) -> None:
    """A tool that was added is asked, one whose address changed there; another key opens the door, the former does not."""
    _, session = await scene.it.talking()
    call_id = session.variables["call_id"]
    assert "no tool" in (await scene.tool("book", call_id=call_id)).json["error"]
    async with Receiver() as first, Receiver() as second:
        text = scene.file.read_text()
        scene.file.write_text(text + f'[tools.book]\nurl = "{first.url}"\nsecret = "{SECRET}"\n')
        assert (await scene.reload())["changed"] == ["tools"]
        assert (await scene.tool("book", call_id=call_id)).json == {"ok": True}
        scene.edit(first.url, second.url)
        scene.edit('secret = "', 'schema = { type = "object", required = ["date"] }\nsecret = "')
        assert (await scene.reload())["changed"] == ["tools"]
        assert "date is missing" in (await scene.tool("book", call_id=call_id)).json["error"]
        assert (await scene.tool("book", call_id=call_id, date="x")).json == {"ok": True}
        assert (len(first.once), len(second.once)) == (1, 1)
        scene.edit(f'tools_key = "{TOOLS_KEY}"', f'tools_key = ["tk-9876543210", "{TOOLS_KEY}"]')
        assert (await scene.reload())["changed"] == ["agents"]
        assert (await scene.tool("book", call_id=call_id, date="y")).json == {"ok": True}
        scene.edit(f'["tk-9876543210", "{TOOLS_KEY}"]', '"tk-9876543210"')
        await scene.reload()
        assert (await scene.tool("book", call_id=call_id, date="x")).status == 401


async def test_events_go_to_whom_they_are_for_now(scene: Scene) -> None:
    """From the next one on."""
    async with Receiver() as receiver:
        text = scene.file.read_text()
        scene.file.write_text(
            text + f'[events.crm]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\ntypes = ["call.started"]\n'
        )
        assert (await scene.reload())["changed"] == ["events"]
        await scene.it.talking()
        await receiver.got(1, timeout=10)
        assert receiver.once[0]["type"] == "call.started"


async def test_transfers_lines_and_rules_of_calls_that_we_place_change(scene: Scene) -> None:
    """For the API as well as for agents."""
    _, session = await scene.it.talking()
    call_id = session.variables["call_id"]
    path = f"/api/v1/calls/{call_id}/transfer"
    assert (await scene.it.ask("POST", path, body={"to": "sales"})).status == 422
    placed = {"to": PERSON, "from": "+15550100"}
    assert (await scene.it.ask("POST", "/api/v1/calls", body=placed)).status == 422
    scene.edit('reception = "+15550777"', 'sales = "+15550778"')
    scene.edit('allowed_prefixes = ["+44"]', 'allowed_prefixes = ["+1"]')
    assert (await scene.reload())["changed"] == ["outbound", "transfers"]
    assert "sales" in (await scene.tool("transfer_call", to="reception", call_id=call_id)).json["error"]
    scene.it.rest.people[PERSON] = Person("busy")
    assert (await scene.it.ask("POST", "/api/v1/calls", body=placed)).status == 202
    assert (await scene.it.ask("POST", path, body={"to": "sales"})).status == 202
    await scene.it.carrier.settled()


async def test_keys_of_operators_change(scene: Scene) -> None:
    """A key that was taken out opens nothing any more, whoever is logged in with it included."""
    scene.edit(f'"{API_KEY}"', f'"{NEW_KEY}"')
    assert (await scene.reload())["changed"] == ["api.keys"]
    assert (await scene.it.ask("GET", "/api/v1/calls")).status == 401
    assert (await scene.it.ask("GET", "/api/v1/calls", key=NEW_KEY)).status == 200


async def test_the_carriers_token_is_rotated_while_a_call_goes_on(scene: Scene) -> None:
    """Both are valid while both are named; we sign with the first; the former one is worth nothing once it is gone."""
    call, session = await scene.it.talking()
    scene.edit(f'auth_token = "{TOKEN}"', f'auth_token = ["{NEW_TOKEN}", "{TOKEN}"]')
    assert (await scene.reload())["changed"] == ["carriers.twilio.auth_token"]
    second = await scene.it.carrier.call(from_="+15550199999")
    await second.streaming()
    scene.it.carrier.auth_token = NEW_TOKEN
    third = await scene.it.carrier.call(from_="+15550199998")
    await third.streaming()
    scene.edit(f'["{NEW_TOKEN}", "{TOKEN}"]', f'"{NEW_TOKEN}"')
    await scene.reload()
    assert (await scene.it.ask("POST", f"/api/v1/calls/{session.variables['call_id']}/hangup")).status == 202
    for each in (second, third):
        await each.hang_up()
    assert await call.ended() == "completed"
    await scene.it.carrier.settled()


async def test_what_needs_a_restart_is_named_and_keeps_its_value(scene: Scene, tmp_path: Path) -> None:
    """What can change changes all the same, and the rest is named again until the restart."""
    scene.edit('public_url = "https://bridge.example.com"', 'public_url = "https://other.example.com"')
    scene.edit("[server]\n", "[server]\nport = 9999\n")
    scene.edit('reception = "+15550777"', 'sales = "+15550778"')
    needed = ["public_url", "server.port"]
    assert await scene.reload() == {
        "changed": ["transfers"],
        "restart_needed": needed,
        "detail": "Changed: transfers. Only after a restart: public_url, server.port.",
    }
    assert await scene.reload() == {
        "changed": [],
        "restart_needed": needed,
        "detail": "Nothing has changed. Only after a restart: public_url, server.port.",
    }
    call = await scene.it.carrier.call()  # signed over the former address
    await call.streaming()
    await call.hang_up()
    await scene.it.carrier.settled()


async def test_a_bad_file_changes_nothing_and_every_mistake_is_told(scene: Scene) -> None:
    """Also those that only the parts of the bridge find, and also over the signal; the call goes on."""
    call, session = await scene.it.talking()
    good = scene.file.read_text()
    scene.edit('reception = "+15550777"', 'reception = "12"')
    scene.edit('agent = "support"', 'agent = "nobody"')
    reply = await scene.it.ask("POST", "/api/v1/reload")
    assert reply.status == 422
    assert "transfers.reception" in reply.json["detail"]
    assert "lines[0].agent" in reply.json["detail"]
    scene.file.write_text(good + '[tools.book]\nurl = "https://a.example.com"\nschema = { type = "nonsense" }\n')
    scene.edit('reception = "+15550777"', 'sales = "+15550778"')
    reply = await scene.it.ask("POST", "/api/v1/reload")
    assert (reply.status, "tools.book.schema" in reply.json["detail"]) == (422, True)
    assert list(scene.it.house.routing.transfers) == ["reception"]
    read, loop = asyncio.Event(), asyncio.get_running_loop()
    load = scene.it.house.reloading.load
    assert load is not None

    def watched() -> Settings:
        loop.call_soon_threadsafe(read.set)
        return load()

    scene.it.house.reloading.load = watched
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        await read.wait()
    assert (await scene.it.ask("POST", "/api/v1/reload")).status == 422  # behind the signal's
    assert list(scene.it.house.routing.transfers) == ["reception"]
    await session.say(sound.tone(0.3, rate=16000), text="Still here.")
    await call.hears(0.4)
