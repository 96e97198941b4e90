"""Hours, callers, look-ups and a configuration that is read again, over the whole bridge."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.errors import ConfigurationError
from bridge.settings import Settings
from tests.standins.twilio import Carrier
from tests.standins.xuna import Xuna
from tests.support.house import API_KEY, PUBLIC, configuration, running
from tests.support.receiver import Receiver

ALWAYS = '["mon-sun 00:00-24:00"]'
HOLIDAY = '"2000-01-01"'


@pytest.fixture
async def xuna() -> AsyncIterator[Xuna]:
    """A strict XUNA."""
    async with Xuna() as server:
        yield server


def agents(xuna: Xuna) -> str:
    """Two of the same."""
    return "".join(
        f'[agents.{name}]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "{xuna.api_key}"\nbase_url = "{xuna.url}"\n'
        for name in ("support", "vip")
    )


def line(more: str = "") -> str:
    """One for every number."""
    return f'[[lines]]\nnumber = "*"\nagent = "support"\n{more}'


async def test_a_closed_line_says_so_and_asks_no_agent(xuna: Xuna, tmp_path: Path) -> None:
    """Outside the hours there are words and an end; the record tells why."""
    hours = '[lines.hours]\nzone = "Europe/Berlin"\nopen = ["mon 00:00-00:01"]\nholidays = []\nsay = "Closed today."\n'
    async with (
        running(tmp_path, configuration(tmp_path, agents(xuna), lines=line(hours))) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        assert await call.ended() == "completed"
        assert "Closed today." in call.webhooks("voice")[0].body
    assert xuna.sessions == []


async def test_a_blocked_caller_is_rejected_unheard(xuna: Xuna, tmp_path: Path) -> None:
    """By a pattern."""
    callers = '[lines.callers]\nblock = ["+1555*"]\n'
    async with (
        running(tmp_path, configuration(tmp_path, agents(xuna), lines=line(callers))) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        await call.ended()
        assert "<Reject" in call.webhooks("voice")[0].body
    assert xuna.sessions == []


def lookup(receiver: Receiver, more: str = "") -> str:
    """A look-up there."""
    return f'[lines.lookup]\nurl = "{receiver.url}"\ntimeout_s = 0.3\nheaders = {{ "X-Key" = "crm-key-1" }}\n{more}'


async def routed(tmp_path: Path, xuna: Xuna, receiver: Receiver, more: str = "") -> Any:
    """The session that a call gets, or the TwiML where it gets none; and the number of the agent."""
    text = configuration(tmp_path, agents(xuna), lines=line(lookup(receiver, more)))
    async with (
        running(tmp_path, text) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        if call.over or "<Connect" not in call.webhooks("voice")[0].body:
            await call.ended()
            return call.webhooks("voice")[0].body
        session = await xuna.session()
        await call.streaming()
        agent = house.switchboard.sessions[0].record.agent
        await call.hang_up()
        await session.gone()
        return agent, session


async def test_the_caller_is_looked_up_while_it_rings(xuna: Xuna, tmp_path: Path) -> None:
    """Asked as ElevenLabs asks; what comes back reaches the agent that it names."""
    async with Receiver() as receiver:
        receiver.answer = {
            "type": "conversation_initiation_client_data",
            "dynamic_variables": {"customer": "Ann"},
            "conversation_config_override": {"agent": {"first_message": "Hello Ann!"}},
            "agent": "vip",
        }
        agent, session = await routed(tmp_path, xuna, receiver)
        assert agent == "vip"
        assert session.variables["customer"] == "Ann"
        [asked] = receiver.deliveries
        assert set(asked.body) == {"caller_id", "agent_id", "called_number", "call_sid"}
        assert (asked.body["caller_id"], asked.body["agent_id"]) == ("+15550123456", "agent_1")
        assert asked.headers["x-key"] == "crm-key-1"


async def test_a_slow_look_up_costs_its_budget_and_no_more(xuna: Xuna, tmp_path: Path) -> None:
    """A system that hangs does not keep the caller: the line's own agent answers, or nobody where the line says so."""

    async with Receiver() as receiver:
        receiver.answer = receiver.hang
        agent, _ = await routed(tmp_path, xuna, receiver)
        assert agent == "support"
        refused = await routed(tmp_path, xuna, receiver, 'on_failure = "refuse"\n')
        assert "<Connect" not in refused


async def test_a_new_configuration_counts_for_the_next_call_and_a_bad_one_is_refused(
    xuna: Xuna, tmp_path: Path
) -> None:
    """SIGHUP and the API read it again; a mistake keeps the old one and is told."""
    async with running(tmp_path, configuration(tmp_path, agents(xuna), lines=line())) as house:
        file = tmp_path / "bridge.toml"
        house.reloading.load = lambda: Settings.load(str(file), {})
        url = f"http://127.0.0.1:{house.port}/api/v1/reload"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as client:
            file.write_text(file.read_text().replace('agent = "support"', 'agent = "nobody"'))
            async with client.post(url) as response:
                assert response.status == 422
                assert "lines[0].agent: names no agent" in (await response.json(content_type=None))["detail"]
            with pytest.raises(ConfigurationError):
                await house.reloading.reload()
            assert house.routing.lines["*"].agents == ("support",)
            file.write_text(file.read_text().replace('agent = "nobody"', 'agent = "vip"'))
            async with client.post(url) as response:
                assert (await response.json())["changed"] == ["lines"]
            assert house.routing.lines["*"].agents == ("vip",)
            file.write_text(file.read_text().replace('agent = "vip"', 'agent = "support"'))
            changed = asyncio.Event()
            watching = house.reloading.reload

            async def reload() -> dict[str, Any]:
                found = await watching()
                changed.set()
                return found

            house.reloading.reload = reload  # type: ignore[method-assign]
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(5):
                await changed.wait()
            assert house.routing.lines["*"].agents == ("support",)
