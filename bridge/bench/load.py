"""N calls at once against one bridge: both ends of each, paced, counted and timed by one clock."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Final

import aiohttp
import picows

from bridge.bench.agent import AgentServer, Conversation, Shape
from bridge.bench.caller import Caller, Carrier
from bridge.bench.sound import downlink, uplink
from bridge.bench.track import Tally, Track

SLOTS: Final = 20  # of 1 ms: calls begin whenever people call, so their frames come spread over the 20 ms
SLOT_S: Final = 0.001
AGENT_SLOT: Final = 7  # slots by which an agent's frames are off its caller's
REST_S: Final = 1.0  # for what is on its way, after the last frame
UP_S: Final = 20.0  # for all calls to be up
DIAL_EVERY_S: Final = 0.02
FAULTS: Final = (
    RuntimeError,
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    picows.WSError,
)  # of a bridge that is overrun


@dataclass(slots=True)
class Call:
    """One call, seen from both ends."""

    number: int
    up: Track
    down: Track
    caller: Caller
    conversation: Conversation | None = None


class Load:
    """Made around a running event loop; ``async with`` it, then ``begin`` calls, ``measure``, ``finish``."""

    def __init__(self, shape: Shape, carrier: Carrier, agent: AgentServer) -> None:
        self.shape = shape
        self.up = Tally()  # caller to agent
        self.down = Tally()  # agent to caller
        self.late: list[float] = []  # by how much the generator itself was late, s
        self.answers: list[float] = []  # of the webhook, s
        self.troubles: list[str] = []  # calls that did not come up or end as they should, in words
        self.agent = agent
        self._carrier = carrier
        self._books = uplink(shape.ear), downlink(shape.voice)
        self._calls: dict[str, Call] = {}
        self._callers: list[list[Caller]] = [[] for _ in range(SLOTS)]
        self._agents: list[list[Conversation]] = [[] for _ in range(SLOTS)]
        self._made = 0
        self._slot = 0
        self._origin = perf_counter()
        self._measuring = False
        agent.join = self._join
        agent.leave = self._leave

    @property
    def calls(self) -> list[Call]:
        """Those that were begun and not ended."""
        return list(self._calls.values())

    async def pace(self) -> None:
        """Drive every call until cancelled."""
        while True:
            now = perf_counter()
            due = int((now - self._origin) / SLOT_S)
            while self._slot <= due:
                if self._measuring:
                    self.late.append(perf_counter() - self._origin - self._slot * SLOT_S)
                index = self._slot % SLOTS
                for caller in self._callers[index]:
                    caller.tick()
                for conversation in self._agents[index]:
                    conversation.tick()
                self._slot += 1
            await asyncio.sleep(max(self._origin + self._slot * SLOT_S - perf_counter(), 0))

    async def begin(self) -> Call:
        """One more call. Raises RuntimeError, in words, where it does not come up."""
        self._made += 1
        up, down = Track(self._books[0], self.up), Track(self._books[1], self.down)
        caller = Caller(self._carrier, self._made, up, down)
        call = self._calls[caller.call_sid] = Call(self._made, up, down, caller)
        try:
            await caller.dial()
        except FAULTS as error:
            del self._calls[caller.call_sid]
            raise RuntimeError(f"call {self._made} did not come up: {_words(error)}") from error
        self.answers.append(caller.answer_s)
        self._callers[call.number % SLOTS].append(caller)
        return call

    def stranger(self) -> Caller:
        """Somebody whose call is not counted among ours."""
        self._made += 1
        return Caller(self._carrier, self._made, Track(self._books[0], Tally()), Track(self._books[1], Tally()))

    async def begin_many(self, count: int) -> None:
        """``count`` more, a few at a time, until both ends of all of them talk. Raises RuntimeError."""
        for _ in range(count):
            await self.begin()
            await asyncio.sleep(DIAL_EVERY_S)
        try:
            async with asyncio.timeout(UP_S):
                while any(call.conversation is None or not call.down.alive for call in self.calls):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            there = sum(call.conversation is not None for call in self.calls)
            raise RuntimeError(f"only {there} of {len(self._calls)} calls came up") from None

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Keep latencies meanwhile."""
        self._measuring = self.up.measuring = self.down.measuring = True
        yield
        self._measuring = self.up.measuring = self.down.measuring = False

    async def end(self, call: Call) -> None:
        """Hang one up, and see that everything that was said has come."""
        call.caller.silence()
        if call.conversation is not None and call.conversation in self._agents[self._agent_slot(call)]:
            self._agents[self._agent_slot(call)].remove(call.conversation)
        await asyncio.sleep(REST_S)
        self._callers[call.number % SLOTS].remove(call.caller)
        call.up.close()
        call.down.close()
        try:
            await call.caller.hang_up()
        except FAULTS as error:
            self.troubles.append(f"call {call.number} was hung up, and the bridge did not take it: {_words(error)}")
        del self._calls[call.caller.call_sid]

    async def end_all(self) -> None:
        """Hang up everything."""
        async with asyncio.TaskGroup() as group:
            for call in self.calls:
                group.create_task(self.end(call))

    @property
    def dropped(self) -> int:
        """Calls that the bridge ended."""
        return sum(call.caller.dropped for call in self.calls)

    def _agent_slot(self, call: Call) -> int:
        return (call.number + AGENT_SLOT) % SLOTS

    def _join(self, call_sid: str, conversation: Conversation) -> tuple[Track, Track] | None:
        call = self._calls.get(call_sid)
        if call is None:
            return None
        call.conversation = conversation
        self._agents[self._agent_slot(call)].append(conversation)
        return call.up, call.down

    def _leave(self, call_sid: str, conversation: Conversation) -> None:
        call = self._calls.get(call_sid)
        if call is not None and conversation in self._agents[self._agent_slot(call)]:
            self._agents[self._agent_slot(call)].remove(conversation)


@asynccontextmanager
async def loading(
    url: str, agent: AgentServer, *, account_sid: str, auth_token: str, keep_alive: bool = True
) -> AsyncIterator[Load]:
    """A load against the bridge at ``url``, whose agent ``agent`` is. ``keep_alive``: of the webhooks' connections."""
    # Let go before the bridge does: a request on a connection that is just being closed fails.
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=5)
        if keep_alive
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as http:
        load = Load(agent.shape, Carrier(url, account_sid, auth_token, http), agent)
        gc.freeze()
        pacing = asyncio.create_task(load.pace())
        try:
            yield load
        finally:
            pacing.cancel()
            await asyncio.wait([pacing])


def _words(error: BaseException) -> str:
    """What a fault of a connection means; some of them say nothing."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def cpu_now() -> float:
    """Seconds of processor that this process (the generator) has used."""
    return process_time()
