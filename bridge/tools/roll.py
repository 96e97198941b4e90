"""Which call a tool call belongs to. A late one of one caller must never act on the next caller's call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.tools.asking import LiveCall, ToolCall, ToolProblem

QUIET_S: Final = 30.0  # an agent's last call must be over for as long before its next one may be taken for granted
ASK: Final = (
    "Call the tool again with the argument call_id: it is the value of the variable call_id of this conversation."
)

Elsewhere = Callable[[str, float], Awaitable[bool]]  # (agent, seconds): has it a call on another instance, or had it?


class Roll:
    """Who is on which call here, and when an agent last left one. ``observe`` is told of every change of a record."""

    def __init__(
        self,
        live: Callable[[], Sequence[LiveCall]],
        *,
        elsewhere: Elsewhere | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._elsewhere = elsewhere
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

    async def find(self, call: ToolCall, *, acts: bool) -> LiveCall:
        """The live call. ``acts``: the tool does something to that call or its person. Raises ToolProblem."""
        named = call.text("call_id")
        number = call.text("phone_number")
        mine = [live for live in self._live() if live.record.agent == call.agent]
        if named:
            return self._named(named, number, mine)
        if number:
            mine = [live for live in mine if live.record.person == number]
            if not acts:
                return self._only(mine)
            if not mine:
                raise ToolProblem(f"There is no call with that phone number. {ASK}", kind="no_call")
            # The number may have been said by the agent of an earlier call: it narrows, and proves nothing.
        await self._alone(call.agent)
        return self._only(mine)

    def _named(self, named: str, number: str, mine: Sequence[LiveCall]) -> LiveCall:
        for live in mine:
            if named in (live.record.call_id, live.record.carrier_call_id):
                if number and number != live.record.person:
                    raise ToolProblem("The phone number is not that of this call.", kind="wrong_call")
                return live
        raise ToolProblem("That call is over, or it is not a call of this agent's.", kind="no_call")

    def _only(self, mine: Sequence[LiveCall]) -> LiveCall:
        if len(mine) == 1:
            return mine[0]
        if not mine:
            raise ToolProblem(f"There is no call that this could be for. {ASK}", kind="no_call")
        raise ToolProblem(f"There are several calls that this could be for. {ASK}", kind="ambiguous")

    async def _alone(self, agent: str) -> None:
        here = sum(live.record.agent == agent for live in self._live())
        left = self._left.get(agent)
        recent = left is not None and self._clock() - left < QUIET_S
        if here > 1 or recent or (here and await self._is_elsewhere(agent)):
            raise ToolProblem(
                f"There are, or were just now, several calls that this could be for. {ASK}", kind="ambiguous"
            )

    async def _is_elsewhere(self, agent: str) -> bool:
        if self._elsewhere is None:
            return False
        try:
            return await self._elsewhere(agent, QUIET_S)
        except StoreUnavailable:
            return True  # who cannot be asked might have one
