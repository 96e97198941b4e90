"""``python -m bench.frames [--calls N] [--laps L]``: what a frame costs between two sockets, in one process, without them.

Recorded frames of both sides go through the real session, rules and translators of N calls in turn, by a virtual clock,
marks and timers included. *Hot* is one lap after the other. *Cold*: before each frame the caches are filled with other
things, as the kernel and the other calls do it to a real bridge. Both hold beside other work, where whole bridges do not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from time import perf_counter_ns
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import pybase64

from bridge.agents.xuna.stream import XunaStream
from bridge.audio.level import level
from bridge.audio.transcode import Transcoder
from bridge.call import events as e
from bridge.call.interruption import BargeIn, InterruptionPolicy
from bridge.call.plan import CallPlan
from bridge.call.ports import Brief, Secret, Session
from bridge.call.record import CallRecord, Direction
from bridge.carriers.twilio.stream import TwilioStream
from bridge.runtime import session as sessions
from bridge.runtime.session import CallSession, Surroundings

FRAME_S: Final = 0.02
EVICT: Final = 1 << 21  # bytes: more than the second cache of a core
START: Final = (
    b'{"event":"start","sequenceNumber":"1","start":{"streamSid":"%b","accountSid":"AC1","callSid":"%b","tracks":["inbound"],'
    b'"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{}},"streamSid":"%b"}'
)
MEDIA: Final = (
    b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},'
    b'"streamSid":"%b"}'
)
METADATA: Final = (
    b'{"type":"conversation_initiation_metadata","conversation_initiation_metadata_event":{"conversation_id":"conv_1",'
    b'"agent_output_audio_format":"pcm_16000","user_input_audio_format":"pcm_16000"}}'
)
AUDIO: Final = b'{"type":"audio","audio_event":{"audio_base_64":"%b","event_id":%d}}'


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time goes on when it is told so."""

    now = 0.0

    def time(self) -> float:
        """Seconds."""
        return self.now


class Wire:
    """A socket: marks that are sent over it come back later."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.sent = 0
        self.marks: deque[bytes] = deque(maxlen=100)

    def send(self, message: bytes) -> bool:
        """Counted."""
        self.sent += 1
        if message.startswith(b'{"event":"mark"'):
            self.marks.append(message)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing is there to be closed."""


class Helper:
    """An agent whose session is had at once."""

    provider = "xuna"
    reports_interruptions = True
    name = "bench"

    async def open(self, brief: Brief) -> Session:
        """A session."""
        return Session(Secret("ws://agent"), XunaStream(brief))

    async def release(self, session: Session, *, stopped: bool) -> None:
        """Nothing is given back."""

    async def check(self) -> str:
        """Well."""
        return "well"

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    """One call in the middle of a conversation in which both sides speak."""

    def __init__(self, number: int, wires: asyncio.Queue[Wire]) -> None:
        self._wires = wires
        self.sid = b"MZ%032x" % number
        self.call = b"CA%032x" % number
        record = CallRecord(
            call_id=f"call_{number}",
            carrier_call_id=self.call.decode(),
            direction=Direction.INBOUND,
            from_number="+15550123456",
            to_number="+15550100",
            line="+15550100",
            agent="bench",
            created_at=datetime.now(UTC),
        )
        plan = CallPlan(agents=("bench",), convert=Transcoder, level=level, prompts={}, prewarm=False)
        policy = InterruptionPolicy(BargeIn.AGENT)
        around = Surroundings(agents={"bench": Helper()}, saved=_nothing, closing=_nothing, run_tool=_nothing)
        self.session = CallSession(record, plan, policy, around, variables={})
        self.task = asyncio.get_running_loop().create_task(self.session.run())
        self.phone = Wire()
        rng = np.random.default_rng(number)
        self.ulaw = [pybase64.b64encode(bytes(rng.integers(0, 256, 160, np.uint8))) for _ in range(25)]
        self.wide = [pybase64.b64encode((rng.normal(0, 3000, 320)).astype("<i2").tobytes()) for _ in range(25)]
        self.frame = 0

    async def connect(self) -> None:
        """Phone and agent are there."""
        await self.session.started.wait()
        stream = TwilioStream()
        (opened,) = stream.receive(START % (self.sid, self.call, self.sid))
        assert isinstance(opened, e.PhoneOpened)
        self.session.attach_phone(self.phone, stream, opened)  # type: ignore[arg-type]
        self.agent: Any = await self._wires.get()
        await asyncio.sleep(0)
        self.agent.receiver.received(METADATA)

    def up(self) -> bytes:
        """The caller's next frame."""
        at = self.frame
        return MEDIA % (at + 2, at + 1, at * 20, self.ulaw[at % 25], self.sid)

    def down(self) -> bytes:
        """The agent's next frame."""
        return AUDIO % (self.wide[self.frame % 25], self.frame // 100 + 1)

    def tick(self) -> None:
        """The next 20 ms: a mark whose sound has been played comes back."""
        self.frame += 1
        if self.frame % 25 == 13 and self.phone.marks:
            self.phone.receiver.received(self.phone.marks.popleft())


def _nothing(*_: object) -> None:
    return None


async def lap(benches: list[Bench], clock: Clock, junk: Any = None) -> tuple[float, float]:
    """One frame each way of every call: us of a frame up, and down."""
    up = down = 0
    clock.now += FRAME_S
    began = perf_counter_ns()
    await asyncio.sleep(0)  # timers that are due
    timers = perf_counter_ns() - began
    for bench in benches:
        bench.tick()
        above, below = bench.up(), bench.down()
        if junk is not None:
            junk += 1
        began = perf_counter_ns()
        bench.phone.receiver.received(above)
        up += perf_counter_ns() - began
        if junk is not None:
            junk += 1
        began = perf_counter_ns()
        bench.agent.receiver.received(below)
        down += perf_counter_ns() - began
    return up / len(benches) / 1000, (down + timers) / len(benches) / 1000


@contextlib.contextmanager
def connecting(wires: asyncio.Queue[Wire]) -> Iterator[None]:
    """Agents' sockets are wires meanwhile, which are told to whoever waits for them."""

    async def connect(url: Secret, receiver: Any, *, timeout_s: float, **_: object) -> Wire:
        wire = Wire()
        wire.receiver = receiver
        wires.put_nowait(wire)
        return wire

    with patch.object(sessions, "connect", connect):
        yield


async def main(args: argparse.Namespace) -> int:
    """Both tables."""
    clock = asyncio.get_running_loop()
    assert isinstance(clock, Clock)
    wires: asyncio.Queue[Wire] = asyncio.Queue(args.calls)

    with connecting(wires):
        benches = [Bench(number, wires) for number in range(args.calls)]
        for bench in benches:
            await bench.connect()
    for _ in range(100):
        await lap(benches, clock)
    for name, junk in (("hot", None), ("cold", np.zeros(EVICT, np.uint8))):
        laps = [await lap(benches, clock, junk) for _ in range(args.laps)]
        least = min(up + down for up, down in laps)
        ups, downs = median(up for up, _ in laps), median(down for _, down in laps)
        print(f"{name}: up {ups:.1f} us, down {downs:.1f} us, both {ups + downs:.1f} us (least {least:.1f})")
    print(
        f"sent by the first of {args.calls}: {benches[0].phone.sent} to the phone, {benches[0].agent.sent} to the agent"
    )
    for bench in benches:
        bench.task.cancel()
    await asyncio.wait({bench.task for bench in benches})
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.frames")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--laps", type=int, default=60)
    with asyncio.Runner(loop_factory=Clock) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
