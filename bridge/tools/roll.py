"""Which call a tool call belongs to. A late one of one caller must never act on the next caller's call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.store.busy import Elsewhere
from bridge.tools.asking import LiveCall, ToolCall, ToolProblem

QUIET_S: Final = 30.0  # an agent's last call must be over for as long before its next one may be taken for granted
ASK: Final = (
    "Call the tool again with the argument call_id: it is the value of the variable call_id of this conversation."
)


class Others(Protocol):
    """What other instances have (``store.busy.Busy``)."""

    async def named(self, call_id: str) -> Elsewhere | None:
        """The live call with this id. Raises StoreUnavailable."""
        ...

    async def of(self, agent: str, quiet_s: float) -> tuple[Sequence[Elsewhere], bool]:
        """The agent's live calls, and whether there may be, or were until ``quiet_s`` ago, others. Raises StoreUnavailable."""
        ...


class Roll:
    """Who is on which call here, and when an agent last left one. ``observe`` is told of every change of a record."""

    def __init__(
        self,
        live: Callable[[], Sequence[LiveCall]],
        *,
        others: Others | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._others = others
        self._clock = clock
        self._on: dict[str, str] = {}  # call_id -> agent, of calls that are not over
        self._left: dict[str, float] = {}  # agent -> when it last left a call

    def observe(self, record: CallRecord) -> None:
        """Note which agent a call has, and that one has left it: by its end, or for a backup."""
        former = self._on.get(record.call_id)
        if former is not None and (former != record.agent or record.status.terminal):
            self._leave(former)
        if not record.status.terminal:
            self._on[record.call_id] = record.agent
            return
        self._on.pop(record.call_id, None)
        for gone in self._on.keys() - {live.record.call_id for live in self._live()}:
            self._leave(self._on.pop(gone))  # taken over by another instance, which keeps its record from then on

    def _leave(self, agent: str) -> None:
        self._left[agent] = self._clock()

    async def find(self, call: ToolCall, *, acts: bool) -> LiveCall | Elsewhere:
        """The live call, here or on another instance. ``acts``: the tool does something to that call or its person. Raises
        ToolProblem.
        """
        try:
            return await self._find(call, acts=acts)
        except StoreUnavailable:  # who cannot be asked might have one
            raise ToolProblem(f"It cannot be told just now which call this is for. {ASK}", kind="ambiguous") from None

    def here(self, call_id: str, agent: str) -> LiveCall | None:
        """A call of this agent's that goes on here."""
        return next((live for live in self._mine(agent) if live.record.call_id == call_id), None)

    def _mine(self, agent: str) -> list[LiveCall]:
        return [live for live in self._live() if live.record.agent == agent]

    async def _find(self, call: ToolCall, *, acts: bool) -> LiveCall | Elsewhere:
        named = call.text("call_id")
        number = call.text("phone_number")
        mine = self._mine(call.agent)
        if named:
            return await self._named(named, number, mine, call.agent)
        fitting = [live for live in mine if live.record.person == number]
        if number and not acts and len(fitting) == 1:
            return fitting[0]
        theirs, unclear = await self._elsewhere(call.agent)
        if number and not acts:
            return _only([*fitting, *(away for away in theirs if away.person == number)])
        left = self._left.get(call.agent)
        recent = left is not None and self._clock() - left < QUIET_S
        if (mine or theirs) and (len(mine) + len(theirs) > 1 or recent or unclear):
            raise ToolProblem(
                f"There are, or were just now, several calls that this could be for. {ASK}", kind="ambiguous"
            )
        only = _only([*mine, *theirs])
        # The number may have been said by the agent of an earlier call: it narrows, and proves nothing.
        if number and number != _person(only):
            raise ToolProblem(f"There is no call with that phone number. {ASK}", kind="no_call")
        return only

    async def _named(self, named: str, number: str, mine: Sequence[LiveCall], agent: str) -> LiveCall | Elsewhere:
        found: LiveCall | Elsewhere | None = next(
            (live for live in mine if named in (live.record.call_id, live.record.carrier_call_id)), None
        )
        if found is None and self._others is not None:
            away = await self._others.named(named)
            found = away if away is not None and away.agent == agent else None
        if found is None:
            raise ToolProblem("That call is over, or it is not a call of this agent's.", kind="no_call")
        if number and number != _person(found):
            raise ToolProblem("The phone number is not that of this call.", kind="wrong_call")
        return found

    async def _elsewhere(self, agent: str) -> tuple[Sequence[Elsewhere], bool]:
        return ((), False) if self._others is None else await self._others.of(agent, QUIET_S)


def _person(call: LiveCall | Elsewhere) -> str:
    return call.person if isinstance(call, Elsewhere) else call.record.person


def _only(found: Sequence[LiveCall | Elsewhere]) -> LiveCall | Elsewhere:
    if len(found) == 1:
        return found[0]
    if not found:
        raise ToolProblem(f"There is no call that this could be for. {ASK}", kind="no_call")
    raise ToolProblem(f"There are several calls that this could be for. {ASK}", kind="ambiguous")
