"""Lines, and who gets through to them, put together from the configuration; read again while calls go on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from starlette.responses import Response

from bridge import settings as config
from bridge.assembly.operations import Operations
from bridge.call.plan import Line
from bridge.call.routing import CallerRules, LineRules, OpeningRules
from bridge.errors import ConfigurationError
from bridge.tools.sending import Destination
from bridge.web.api.endpoint import Asked, Endpoint, Refused, answer
from bridge.web.routing import Lookup, Router, Way

LIVE: Final = frozenset({"lines", "transfers", "warnings"})  # what a new configuration changes at once

log = structlog.get_logger("bridge.settings")

Load = Callable[[], config.Settings]


class Routing:
    """``lines`` and ``transfers`` are read by others and change in place when the configuration is read again."""

    def __init__(self, settings: config.Settings) -> None:
        self.lines: dict[str, Line] = {}
        self.transfers: dict[str, config.Transfer] = {}
        self.load: Load | None = None  # reads the configuration again; None: there is none to read
        self._settings = settings
        self._ways: dict[str, Way] = {}
        self._lookups: list[Destination] = []
        self._turn = asyncio.Lock()
        self._take(settings)
        self.router = Router(
            self._ways,
            agents={name: _provider_id(agent) for name, agent in settings.agents.items()},
            closed=settings.prompts.closed,
        )

    def _take(self, settings: config.Settings) -> None:
        lines = {each.number: _line(each) for each in settings.lines}
        ways = {each.number: self._way(each) for each in settings.lines}
        for table, new in ((self.lines, lines), (self._ways, ways)):
            table.clear()
            table.update(new)  # type: ignore[arg-type]
        self.transfers.clear()
        self.transfers.update(settings.transfers)

    def _way(self, line: config.Line) -> Way:
        lookup = None
        if line.lookup is not None:
            destination = Destination(
                line.lookup.url, secret=None, headers=line.lookup.headers, allow_private=line.lookup.allow_private
            )
            self._lookups.append(destination)
            lookup = Lookup(destination, line.lookup.timeout_s, refuse=line.lookup.on_failure == "refuse")
        overflow = None if line.overflow is None else (line.overflow.say, line.overflow.dial)
        return Way(LineRules(_callers(line.callers), _hours(line.hours)), lookup, overflow)

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again: ``{"changed", "restart_needed"}``. Raises ConfigurationError, and keeps the old one."""
        async with self._turn:
            if self.load is None:
                return {"changed": [], "restart_needed": []}
            try:
                new = await asyncio.to_thread(self.load)
                missing = sorted(_named(new) - set(self._settings.agents))
            except ConfigurationError as error:
                log.warning("configuration_kept", mistakes=[str(mistake) for mistake in error.mistakes])
                raise
            old = self._settings
            differ = {each.name for each in fields(new) if getattr(new, each.name) != getattr(old, each.name)}
            changed = sorted(differ & (LIVE - {"warnings"}))
            if missing:
                # A line of an agent that is not there yet cannot be answered: then everything waits for the restart.
                changed = []
            former, self._lookups = self._lookups, []
            if changed:
                self._take(new)
                for destination in former:
                    await destination.close()
            else:
                self._lookups = former
            restart = sorted(differ - LIVE) + (sorted(differ & LIVE - {"warnings"}) if missing else [])
            if not restart:
                self._settings = new
            log.info("configuration_read", changed=changed, restart_needed=restart)
            return {"changed": changed, "restart_needed": restart}

    def join(self, operations: Operations, spawn: Callable[..., object]) -> None:
        """SIGHUP and ``POST /api/v1/reload`` read the configuration again."""

        async def asked(request: Asked) -> Response:
            try:
                return answer(200, await self.reload())
            except ConfigurationError as error:
                words = "; ".join(map(str, error.mistakes))[:4000]
                raise Refused(422, words, "The configuration in force is kept.") from None

        operations.api.add(Endpoint("POST", "/reload", asked, role="operator"))
        with contextlib.suppress(NotImplementedError, RuntimeError):  # no such signals here, or not the main thread
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: spawn(self._reload_quietly(), name="reload"))

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigurationError):  # said in the log
            await self.reload()

    async def close(self) -> None:
        """Close the connections."""
        for destination in self._lookups:
            await destination.close()


def _named(settings: config.Settings) -> set[str]:
    found = set()
    for line in settings.lines:
        found |= {line.agent, *line.backup_agents}
        if line.hours is not None and line.hours.agent:
            found.add(line.hours.agent)
    return found


def _line(line: config.Line) -> Line:
    return Line(
        number=line.number,
        agents=(line.agent, *line.backup_agents),
        fallback_say=line.fallback.say,
        fallback_dial=line.fallback.dial,
        max_duration_s=line.max_duration_s,
        variables=line.variables,
    )


def _callers(callers: config.Callers) -> CallerRules:
    return CallerRules(
        allow=callers.allow,
        block=callers.block,
        withheld=callers.withheld == "take",
        attestation="" if callers.attestation == "any" else callers.attestation,
        say=callers.say,
    )


def _hours(hours: config.Hours | None) -> OpeningRules | None:
    if hours is None:
        return None
    zone = ZoneInfo(hours.zone)

    def is_open(now: datetime) -> bool:
        return hours.is_open(now.astimezone(zone))

    return OpeningRules(is_open, agent=hours.agent, say=hours.say, dial=hours.dial)


def _provider_id(agent: config.AgentSettings) -> str:
    if isinstance(agent, config.XunaAgent):
        return agent.agent_id
    return str(agent.assistant_id) if isinstance(agent, config.KuraAgent) else "demo"
