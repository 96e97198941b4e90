"""Programs that want all of a bridge's processor, beside live calls: a row of ``python -m bench.soak``; by itself
``python -m bench.hogs``.

The bridge is put behind them, or it would hardly notice: it sleeps most of the time, and who has slept goes first. A loop
that is late must keep new callers out, in words, and lose nothing of the calls that it has.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import uvloop

from bridge.bench.run import SHAPES, Rig, rig

HOGS = 4  # two make a loop that has nothing else beside it late by a tenth of a second: no reason to refuse
NICENESS = 10  # of the bridge meanwhile: a fortieth of a processor that four others want whole
HOGS_S = 10.0  # how long they run; they end by themselves
EVERY_S = 0.25  # between callers
RECOVERED_S = 20.0  # what is waited, at most, until callers are taken again
LIMIT_MS = 100  # p95 over 3 s: later than that, the loop takes no more calls
KEPT = 0.99  # of the frames of live calls
PROGRAM = "import sys, time; end = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass"


@dataclass(frozen=True, slots=True)
class Siege:
    """What came of it. Seconds are from the hogs' beginning, ``recovered_s`` from their end."""

    frames: int
    wrong: int  # lost, repeated or changed
    lag_s: float  # worst of the loop
    refused_s: float | None  # the first caller who was refused; None: nobody
    refused: int
    admitted: int
    unanswered: int  # in 15 s, when the carrier gives up, too
    recovered_s: float | None  # the first who was taken again; None: nobody

    @property
    def kept(self) -> float:
        """The part of the frames that came as they were."""
        return 1 - self.wrong / self.frames if self.frames else 0.0

    @property
    def good(self) -> bool:
        """As it should be."""
        in_time = self.refused_s is not None and self.recovered_s is not None and not self.unanswered
        return in_time and self.kept >= KEPT

    def __str__(self) -> str:
        first = "nobody refused" if self.refused_s is None else f"callers refused from {self.refused_s:.1f} s on"
        again = "never taken again" if self.recovered_s is None else f"taken again {self.recovered_s:.1f} s after"
        return (
            f"{HOGS} for {HOGS_S:g} s, the loop up to {self.lag_s * 1000:.0f} ms late: {first}"
            f" ({self.refused} of {self.refused + self.admitted}, {self.unanswered} not answered), {again};"
            f" {self.frames} frames of live calls, {self.wrong} lost, repeated or changed"
        )


def hog(running: Rig) -> list[subprocess.Popen[bytes]]:
    """Begin. They share the bridge's processors, and come first."""
    pid = running.bridge.process.pid
    shared = os.sched_getaffinity(pid)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), NICENESS)
    hogs = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(HOGS_S)]) for _ in range(HOGS)]
    for each in hogs:
        os.sched_setaffinity(each.pid, shared)
    return hogs


async def admits(running: Rig) -> bool:
    """Whether one more caller is taken; otherwise it was told so in words."""
    caller = running.load.stranger()
    return caller.admits(await caller.ask())


async def siege(agent: str, calls: int) -> Siege:
    """``calls`` live calls, and somebody who calls four times a second."""
    refused: list[float] = []
    admitted, unanswered, recovered = 0, 0, None
    async with rig(SHAPES[agent], keep_alive=False, loop_lag_ms=LIMIT_MS) as running:
        await running.bridge.watch()
        await running.load.begin_many(calls)
        await running.bridge.report(reset=True)
        began, hogs = perf_counter(), hog(running)
        try:
            while any(each.poll() is None for each in hogs):
                try:
                    if await admits(running):
                        admitted += 1
                    else:
                        refused.append(perf_counter() - began)
                except TimeoutError:
                    unanswered += 1
                await asyncio.sleep(EVERY_S)
        finally:
            for each in hogs:
                each.kill()
                each.wait()
        lags = (await running.bridge.report()).lags
        over = perf_counter()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECOVERED_S):
                while not await admits(running):  # noqa: ASYNC110 - from outside
                    await asyncio.sleep(EVERY_S)
            recovered = perf_counter() - over
        await running.load.end_all()
        up, down = running.load.up, running.load.down
        wrong = sum(each.lost + each.repeated + each.changed for each in (up, down))
        first = refused[0] if refused else None
        return Siege(
            up.frames + down.frames, wrong, max(lags, default=0.0), first, len(refused), admitted, unanswered, recovered
        )


def main(args: argparse.Namespace) -> int:
    """The row; 1 where it is not as it should be."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(siege(args.agent, args.calls))
    print(f"{'hogs':<18}{found}{'' if found.good else '   NOT reached'}")
    return 0 if found.good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.hogs", description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="that are live meanwhile (%(default)s)")
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    sys.exit(main(parser.parse_args()))
