"""The configured agents as objects that act."""

from __future__ import annotations

from bridge import settings as config
from bridge.agents.demo.server import DemoServer
from bridge.agents.kura.api import KuraAgent
from bridge.agents.xuna.api import XunaAgent
from bridge.call.ports import Agent
from bridge.call.record import CallRecord


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
