"""Pages about the house: agents, lines and instances with their health, and how the last days went."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.call.plan import Line
from bridge.call.ports import Agent
from bridge.errors import AgentFailure
from bridge.runtime.switchboard import Switchboard
from bridge.store.instances import Instances
from bridge.web.access import Visitor
from bridge.web.dashboard.calls import kept
from bridge.web.dashboard.guard import Guard
from bridge.web.dashboard.overview import Overview, percentile
from bridge.web.dashboard.records import Records
from bridge.web.problems import problem

MAX_RECORDS: Final = 5000  # of one overview
FRESH_S: Final = 15.0  # a sum that was made is shown so long to everybody who asks
CHECK_S: Final = 10.0
SPANS: Final = {"day": 24, "week": 168}  # hours


@dataclass(frozen=True, slots=True)
class HealthParts:
    """What the pages are made from."""

    guard: Guard
    records: Records
    agents: Mapping[str, Agent]
    providers: Mapping[str, str]  # by agent, as the configuration has them
    lines: Mapping[str, Line]
    switchboard: Switchboard
    instances: Instances
    room: Callable[[str], int | None]  # requests that an agent's account has left, None where it has no limit


class HealthPages:
    """The routes."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts
        self._sums: dict[int, tuple[float, Overview]] = {}  # by hours: when it was made
        self._summing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """All of them."""
        wants = self._parts.guard.wants
        return [
            Route("/agents", wants("viewer")(kept(self._agents))),
            Route("/agents/{name}/check", wants("operator", page=False)(self._check), methods=["POST"]),
            Route("/overview", wants("viewer")(kept(self._overview))),
            Route("/overview.json", wants("viewer", page=False)(kept(self._charts))),
        ]

    async def _agents(self, request: Request, visitor: Visitor) -> Response:
        parts = self._parts
        recent = await self._sum(24)
        live = await parts.records.in_progress()
        by_agent = Counter(record.agent for record in live)
        by_line = Counter(record.line if record.line in parts.lines else "*" for record in live)
        agents = [
            {
                "name": name,
                "provider": parts.providers[name],
                "live": by_agent[name],
                "calls": recent.agents.get(name, Counter())["calls"],
                "failed": recent.agents.get(name, Counter())["failed"],
                "room": parts.room(name),
            }
            for name in parts.agents
        ]
        return parts.guard.page(
            request,
            "agents.html",
            visitor,
            agents=agents,
            lines=[{"line": line, "live": by_line[number]} for number, line in parts.lines.items()],
            instances=await parts.instances.all(),
            board=parts.switchboard,
        )

    async def _check(self, request: Request, visitor: Visitor) -> Response:
        agent = self._parts.agents.get(str(request.path_params["name"]))
        if agent is None:
            return problem(404, "There is no such agent.")
        try:
            async with asyncio.timeout(CHECK_S):
                return JSONResponse({"well": True, "found": await agent.check()})
        except AgentFailure as failure:
            return JSONResponse({"well": False, "found": f"{failure} {failure.hint}".strip()})
        except TimeoutError:
            return JSONResponse({"well": False, "found": f"It did not answer within {CHECK_S:.0f} s."})

    async def _overview(self, request: Request, visitor: Visitor) -> Response:
        span = _span(request)
        overview = await self._sum(SPANS[span])
        spread = {
            name: {share: percentile(values, share) for share in (0.5, 0.95, 0.99)}
            for name, values in (
                ("Greeted after", overview.answer_ms),
                ("Answered after", overview.response_ms),
                ("Silent after an interruption", overview.interruption_ms),
            )
        }
        return self._parts.guard.page(
            request, "overview.html", visitor, span=span, spans=list(SPANS), overview=overview, spread=spread
        )

    async def _charts(self, request: Request, visitor: Visitor) -> Response:
        return JSONResponse((await self._sum(SPANS[_span(request)])).charts())

    async def _sum(self, hours: int) -> Overview:
        async with self._summing:
            at, known = self._sums.get(hours, (0.0, None))
            clock = asyncio.get_running_loop().time()
            if known is not None and clock - at < FRESH_S:
                return known
            now = datetime.now(UTC)
            since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
            overview = Overview(since, hours - 1)
            wanted: dict[str, Any] = {"since": since}
            async for record in self._parts.records.all(wanted, limit=MAX_RECORDS):
                overview.add(record)
            overview.partial = overview.calls >= MAX_RECORDS
            self._sums[hours] = clock, overview
            return overview


def _span(request: Request) -> str:
    asked = request.query_params.get("span", "day")
    return asked if asked in SPANS else "day"
