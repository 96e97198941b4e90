"""Lines, and who gets through to them, put together from the configuration; read again while calls go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge import settings as config
from bridge.assembly.business import retire
from bridge.call.plan import Line
from bridge.call.routing import CallerRules, LineRules, OpeningRules
from bridge.runtime.switchboard import Limits
from bridge.tools.sending import Destination
from bridge.web.routing import Lookup, Router, Way


class Routing:
    """``lines`` and ``transfers`` are read by others and change in place when the configuration is read again."""

    def __init__(self, settings: config.Settings, spawn: Callable[..., object]) -> None:
        self.lines: dict[str, Line] = {}
        self.transfers: dict[str, config.Transfer] = {}
        self._spawn = spawn
        self._ids: dict[str, str] = {}
        self._ways: dict[str, Way] = {}
        self._lookups: list[Destination] = []
        self._take(settings)
        self.router = Router(
            self._ways,
            agents=self._ids,
            closed=settings.prompts.closed,
        )

    def _take(self, settings: config.Settings) -> None:
        lines = {each.number: _line(each) for each in settings.lines}
        ways = {each.number: self._way(each) for each in settings.lines}
        for table, new in ((self.lines, lines), (self._ways, ways)):
            table.clear()
            table.update(new)  # type: ignore[arg-type]
        self._ids.clear()
        self._ids.update({name: _provider_id(agent) for name, agent in settings.agents.items()})
        self.transfers.clear()
        self.transfers.update(settings.transfers)

    def _way(self, line: config.Line) -> Way:
        lookup = None
        if line.lookup is not None:
            destination = Destination(
                line.lookup.url, secrets=(), headers=line.lookup.headers, allow_private=line.lookup.allow_private
            )
            self._lookups.append(destination)
            lookup = Lookup(destination, line.lookup.timeout_s, refuse=line.lookup.on_failure == "refuse")
        overflow = None if line.overflow is None else (line.overflow.say, line.overflow.dial)
        return Way(LineRules(_callers(line.callers), _hours(line.hours)), lookup, overflow)

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready."""

        def commit() -> None:
            former, self._lookups = self._lookups, []
            self._take(settings)
            self._spawn(retire(former), name="former look-ups")

        return commit

    async def close(self) -> None:
        """Close the connections."""
        for destination in self._lookups:
            await destination.close()


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


def limits_of(settings: config.Settings) -> Limits:
    """What an instance takes on."""
    return Limits(
        max_calls=settings.max_calls,
        max_calls_per_caller=settings.limits.calls_per_caller or settings.max_calls,
        max_calls_per_caller_hour=settings.limits.calls_per_caller_per_hour,
        agent_minutes_per_day=settings.limits.agent_minutes_per_day,
        loop_lag_s=settings.limits.loop_lag_ms / 1000 or 3600.0,
        prewarmed=settings.limits.prewarmed,
    )
