"""The dashboard and the softphone of a house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from bridge import settings as config
from bridge.call.plan import Line
from bridge.carriers.softphone.stream import SoftphoneStream
from bridge.runtime.factory import SessionFactory
from bridge.runtime.switchboard import Switchboard
from bridge.store.calls import Calls
from bridge.web.access import Access, Key
from bridge.web.dashboard.doorway import Doorway
from bridge.web.dashboard.guard import Guard
from bridge.web.dashboard.live import LiveBus
from bridge.web.dashboard.sessions import LOOPBACK, Sessions
from bridge.web.softphone import Exchange, Softphone


@dataclass(frozen=True, slots=True)
class Parts:
    """What the dashboard looks at."""

    settings: config.Settings
    access: Access
    instance: str
    lines: Mapping[str, Line]
    switchboard: Switchboard
    factory: SessionFactory
    calls: Calls
    live: LiveBus


def is_demo(settings: config.Settings) -> bool:
    """Nothing here is worth a login: this machine's own address, and no agent but the demo's."""
    host = urlsplit(settings.public_url or "").hostname
    return host in LOOPBACK and all(isinstance(agent, config.DemoAgent) for agent in settings.agents.values())


class DashboardWing:
    """Routes and the softphone's door."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        keys = access_keys(settings)
        self.sessions = Sessions(
            keys,
            parts.access.proxies,
            public_url=settings.public_url or "",
            life_s=settings.api.session_hours * 3600,
            open_here=is_demo(settings),
        )
        parts.access.recognised_by.append(self.sessions.recognise)
        self._guard = Guard(parts.access, self.sessions)
        self._parts = parts
        self.softphone = Softphone(
            Exchange(
                instance=parts.instance,
                lines=parts.lines,
                agents=lambda: list(settings.agents),
                switchboard=parts.switchboard,
                factory=parts.factory,
                recognise=self.sessions.recognise,
                open_stream=SoftphoneStream,
            )
        )

    def routes(self) -> list[BaseRoute]:
        """Every page."""
        parts = self._parts
        agents: Callable[[], list[str]] = lambda: list(parts.settings.agents)  # noqa: E731 - typed
        routes: list[BaseRoute] = []
        routes += Doorway(self._guard, parts.live, lines=parts.lines, agents=agents).routes()
        return routes


def access_keys(settings: config.Settings) -> list[Key]:
    """The keys of the configuration."""
    return [Key(each.key, each.role, each.name or "") for each in settings.api.keys]
