"""Configured agents become objects that act."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge import settings as config
from bridge.agents.kura.api import KuraAgent
from bridge.agents.xuna.api import XunaAgent
from bridge.assembly.agents import Fleet, forget_conversation, make_agent
from bridge.call.ports import Secret
from bridge.call.record import CallRecord, Direction
from bridge.settings import Settings


@pytest.mark.parametrize(
    ("each", "kind"),
    [
        (config.XunaAgent(agent_id="agent_1", api_key=Secret("xi-key-of-a-test")), XunaAgent),
        (
            config.KuraAgent(assistant_id=1, api_key=(Secret("kura_live_of_a_test"),), base_url="http://127.0.0.1:9"),
            KuraAgent,
        ),
    ],
)
async def test_each_provider_has_its_own_kind(each: config.AgentSettings, kind: type[Any]) -> None:
    """By the table's provider, under the table's name."""
    agent = make_agent("support", each)
    assert isinstance(agent, kind)
    assert agent.name == "support"
    await agent.close()


def test_the_built_in_agent_needs_its_server() -> None:
    """Without one there is nobody to speak to."""
    assert make_agent("demo", config.DemoAgent()) is None


async def test_an_agent_that_keeps_no_conversations_is_not_asked_to_forget() -> None:
    """What cannot be deleted is said, not tried."""
    record = CallRecord("call_1", Direction.INBOUND, "+15550123456", "+15550100", "*", "demo", datetime.now(UTC))
    settings = Settings(agents={"demo": config.DemoAgent()})
    assert "no conversation" in await forget_conversation(settings, record)


def fleet_settings(**keys: str) -> Settings:
    """XUNA agents by name, with these keys."""
    return Settings(
        agents={name: config.XunaAgent(agent_id="agent_1", api_key=Secret(key)) for name, key in keys.items()}
    )


async def test_an_agent_that_was_replaced_is_closed_when_its_calls_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not change stays the same object; a new one is there at once; nobody's connection is cut."""
    monkeypatch.setattr("bridge.assembly.agents.LOOK_S", 0.001)
    talking = {"call_1"}
    begun: list[Any] = []
    fleet = Fleet(
        fleet_settings(support="key-one", sales="key-two", gone="key-three"),
        talking=lambda: set(talking),
        spawn=lambda work, name: begun.append(asyncio.create_task(work)),
    )
    await fleet.open()
    support, sales, gone = (fleet.agents[name] for name in ("support", "sales", "gone"))
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)

    monkeypatch.setattr(sales, "close", lambda: close("sales"))
    monkeypatch.setattr(gone, "close", lambda: close("gone"))
    commit = await fleet.prepare(fleet_settings(support="key-one", sales="key-four"))
    assert fleet.agents["gone"] is gone
    commit()
    assert list(fleet.agents) == ["support", "sales"]
    assert fleet.agents["support"] is support
    assert fleet.agents["sales"] is not sales
    await asyncio.sleep(0.01)
    assert closed == []
    talking.clear()
    await asyncio.gather(*begun)
    assert sorted(closed) == ["gone", "sales"]
    await fleet.close()
