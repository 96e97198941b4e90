"""The configured agents as objects that act."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from bridge import settings as config
from bridge.agents.kura.api import KuraAgent
from bridge.agents.xuna.api import XunaAgent
from bridge.call.plan import AgentRules
from bridge.call.ports import Agent
from bridge.call.record import CallRecord

if TYPE_CHECKING:
    from bridge.agents.demo.server import DemoServer

LOOK_S: Final = 5.0  # between looks whether a former agent is still talked to


class Fleet:
    """``agents`` by name changes in place when the configuration is read again; what did not change stays the same object.

    ``talking``: the ids of all conversations that go on. An agent that was replaced is closed when those of then are over.
    """

    def __init__(
        self, settings: config.Settings, *, talking: Callable[[], set[str]], spawn: Callable[..., object]
    ) -> None:
        self.agents: dict[str, Agent] = {}
        self._settings = settings
        self._talking = talking
        self._spawn = spawn
        self._stack = contextlib.AsyncExitStack()
        self._demo: DemoServer | None = None

    async def open(self) -> None:
        """Before the first call."""
        (await self.prepare(self._settings))()

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes, made ready."""
        if self._demo is None and any(isinstance(each, config.DemoAgent) for each in settings.agents.values()):
            from bridge.agents.demo.server import DemoServer  # a server of its own, which few deployments have

            self._demo = await self._stack.enter_async_context(DemoServer(hears=True))
        made: dict[str, Agent] = {}
        for name, each in settings.agents.items():
            known = self.agents.get(name) if self._settings.agents.get(name) == each else None
            agent = known or make_agent(name, each, self._demo)
            if agent is not None:
                made[name] = agent

        def commit() -> None:
            former = [agent for name, agent in self.agents.items() if made.get(name) is not agent]
            self.agents.clear()
            self.agents.update(made)
            self._settings = settings
            if former:
                self._spawn(self._retire(former, self._talking()), name="former agents")

        return commit

    async def _retire(self, former: list[Agent], calls: set[str]) -> None:
        try:
            while calls & self._talking():  # noqa: ASYNC110 - it is nobody's duty to tell of the end of every kind of call
                await asyncio.sleep(LOOK_S)
        finally:
            for agent in former:
                await agent.close()

    async def close(self) -> None:
        """After the last call."""
        for agent in self.agents.values():
            await agent.close()
        await self._stack.aclose()


def rules_of(settings: config.Settings) -> Mapping[str, AgentRules]:
    """How each agent is talked to."""
    return {
        name: AgentRules(
            barge_in=each.barge_in,
            sensitivity=each.barge_in_sensitivity,
            guard_ms=each.barge_in_guard_ms,
            uplink_chunk_ms=each.uplink_chunk_ms,
            prewarm=each.prewarm,
            start_timeout_s=each.start_timeout_s,
        )
        for name, each in settings.agents.items()
    }


def make_agent(name: str, each: config.AgentSettings, demo: DemoServer | None = None) -> Agent | None:
    """The agent of one table ``[agents.NAME]``; None for the built-in one where its server (``demo``) does not run."""
    if isinstance(each, config.XunaAgent):
        return XunaAgent(
            name=name,
            agent_id=each.agent_id,
            api_key=each.api_key or "",
            base_url=each.base_url,
            authentication=each.authentication,
            dialect=each.dialect,
            prompt=each.prompt,
            first_message=each.first_message,
            language=each.language,
            voice_id=each.voice_id,
            dynamic_variables=each.dynamic_variables,
            websocket_hosts=each.websocket_hosts,
            allow_insecure=each.allow_insecure,
            timeout_s=each.start_timeout_s,
        )
    if isinstance(each, config.KuraAgent):
        return KuraAgent(
            name=name,
            assistant_id=each.assistant_id,
            api_key=each.api_key,
            base_url=each.base_url,
            language_code=each.language_code,
            metadata=each.metadata,
            websocket_hosts=each.websocket_hosts,
            allow_insecure=each.allow_insecure,
            timeout_s=each.start_timeout_s,
        )
    if demo is None:
        return None
    return XunaAgent(name=name, agent_id=demo.agent_id, api_key=demo.api_key, base_url=demo.base_url)


async def forget_conversation(settings: config.Settings, record: CallRecord) -> str:
    """Have the agent delete its own account of a call; what came of it, in words. Raises AgentFailure."""
    each = settings.agents.get(record.agent)
    if not isinstance(each, config.XunaAgent) or not record.agent_conversation_id:
        return "this agent keeps no conversation that can be deleted"
    agent = XunaAgent(name=record.agent, agent_id=each.agent_id, api_key=each.api_key or "", base_url=each.base_url)
    try:
        await agent.conversations.delete(record.agent_conversation_id)
    finally:
        await agent.close()
    return "the agent has deleted the conversation"
