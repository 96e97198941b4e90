"""Before a call is answered: the line's rules, then a look-up of the caller within its time budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from bridge.call.plan import Line
from bridge.call.record import CallRecord, Direction
from bridge.call.routing import Admitted, Decision, LineRules, TurnedAway, decide, looked_up
from bridge.errors import Reason
from bridge.tools.sending import DeliveryFailure, Destination

CLOSED: Final = "We are closed at the moment. Please call again during our opening hours. Goodbye."
NOT_TAKEN: Final = "We cannot take your call. Goodbye."

log = structlog.get_logger("bridge.routing")


@dataclass(frozen=True, slots=True)
class Lookup:
    """Who is calling? ``refuse``: without an answer the call is not taken."""

    destination: Destination
    timeout_s: float
    refuse: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How calls to one line are routed."""

    rules: LineRules = field(default_factory=LineRules)
    lookup: Lookup | None = None
    overflow: tuple[str, str | None] | None = None  # words and number when the bridge is full or draining


class Router:
    """``ways`` by line, as in the configuration; ``ids``: what each agent is called by its own provider."""

    def __init__(
        self,
        ways: Mapping[str, Way],
        *,
        agents: Mapping[str, str],
        closed: str = CLOSED,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ways = ways
        self._agents = agents
        self._closed = closed
        self._clock = clock

    async def route(self, record: CallRecord, line: Line, *, attestation: str) -> Decision:
        """What becomes of a call that comes in. Never raises."""
        way = self._ways.get(line.number)
        if way is None or record.direction is not Direction.INBOUND:
            return Admitted()
        decision = decide(
            way.rules, caller=record.from_number, attestation=attestation, now=self._clock(), closed=self._closed
        )
        if isinstance(decision, TurnedAway) or way.lookup is None:
            return decision
        return await self._look_up(way.lookup, record, decision, line)

    async def _look_up(self, lookup: Lookup, record: CallRecord, admitted: Admitted, line: Line) -> Decision:
        agent = admitted.agent or line.agents[0]
        question = {
            "caller_id": record.from_number,
            "agent_id": self._agents.get(agent, agent),
            "called_number": record.to_number,
            "call_sid": record.carrier_call_id or "",
        }
        try:
            async with asyncio.timeout(lookup.timeout_s):
                body = await lookup.destination.post(
                    msgspec.json.encode(question), message_id=record.call_id, timeout_s=lookup.timeout_s
                )
            found = looked_up(msgspec.json.decode(body), agents=frozenset(self._agents), refused=NOT_TAKEN)
        except (DeliveryFailure, TimeoutError, ValueError, RecursionError) as error:
            why = error.kind if isinstance(error, DeliveryFailure) else type(error).__name__
            log.warning("lookup_failed", call_id=record.call_id, why=why)
            return TurnedAway(Reason.CALLER_BLOCKED, say=NOT_TAKEN) if lookup.refuse else admitted
        return replace(found, agent=found.agent or admitted.agent) if isinstance(found, Admitted) else found

    def crowded(self, line: Line) -> Line:
        """The line as it is while the bridge is full or draining."""
        way = self._ways.get(line.number)
        if way is None or way.overflow is None:
            return line
        say, dial = way.overflow
        return replace(line, fallback_say=say, fallback_dial=dial)
