"""Events out and what is fetched after a call, put together from the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge import settings as config
from bridge.agents.xuna.api import XunaAgent
from bridge.call.ports import Agent
from bridge.store.announced import Announced
from bridge.store.calls import Calls
from bridge.store.campaigns import Campaign
from bridge.store.database import Database
from bridge.store.outbox import Outbox
from bridge.store.transaction import Transaction
from bridge.tools import events
from bridge.tools.courier import Channel
from bridge.tools.sending import Destination


class Telling:
    """Who is told what. ``agents`` may be filled later, before the first call ends."""

    def __init__(
        self,
        settings: config.Settings,
        *,
        database: Database,
        outbox: Outbox,
        calls: Calls,
        agents: Mapping[str, Agent],
    ) -> None:
        self._outbox = outbox
        self._calls = calls
        self._agents = agents
        self._endpoints = endpoints_of(settings)
        self.announcer = events.Announcer(outbox, Announced(database), self._endpoints, analysed=analysed_of(settings))
        if not self.announcer.idle:
            calls.announce = self.announcer.announce

    def prepare(self, settings: config.Settings) -> Callable[[], list[Destination]]:
        """What changes when the configuration is read again, made ready; what is called gives the former destinations."""
        endpoints, analysed = endpoints_of(settings), analysed_of(settings)

        def commit() -> list[Destination]:
            former, self._endpoints = self._endpoints, endpoints
            self.announcer.use(endpoints, analysed)
            self._calls.announce = None if self.announcer.idle else self.announcer.announce
            return [endpoint.destination for endpoint in former]

        return commit

    def channels(self) -> dict[str, Channel]:
        """How all of it is delivered."""
        found = {endpoint.channel: events.telling(endpoint, self._calls.get) for endpoint in self._endpoints}
        found[events.ANALYSIS] = events.analysing(
            self._fetch, get=self._calls.get, change=self._calls.change, outbox=self._outbox
        )
        return found

    async def campaign_finished(self, connection: Transaction, campaign: Campaign) -> None:
        """Put it into the outbox, within the transaction that ends the campaign."""
        data = {"campaign_id": campaign.campaign_id, "name": campaign.name, "state": "finished"}
        await self.announcer.tell(
            "campaign.finished", data, lane=campaign.campaign_id, identity="1", connection=connection
        )

    async def _fetch(self, name: str, conversation_id: str) -> dict[str, Any] | None:
        agent = self._agents.get(name)
        if not isinstance(agent, XunaAgent):
            return {}
        return events.analysis(await agent.conversations.get(conversation_id))

    async def close(self) -> None:
        """Close the connections."""
        for endpoint in self._endpoints:
            await endpoint.destination.close()


def endpoints_of(settings: config.Settings) -> list[events.Endpoint]:
    """Who is told."""
    return [
        events.Endpoint(
            name,
            Destination(endpoint.url, secrets=endpoint.secret, allow_private=endpoint.allow_private),
            types=frozenset(endpoint.types),
            timeout_s=endpoint.timeout_s,
            give_up_s=endpoint.retry_hours * 3600,
        )
        for name, endpoint in settings.events.items()
    ]


def analysed_of(settings: config.Settings) -> frozenset[str]:
    """The agents that keep an account of their conversations which we may read."""
    return frozenset(
        name
        for name, agent in settings.agents.items()
        if isinstance(agent, config.XunaAgent) and agent.api_key is not None
    )
