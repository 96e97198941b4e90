"""Four taps on every call: phone in, agent in, agent out, phone out; each piece of sound with the time it passed.

For faults, not for every day: the files are as large as the sound. ``callbridge calls diagnose`` reads them
(``audio.hops`` tells how they are written).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from bridge.audio.hops import AGENT_IN, AGENT_OUT, CLEARED, HEAD, PHONE_IN, PHONE_OUT
from bridge.call import events as e
from bridge.call.ports import Agent, AgentStream, Brief, PhoneStream, Session
from bridge.call.record import CallRecord

ROUND_S: Final = 1.0
MAX_WAITING: Final = 20_000_000  # bytes of one call that the disk has not taken; beyond, pieces are lost
MAX_FILE: Final = 500_000_000  # bytes of one call

log = structlog.get_logger("bridge.hops")


class Taps:
    """The four taps of one call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.written = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._waiting = bytearray()

    def note(self, tap: int, sound: bytes) -> None:
        """A piece of sound passes."""
        if len(self._waiting) > MAX_WAITING or self.written > MAX_FILE:
            self.lost += 1
            return
        self._waiting += HEAD.pack(tap, self._loop.time() - self._began, len(sound))
        self._waiting += sound

    def take(self) -> bytes:
        """What is to be written."""
        piece = bytes(self._waiting)
        self._waiting.clear()
        self.written += len(piece)
        return piece


class PhoneTap:
    """A carrier's translator that notes the sound on both ways."""

    def __init__(self, stream: PhoneStream, taps: Taps) -> None:
        self._stream = stream
        self._taps = taps

    def receive(self, message: bytes) -> Sequence[e.PhoneEvent]:
        """As the stream's own."""
        events = self._stream.receive(message)
        for event in events:
            if type(event) is e.PhoneAudio:
                self._taps.note(PHONE_IN, event.payload)
        return events

    def send(self, order: e.PhoneOrder) -> bytes:
        """As the stream's own."""
        if type(order) is e.PlayAudio:
            self._taps.note(PHONE_OUT, order.payload)
        elif type(order) is e.ClearAudio:
            self._taps.note(CLEARED, b"")
        return self._stream.send(order)


class AgentTap:
    """An agent's translator that notes the sound on both ways."""

    def __init__(self, stream: AgentStream, taps: Taps) -> None:
        self._stream = stream
        self._taps = taps

    def open(self) -> Sequence[bytes]:
        """As the stream's own."""
        return self._stream.open()

    def receive(self, message: bytes) -> Sequence[e.AgentEvent]:
        """As the stream's own."""
        events = self._stream.receive(message)
        for event in events:
            if type(event) is e.AgentAudio:
                self._taps.note(AGENT_OUT, event.payload)
        return events

    def send(self, order: e.AgentOrder) -> bytes | None:
        """As the stream's own."""
        if type(order) is e.SendAudio:
            self._taps.note(AGENT_IN, order.payload)
        return self._stream.send(order)

    def closed(self, code: int, detail: str) -> Sequence[e.AgentEvent]:
        """As the stream's own."""
        return self._stream.closed(code, detail)


class TappedAgent:
    """An agent whose sessions are tapped; everything else is the agent's own."""

    def __init__(self, agent: Agent, hops: Hops) -> None:
        self._agent = agent
        self._hops = hops

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    async def open(self, brief: Brief) -> Session:
        """As the agent's own."""
        session = await self._agent.open(brief)
        session.stream = AgentTap(session.stream, self._hops.taps(brief.call_id))
        return session


class Hops:
    """The taps of every call of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taps: dict[str, Taps] = {}
        self._ended: list[Taps] = []

    def taps(self, call_id: str) -> Taps:
        """Of this call."""
        found = self._taps.get(call_id)
        if found is None:
            found = self._taps[call_id] = Taps(self._folder / f"{call_id}.hops")
        return found

    def phone(self, record: CallRecord, stream: PhoneStream) -> PhoneStream:
        """A phone's stream, tapped."""
        return PhoneTap(stream, self.taps(record.call_id))

    def agent(self, agent: Agent) -> Agent:
        """An agent, tapped."""
        tapped: Any = TappedAgent(agent, self)
        return tapped  # type: ignore[no-any-return]

    def saved(self, record: CallRecord) -> None:
        """With the call's end its taps are closed."""
        if record.status.terminal and (taps := self._taps.pop(record.call_id, None)) is not None:
            self._ended.append(taps)

    async def forget(self, record: CallRecord) -> None:
        """Delete what the taps of a call gave."""
        await asyncio.to_thread((self._folder / f"{record.call_id}.hops").unlink, missing_ok=True)

    async def run(self) -> None:
        """Write, until cancelled; then what is left."""
        try:
            while True:
                await asyncio.sleep(ROUND_S)
                await self._round()
        finally:
            await self._round()

    async def _round(self) -> None:
        ended, self._ended = self._ended, []
        work = [(taps.path, piece) for taps in [*self._taps.values(), *ended] if (piece := taps.take())]
        if work:
            # Not cancelled with us: what was taken is nowhere else, and no thread may have begun with it.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, _append, work))


def _append(work: list[tuple[Path, bytes]]) -> None:
    for path, piece in work:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with path.open("ab") as file:
                file.write(piece)
        except OSError as error:
            log.warning("hops_not_written", error=type(error).__name__)
