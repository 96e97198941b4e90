"""Many short calls beside a few long ones: what a bridge keeps of a call that is over. Run ``python -m bench.soak``.

After a first part that does not count (pools fill, caches warm), memory is a line over the number of calls; its slope
is what a call leaves behind. The same load twice shows what is not used again. Descriptors are counted with 0, 5, 10
and 20 calls up: a + bN, where b is the call's two sockets. Then a bridge that is full is asked 50 times a second, and one
whose processor two other programs want is asked four times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import perf_counter

import numpy as np
import uvloop

from bench.hogs import siege
from bridge.bench.figures import quantile
from bridge.bench.run import SHAPES, SOCKETS, Rig, crowd, law, rig

SLOPE = 2000.0  # bytes for a call: beyond it something is kept
AGAIN = 2e6  # bytes that the same load may add the second time
ROOM = 20  # calls of the bridge that is full
REFUSED_S = 0.3  # within which a caller is told so, p99


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


async def again(running: Rig) -> float:
    """Bytes that 20 calls add to what the same 20 had left."""
    left = []
    for _ in range(2):
        await running.load.begin_many(20)
        await asyncio.sleep(5.0)
        await running.load.end_all()
        await asyncio.sleep(2.0)
        left.append((await running.bridge.report()).rss)
    return float(left[1] - left[0])


async def full(agent: str) -> tuple[int, list[float]]:
    """How many more a bridge that is full lets in, and how long those that it refuses wait."""
    async with rig(SHAPES[agent], keep_alive=False, max_calls=ROOM) as running:
        await running.load.begin_many(ROOM)
        return await crowd(running, rate=50.0, seconds=10.0)


async def main(args: argparse.Namespace) -> int:
    """The table; 1 where something is kept, lost, or does not add up."""
    verdicts: list[bool] = []

    def row(name: str, text: str, good: bool = True) -> None:
        verdicts.append(good)
        print(f"{name:<18}{text}{'' if good else '   NOT reached'}", flush=True)

    row(
        "load", f"{args.calls} calls of {args.talk:g} s, {args.rate:g} a second, beside {args.long}; agent {args.agent}"
    )
    async with rig(SHAPES[args.agent], keep_alive=False) as running:
        (_, base), *rest = at = await law(running, (0, 5, 10, 20, 0))
        lawful = all(found == base + SOCKETS * count for count, found in rest)
        row("descriptors", ", ".join(f"{found} with {count}" for count, found in at), lawful)
        added = await again(running)
        row("the same again", f"20 calls a second time add {added / 1e6:.1f} MB", added <= AGAIN)
        await running.load.begin_many(args.long)
        long = running.load.calls
        await running.bridge.report(reset=True)
        async with running.load.measuring():
            points = await soak(running, args)
        report = await running.bridge.report()
        dropped = running.load.dropped
        alive = sum(call in running.load.calls for call in long)
        up, down = running.load.up, running.load.down
        late = running.load.late
        await running.load.end_all()
    counted = [point for point in points if point[0] >= args.calls * 0.3]
    slope = (
        float(np.polyfit([done for done, _ in counted], [rss for _, rss in counted], 1)[0]) if len(counted) > 2 else 0.0
    )
    wrong = up.lost + down.lost + up.repeated + down.repeated + up.changed + down.changed
    latencies = up.latencies + down.latencies
    row("memory", f"{running.rest / 1e6:.0f} MB after one call, {report.rss / 1e6:.0f} MB at the end")
    row("slope", f"{slope:.0f} bytes for a call, over the last 70 % of them", slope <= SLOPE)
    row("frames", f"{up.frames + down.frames}, {wrong} lost, repeated or changed", not wrong)
    row("long calls", f"{alive} of {args.long} to the end, {dropped} dropped", alive == args.long and not dropped)
    row("added latency", f"p50 {quantile(latencies, 0.5) * 1000:.2f} ms, p99 {quantile(latencies, 0.99) * 1000:.1f} ms")
    row("the load's own", f"p99 {quantile(late, 0.99) * 1000:.1f} ms late")
    row("collections", f"at most {report.worst_collection_s * 1000:.1f} ms")
    admitted, answers = await full(args.agent)
    p99 = quantile(answers, 0.99)
    row(
        "full",
        f"with {ROOM} of {ROOM} calls, 50 more a second for 10 s: {admitted} let in,"
        f" {len(answers)} told so within p50 {quantile(answers, 0.5) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms",
        not admitted and p99 <= REFUSED_S,
    )
    found = await siege(args.agent, ROOM // 2)
    row("hogs", str(found), found.good)
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="short ones (%(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="of them in a second (%(default)s)")
    parser.add_argument("--talk", type=float, default=2.0, help="seconds of each (%(default)s)")
    parser.add_argument("--long", type=int, default=20, help="calls that last all the time (%(default)s)")
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
