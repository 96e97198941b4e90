"""Events out: what business systems are told of calls, at least once and in order per call.

An event is put into the outbox in the transaction that writes the record it tells of, so that neither is there without
the other, whatever happens to the process. Nothing here is waited for by a call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from bridge.call.record import CallRecord, Status, iso
from bridge.errors import AgentFailure, Reason
from bridge.store.announced import Announced, Progress
from bridge.store.outbox import Leased, Letter, Outbox
from bridge.store.transaction import Transaction
from bridge.tools.courier import Channel, Later
from bridge.tools.sending import DeliveryFailure, Destination

STARTED: Final = "call.started"
ANSWERED: Final = "call.answered"
TURN: Final = "turn"
ENDED: Final = "call.ended"
ANALYSIS: Final = "analysis"  # the channel of what is fetched after a call
ANALYSIS_WAIT_S: Final = 60.0  # call.ended is told without it then
ANALYSIS_FIRST_S: Final = 1.0  # after the end
ANALYSIS_AGAIN_S: Final = 5.0
ANALYSIS_GIVE_UP_S: Final = 600.0  # for the record, when the event has gone already
ANALYSIS_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is told. ``types`` empty: everything."""

    name: str
    destination: Destination
    types: frozenset[str]
    timeout_s: float
    give_up_s: float

    @property
    def channel(self) -> str:
        """Under which its messages are kept."""
        return f"event:{self.name}"

    def wants(self, kind: str) -> bool:
        """Whether it is told of this."""
        return not self.types or kind in self.types


Fetch = Callable[[str, str], Awaitable[dict[str, Any] | None]]  # (agent, conversation id) -> analysis; None: not yet


class Announcer:
    """One for each process. ``analysed``: the agents whose conversations are looked at after the call."""

    def __init__(
        self, outbox: Outbox, announced: Announced, endpoints: Sequence[Endpoint], *, analysed: frozenset[str]
    ) -> None:
        self._outbox = outbox
        self._announced = announced
        self.use(endpoints, analysed)

    def use(self, endpoints: Sequence[Endpoint], analysed: frozenset[str]) -> None:
        """Tell these from now on."""
        self._endpoints = tuple(endpoints)
        self._analysed = analysed

    @property
    def idle(self) -> bool:
        """There is nobody to tell and nothing to fetch."""
        return not self._endpoints and not self._analysed

    async def announce(self, connection: Transaction, records: Sequence[CallRecord]) -> None:
        """Put what is new about these calls into the outbox, within the transaction that writes them."""
        if (
            not self._endpoints
        ):  # nothing is told before the end, and a caller waits for the transaction that takes the call
            records = [record for record in records if record.status.terminal]
        if not records:
            return
        known = await self._announced.of(connection, [record.call_id for record in records])
        for record in records:
            before = known.get(record.call_id, Progress())
            after = progress(record)
            if (after.stage, after.turns) == (before.stage, before.turns) or before.stage == 3:
                continue
            letters = self._letters(record, before, after)
            await self._outbox.put(letters, connection=connection)
            await self._announced.note(connection, record.call_id, after)

    def _letters(self, record: CallRecord, before: Progress, after: Progress) -> list[Letter]:
        told: list[tuple[str, int, dict[str, Any] | None, datetime]] = []
        if before.stage < 1 <= after.stage:
            told.append((STARTED, 0, _head(record), record.created_at))
        if before.stage < 2 <= after.stage and record.started_at is not None:
            told.append((ANSWERED, 0, _head(record), record.started_at))
        for index in range(before.turns, after.turns):
            turn = record.turns[index]
            at = record.created_at + timedelta(milliseconds=turn.at_ms)
            told.append((TURN, index, {"call_id": record.call_id, "index": index, **turn.public()}, at))
        letters = []
        waits = False
        if after.stage == 3:
            told.append((ENDED, 0, None, record.ended_at or datetime.now(UTC)))
            waits = record.agent in self._analysed and bool(record.agent_conversation_id)
        if waits:
            job = msgspec.json.encode({"call_id": record.call_id}).decode()
            identity = f"{ANALYSIS}_{record.call_id}"
            letters.append(
                Letter(ANALYSIS, identity, job, lane=record.call_id, kind=ANALYSIS, delay_s=ANALYSIS_FIRST_S)
            )
        for kind, number, data, at in told:
            # The end is told with what the record holds when it goes out: only its id is kept.
            body = envelope(kind, at, {"call_id": record.call_id} if data is None else data)
            delay = ANALYSIS_WAIT_S if kind == ENDED and waits else 0.0
            letters += self._addressed(kind, body, lane=record.call_id, identity=f"{kind}:{number}", delay_s=delay)
        return letters

    def _addressed(self, kind: str, body: str, *, lane: str, identity: str, delay_s: float = 0.0) -> list[Letter]:
        return [
            Letter(
                endpoint.channel,
                f"evt_{_short(endpoint.name, lane, identity)}",
                body,
                lane=lane,
                kind=kind,
                delay_s=delay_s,
            )
            for endpoint in self._endpoints
            if endpoint.wants(kind)
        ]

    async def tell(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        lane: str,
        identity: str,
        connection: Transaction | None = None,
    ) -> None:
        """Something else that happened; the same ``identity`` again in its lane is the same event. ``connection``: a
        transaction that writes what is told of. Raises StoreUnavailable.
        """
        body = envelope(kind, datetime.now(UTC), dict(data))
        letters = self._addressed(kind, body, lane=lane, identity=f"{kind}:{identity}")
        await self._outbox.put(letters, connection=connection)


