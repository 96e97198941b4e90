"""The dashboard and the softphone of a house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from starlette.routing import BaseRoute

from bridge import settings as config
from bridge.agents.kura.api import KuraAgent
from bridge.assembly.operations import Operations, keys_of
from bridge.assembly.recordings import RecordingWing
from bridge.call.ports import Agent
from bridge.call.record import CallRecord
from bridge.carriers.softphone.stream import SoftphoneStream
from bridge.errors import StoreUnavailable
from bridge.runtime.chores import Chore
from bridge.store.calls import Calls
from bridge.web.dashboard.calls import CallPages, CallParts
from bridge.web.dashboard.campaigns import CampaignPages, progress
from bridge.web.dashboard.doorway import Doorway
from bridge.web.dashboard.guard import Guard
from bridge.web.dashboard.health import HealthPages, HealthParts
from bridge.web.dashboard.live import LiveBus
from bridge.web.dashboard.records import Records
from bridge.web.dashboard.sessions import LOOPBACK, Sessions
from bridge.web.desk import Desk
from bridge.web.softphone import SOFTPHONE_MEDIA, Exchange, Softphone

LOGOUTS_S: Final = 2.0  # a session that was ended elsewhere is over here

log = structlog.get_logger("bridge.dashboard")


def is_demo(settings: config.Settings, *, flag: bool = False) -> bool:
    """Nothing here is worth a login: this machine's own address, and no agent but the demo's (or so we are told)."""
    host = urlsplit(settings.public_url or "").hostname
    return host in LOOPBACK and (flag or all(isinstance(agent, config.DemoAgent) for agent in settings.agents.values()))


class DashboardWing:
    """``routes`` and ``doors`` for the front door, ``run`` as a task, ``saved`` for every record that changes."""

    def __init__(
        self,
        settings: config.Settings,
        desk: Desk,
        calls: Calls,
        agents: Mapping[str, Agent],
        operations: Operations,
        recordings: RecordingWing,
        *,
        demo: bool = False,
    ) -> None:
        access = operations.access
        board = desk.switchboard
        self.live = LiveBus(
            desk.instance,
            lambda: [session.record for session in board.sessions],
            levels=lambda: ((session.record, session.levels) for session in board.sessions),
            progress=lambda known: progress(operations.campaigns, known=known),
        )
        self.sessions = Sessions(
            keys_of(settings),
            access.proxies,
            public_url=settings.public_url or "",
            life_s=settings.api.session_hours * 3600,
            open_here=is_demo(settings, flag=demo),
        )
        access.recognised_by.append(self.sessions.recognise)
        operations.chores.add(Chore("logouts", LOGOUTS_S, self.exchange_logouts))
        self.softphone = Softphone(
            Exchange(
                instance=desk.instance,
                lines=desk.lines,
                agents=lambda: list(agents),
                switchboard=desk.switchboard,
                factory=desk.factory,
                recognise=self.sessions.recognise,
                open_stream=SoftphoneStream,
                attach=recordings.attach,
            )
        )
        self._providers = {name: each.provider for name, each in settings.agents.items()}
        self._desk = desk
        self._calls = calls
        self._agents = agents
        assert recordings.api is not None, "recordings join the operations first"
        self._recordings = recordings.api
        self._operations = operations
        self._guard = Guard(access, self.sessions)

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""

        def commit() -> None:
            self.sessions.use(keys_of(settings))
            self._providers.clear()
            self._providers.update({name: each.provider for name, each in settings.agents.items()})

        return commit

    def saved(self, record: CallRecord) -> None:
        """A record has changed."""
        self.live.marked(record)

    async def run(self) -> None:
        """Live updates, until cancelled."""
        await self.live.run(self._calls)

    async def exchange_logouts(self) -> None:
        """Who was logged out on any instance is so on this one. Raises StoreUnavailable."""
        await self.sessions.tell(self._operations.logouts.exchange)

    async def _tell_logouts(self) -> None:
        try:
            await self.exchange_logouts()
        except StoreUnavailable:
            log.warning("logout_not_told")  # here it holds, and the others are told when the store is back

    def doors(self) -> dict[str, Any]:
        """Paths whose upgrades are judged here."""
        return {SOFTPHONE_MEDIA: self.softphone.admit}

    def routes(self) -> list[BaseRoute]:
        """Every page."""
        doorway = Doorway(
            self._guard,
            self.live,
            lines=self._desk.lines,
            agents=lambda: list(self._agents),
            tell_logouts=self._tell_logouts,
        )
        board = self._desk.switchboard
        records = Records(
            self._calls, lambda: [session.record for session in board.sessions], instance=self._desk.instance
        )
        calls = CallPages(
            CallParts(
                guard=self._guard,
                records=records,
                control=self._operations.control,
                transfers=self._desk.transfers,
                agents=lambda: list(self._agents),
                recordings=self._recordings,
            )
        )
        health = HealthPages(
            HealthParts(
                guard=self._guard,
                records=records,
                agents=self._agents,
                providers=self._providers,
                lines=self._desk.lines,
                switchboard=self._desk.switchboard,
                instances=self._operations.instances,
                room=lambda name: requests_left(self._agents[name]),
            )
        )
        campaigns = CampaignPages(self._guard, self._operations.campaigns)
        return [*doorway.routes(), *calls.routes(), *campaigns.routes(), *health.routes()]


def requests_left(agent: Agent) -> int | None:
    """What the agent's account may still be asked in this minute; None where it knows no limit."""
    return agent.requests_left if isinstance(agent, KuraAgent) else None
