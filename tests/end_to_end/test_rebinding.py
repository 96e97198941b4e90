"""Names whose answers change between being judged and being connected to: a real name server, over the whole bridge.

The system's resolver is replaced where the event loop calls it, so that every look-up of the process is asked there, whoever
makes it. ``127.0.0.2`` stands for an address of the internet, ``127.0.0.1`` is one of ours.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.tools import destinations
from bridge.tools.destinations import Standing
from tests.standins.names import NameServer, Resolver
from tests.support.deployment import Deployment, deployed
from tests.support.receiver import SECRET, Receiver

NAME = "crm.test"
PUBLIC_ONE, OURS = "127.0.0.2", "127.0.0.1"
KEY = "tk-0123456789"


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """Asked by everything in this process."""
    judged = destinations.standing
    monkeypatch.setattr(destinations, "standing", lambda each: Standing.PUBLIC if each == PUBLIC_ONE else judged(each))
    loop = asyncio.get_running_loop()
    async with NameServer() as server:
        monkeypatch.setattr(loop, "getaddrinfo", Resolver(server, loop.getaddrinfo).getaddrinfo)
        yield server


@pytest.fixture
async def receivers() -> AsyncIterator[tuple[Receiver, Receiver]]:
    """One outside, one inside, on the same port."""
    with socket.socket() as probe:
        probe.bind((PUBLIC_ONE, 0))
        port = probe.getsockname()[1]
    outside, inside = Receiver(host=PUBLIC_ONE), Receiver()
    outside.port = inside.port = port
    async with outside, inside:
        yield outside, inside


async def tool(it: Deployment, call_id: str) -> Any:
    """The agent asks for it."""
    body = {"tool_name": "book", "tool_args": {"call_id": call_id}}
    return (await it.ask("POST", "/tools/support", key=KEY, body=body)).json


async def call_of(it: Deployment) -> str:
    """A live one."""
    _, session = await it.talking()
    return str(session.variables["call_id"])


def book(port: int, more: str = "") -> str:
    """The tool, at the name."""
    return f'[tools.book]\nurl = "http://{NAME}:{port}/"\nsecret = "{SECRET}"\ntimeout_s = 2\n{more}'


async def test_what_was_judged_is_what_is_connected_to(
    names: NameServer, receivers: tuple[Receiver, Receiver], tmp_path: Path
) -> None:
    """One look-up for one connection: an answer that has changed by then is never asked for, and later ones are judged anew."""
    outside, inside = receivers
    names.answers[NAME] = [[PUBLIC_ONE], [OURS]]
    outside.answer = lambda request: outside.close(request, {"ok": "outside"})
    async with deployed(tmp_path, more=book(outside.port), agent=f'tools_key = "{KEY}"') as it:
        call_id = await call_of(it)
        assert await tool(it, call_id) == {"ok": "outside"}
        assert names.turns(NAME) == 1
        refused = await tool(it, call_id)
        assert "cannot be reached" in refused["error"]
        assert names.turns(NAME) == 2
        assert await tool(it, call_id) == {"ok": "outside"}
    assert (len(outside.deliveries), len(inside.deliveries)) == (2, 0)


@pytest.mark.parametrize(
    "answers",
    [
        [[OURS]],
        [[PUBLIC_ONE, OURS]],
        [["::1"]],
        [[PUBLIC_ONE, "::ffff:127.0.0.1"]],
        [["::ffff:169.254.169.254"]],
        [["169.254.169.254"]],
        [["64:ff9b::7f00:1"]],
        [["2002:7f00:1::"]],
        [["10.0.0.1"], [OURS]],
        [["100.64.0.1"]],
        [["0.0.0.0"]],
        [["fd00:ec2::254"]],
    ],
    ids=lambda answers: "-".join("+".join(turn) for turn in answers),
)
async def test_a_name_that_leads_inside_is_not_connected_to(
    names: NameServer, receivers: tuple[Receiver, Receiver], tmp_path: Path, answers: list[list[str]]
) -> None:
    """Private, link-local, metadata, mapped, translated, or one such among good ones: nothing is sent to any of them."""
    outside, inside = receivers
    names.answers[NAME] = answers
    async with deployed(tmp_path, more=book(outside.port), agent=f'tools_key = "{KEY}"') as it:
        assert "cannot be reached" in (await tool(it, await call_of(it)))["error"]
    assert names.turns(NAME) >= 1
    assert outside.deliveries == inside.deliveries == []


async def test_what_is_put_off_is_judged_at_every_attempt(
    names: NameServer, receivers: tuple[Receiver, Receiver], tmp_path: Path
) -> None:
    """A durable booking and an event wait for the right answer, and are never delivered to the wrong one."""
    outside, inside = receivers
    names.answers[NAME] = [[PUBLIC_ONE], [OURS]]
    outside.answer = lambda request: outside.close(request, {})
    events = f'[events.crm]\nurl = "http://{NAME}:{outside.port}/"\nsecret = "{SECRET}"\n'
    more = book(outside.port, "durable = true\n") + events
    async with deployed(tmp_path, more=more, agent=f'tools_key = "{KEY}"') as it:
        call_id = await call_of(it)
        await tool(it, call_id)
        await tool(it, call_id)
        async with asyncio.timeout(20):
            while {"call.started", "call.answered", None} - {
                each.body.get("type") for each in outside.deliveries
            } or names.turns(NAME) < 4:
                await asyncio.sleep(0.02)
    assert all(each.valid for each in outside.deliveries)
    assert inside.deliveries == []


async def test_the_look_up_of_a_caller_is_judged_too(
    names: NameServer, receivers: tuple[Receiver, Receiver], tmp_path: Path
) -> None:
    """The call is answered without it."""
    outside, inside = receivers
    names.answers[NAME] = [[OURS]]
    async with deployed(tmp_path) as it:
        file = tmp_path / "bridge.toml"
        file.write_text(file.read_text() + f'[lines.lookup]\nurl = "http://{NAME}:{outside.port}/"\n')
        it.house.reloading.load = lambda: type(it.house.settings).load(str(file), {})
        assert (await it.house.reloading.reload())["changed"] == ["lines"]
        await call_of(it)
    assert names.turns(NAME) == 1
    assert inside.deliveries == []