def progress(record: CallRecord) -> Progress:
    """What there is to tell of a call. Its last turn may still grow, and is told when another has begun or the call is over."""
    over = record.status.terminal
    turns = len(record.turns) if over else max(len(record.turns) - 1, 0)
    if over:
        return Progress(3, turns)
    if record.started_at is not None:
        return Progress(2, turns)
    return Progress(1 if record.status.rank >= Status.RINGING.rank else 0, turns)


def envelope(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """As Standard Webhooks recommends: type, timestamp, data."""
    return msgspec.json.encode({"type": kind, "timestamp": iso(at), "data": data}).decode()


def _head(record: CallRecord) -> dict[str, Any]:
    return {name: value for name, value in record.public().items() if name not in ("turns", "events", "latency")}


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def telling(endpoint: Endpoint, get: Callable[[str], Awaitable[CallRecord | None]]) -> Channel:
    """How an endpoint is told."""

    async def deliver(letter: Leased) -> None:
        body = letter.body
        if letter.kind == ENDED:
            record = await get(letter.lane)
            if record is None:
                return  # deleted since: nothing of it may be told any more
            at = record.ended_at or letter.created_at
            body = envelope(ENDED, at, record.public())
        await endpoint.destination.post(
            body.encode(), message_id=letter.message_id, timeout_s=endpoint.timeout_s, heeded=False
        )

    return Channel(deliver, timeout_s=endpoint.timeout_s, give_up_s=endpoint.give_up_s)


def analysing(
    fetch: Fetch,
    *,
    get: Callable[[str], Awaitable[CallRecord | None]],
    change: Callable[[str, Callable[[CallRecord], object]], Awaitable[CallRecord | None]],
    outbox: Outbox,
) -> Channel:
    """How evaluation results and collected data come into the record after the call."""

    async def deliver(letter: Leased) -> None:
        record = await get(letter.lane)
        if record is None or not record.agent_conversation_id:
            return
        try:
            found = await fetch(record.agent, record.agent_conversation_id)
        except AgentFailure as failure:
            if failure.reason is not Reason.AGENT_NOT_FOUND:
                raise DeliveryFailure(str(failure.reason), passing=failure.retry) from None
            found = None  # not there yet, or never: only time tells
        if found is None:
            if letter.age_s > ANALYSIS_GIVE_UP_S:
                raise DeliveryFailure("no_analysis")
            raise Later(ANALYSIS_AGAIN_S)

        def keep(stored: CallRecord) -> None:
            stored.analysis = found

        await change(record.call_id, keep)
        await outbox.hasten(record.call_id, ENDED)

    return Channel(deliver, timeout_s=ANALYSIS_TIMEOUT_S, give_up_s=ANALYSIS_GIVE_UP_S, stubborn=False)


def analysis(conversation: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a conversation (document 002) belongs into the record; None while it is still being worked on."""
    if conversation.get("status") in ("initiated", "in-progress", "processing"):
        return None
    inner = conversation.get("analysis")
    told: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    found = {
        "evaluation_results": conversation.get("evaluation_results", told.get("evaluation_criteria_results")),
        "collected_data": conversation.get("collected_data", told.get("data_collection_results")),
        "summary": told.get("transcript_summary"),
        "successful": told.get("call_successful"),
    }
    return {name: value for name, value in found.items() if value is not None}
