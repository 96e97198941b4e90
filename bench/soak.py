"""Many short calls beside a few long ones: what a bridge keeps of a call that is over. Run ``python -m bench.soak``.

After a first part that does not count (pools fill, caches warm), memory is a line over the number of calls; its slope
is what a call leaves behind. Descriptors are counted with 0, 5, 10 and 20 calls up: a + bN, where b is the call's two
sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import uvloop

from bridge.bench.figures import quantile
from bridge.bench.run import SHAPES, Rig, rig

SLOPE = 2000.0  # bytes for a call: beyond it something is kept


def descriptors(pid: int) -> int:
    """Open files and sockets of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def law(running: Rig, counts: tuple[int, ...]) -> list[tuple[int, int]]:
    """Descriptors with so many calls up."""
    found = []
    for count in counts:
        await running.load.begin_many(count)
        await asyncio.sleep(1.0)
        found.append((count, descriptors(running.bridge.process.pid)))
        await running.load.end_all()
        await asyncio.sleep(1.0)
    return found


async def short(running: Rig, talk_s: float) -> None:
    """One short call."""
    call = await running.load.begin()
    await asyncio.sleep(talk_s)
    await running.load.end(call)


async def soak(running: Rig, args: argparse.Namespace) -> list[tuple[int, int]]:
    """(calls that are over, bytes of memory), every second."""
    done, points = 0, []
    began = perf_counter()
    async with asyncio.TaskGroup() as group:

        def over(task: asyncio.Task[None]) -> None:
            nonlocal done
            del task
            done += 1

        for number in range(args.calls):
            await asyncio.sleep(max(began + number / args.rate - perf_counter(), 0))
            group.create_task(short(running, args.talk)).add_done_callback(over)
            if number % max(int(args.rate), 1) == 0:
                points.append((done, (await running.bridge.report()).rss))
    points.append((done, (await running.bridge.report()).rss))
    return points


async def main(args: argparse.Namespace) -> int:
    """The table; 1 where something is kept, lost, or does not add up."""
    async with rig(SHAPES[args.agent], keep_alive=False) as running:
        at = await law(running, (0, 5, 10, 20))
        (_, base), *rest = at
        each = {(found - base) / count for count, found in rest}
        await running.load.begin_many(args.long)
        long = running.load.calls
        await running.bridge.report(reset=True)
        async with running.load.measuring():
            points = await soak(running, args)
        report = await running.bridge.report()
        dropped = running.load.dropped
        alive = sum(call in running.load.calls for call in long)
        up, down = running.load.up, running.load.down
        latencies = up.latencies + down.latencies
        await running.load.end_all()
        await asyncio.sleep(2.0)
        left = descriptors(running.bridge.process.pid)
    counted = [point for point in points if point[0] >= args.calls * 0.3]
    slope = (
        float(np.polyfit([done for done, _ in counted], [rss for _, rss in counted], 1)[0]) if len(counted) > 2 else 0.0
    )
    wrong = up.lost + down.lost + up.repeated + down.repeated + up.changed + down.changed
    print(
        f"{args.calls} calls of {args.talk:g} s, {args.rate:g} a second, beside {args.long} long ones; agent {args.agent}"
    )
    print(f"memory            {running.rest / 1e6:.0f} MB after one call, {report.rss / 1e6:.0f} MB at the end")
    print(f"slope             {slope:.0f} bytes for a call, over the last 70 % of them")
    print("descriptors       " + ", ".join(f"{found} with {count}" for count, found in at) + f", {left} after all")
    print(f"frames            {up.frames + down.frames}, {wrong} lost, repeated or changed")
    print(f"long calls        {alive} of {args.long} to the end, {dropped} calls dropped")
    print(
        f"added latency     p50 {quantile(latencies, 0.5) * 1000:.2f} ms, p99 {quantile(latencies, 0.99) * 1000:.1f} ms"
    )
    print(f"collections       at most {report.worst_collection_s * 1000:.1f} ms")
    good = slope <= SLOPE and each == {2.0} and not wrong and alive == args.long and not dropped
    print("good" if good else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="short ones (%(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="of them in a second (%(default)s)")
    parser.add_argument("--talk", type=float, default=2.0, help="seconds of each (%(default)s)")
    parser.add_argument("--long", type=int, default=20, help="calls that last all the time (%(default)s)")
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
