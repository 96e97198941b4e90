"""Calls on a bridge, without and with pages that watch them: is the sound late? Run ``python -m bench.onlookers``.

The pages are connections to ``/live?levels``, which the dashboard's own page opens. From the first that read on there is one
more that never does. Rounds without and with alternate, so that what else runs on the machine is in both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
import tomllib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from statistics import median
from time import process_time
from urllib.parse import urlsplit

import aiohttp
import uvloop

from bench.beside import OURS, one_round, show
from bridge.audio.level import level
from bridge.bench.run import SHAPES, Rig, rig
from bridge.call.playback import Playback
from bridge.call.record import CallRecord, Direction, Turn
from bridge.web.dashboard.live import LiveBus

PATH = "/live?levels"
AT_ONCE = 20  # calls that begin together
CUT_S = 150.0  # by then a page that does not read must be gone
RECEIVED = 4096  # bytes that the page which never reads lets the system keep for it


class Page:
    """One that reads. What came: events by kind, and bytes."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.bytes = 0

    async def look(self, running: Rig, key: str) -> None:
        """Until cancelled."""
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession(running.bridge.url, headers=headers, timeout=aiohttp.ClientTimeout()) as http,
            http.get(PATH) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.content:
                self.bytes += len(line)
                if line.startswith(b"event: "):
                    self.events[line[7:].strip().decode()] += 1


async def _never_reading(running: Rig, key: str) -> socket.socket:
    """The connection, and nothing is ever taken from it."""
    place = urlsplit(running.bridge.url)
    sleeper = socket.socket()
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    sleeper.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sleeper, (str(place.hostname), int(place.port or 0)))
    request = f"GET {PATH} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n"
    await loop.sock_sendall(sleeper, request.encode())
    return sleeper


@contextlib.asynccontextmanager
async def _watched(running: Rig, pages: list[Page], key: str) -> AsyncIterator[None]:
    looking = [asyncio.create_task(page.look(running, key)) for page in pages]
    try:
        yield
    finally:
        for each in looking:
            each.cancel()
        for left in await asyncio.gather(*looking, return_exceptions=True):
            if isinstance(left, Exception):
                raise left


def _dropped(running: Rig) -> int:
    """Pages that the bridge has let go because they did not read, as it says itself."""
    text = running.config.with_name("bridge.log").read_text()
    return text.count("viewer_cut") + text.count("viewer_dropped")


async def _until_dropped(running: Rig, began: float) -> float:
    loop = asyncio.get_running_loop()
    while not _dropped(running) and loop.time() - began < CUT_S:  # noqa: ASYNC110 - it watches from outside
        await asyncio.sleep(0.5)
    return loop.time() - began


async def work(calls: int) -> None:
    """What telling costs the loop: processor time of a round in which every call has changed, and of a look at levels."""
    now = datetime.now(UTC)
    records, played = [], []
    for number in range(calls):
        record = CallRecord(f"call_{number:024x}", Direction.INBOUND, OURS, OURS, OURS, "bench", now)
        record.turns = [Turn("agent", "How can I help you today?", 1000 * each) for each in range(20)]
        records.append(record)
        playback = Playback()
        playback.open(0.0)
        for frame in range(50):
            playback.offer(bytes([frame]) * 160, 1, 0.0)
        played.append(playback)
    bus = LiveBus(
        "bench",
        levels=lambda: (
            (each, (500.0, level(playback.sounds(0.5)))) for each, playback in zip(records, played, strict=True)
        ),
    )
    for pages in (1, 3, 20):
        took: dict[str, list[float]] = {"round": [], "levels": []}
        async with contextlib.AsyncExitStack() as stack:
            viewers = [await stack.enter_async_context(bus.watch(levels=True)) for _ in range(pages)]
            for _ in range(50):
                for record in records:
                    bus.marked(record)
                for name, do in (("levels", bus.meter), ("round", bus.round)):
                    for viewer in viewers:
                        while viewer is not None and not viewer.queue.empty():
                            viewer.queue.get_nowait()
                    began = process_time()
                    do()
                    took[name].append(process_time() - began)
        cells = ", ".join(f"{name} {median(each) * 1000:.2f} ms" for name, each in took.items())
        print(f"{calls} calls, {pages} pages: {cells}")


async def main(args: argparse.Namespace) -> int:
    """The table."""
    if args.work:
        await work(args.calls)
        return 0
    print(f"{args.calls} calls, agent {args.agent}; {args.rounds} rounds of {args.seconds:g} s each way; ms")
    print(f"{'':<22}{'lag p50':>10}{'p99':>10}{'max':>10}{'sound p99':>10}{'max':>10}{'lost':>6}")
    loop = asyncio.get_running_loop()
    async with rig(SHAPES[args.agent], pinned=not args.unpinned) as running:
        key = tomllib.loads(running.config.read_text())["api"]["keys"][0]
        await running.bridge.watch()
        for _ in range(0, args.calls, AT_ONCE):
            await running.load.begin_many(AT_ONCE)
        sleeper, waited = None, None
        for _ in range(args.rounds):
            pages = [Page() for _ in range(args.pages)]
            before = await running.bridge.report()
            show("nobody reads", await one_round(running, args.seconds), running)
            middle = await running.bridge.report()
            if sleeper is None:
                sleeper = await _never_reading(running, key)
                waited = asyncio.create_task(_until_dropped(running, loop.time()))
            async with _watched(running, pages, key):
                report = await one_round(running, args.seconds)
            show(f"{args.pages} pages read", report, running)
            after = await running.bridge.report()
            ratio = (after.cpu_s - middle.cpu_s) / (middle.cpu_s - before.cpu_s)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(pages[0].events.items()))
            print(
                f"  processor with / without: {ratio:.2f}; one page had {pages[0].bytes / 1e6:.2f} MB: {told}",
                flush=True,
            )
        assert sleeper is not None
        assert waited is not None
        took = await waited
        sleeper.close()
        gone = _dropped(running)
        print(f"  one that never read was {f'dropped after {took:.0f} s' if gone else 'NOT dropped'}")
        await running.load.end_all()
    return 0 if gone == 1 else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.onlookers", description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="calls on the bridge (%(default)s)")
    parser.add_argument("--pages", type=int, default=3, help="pages that watch them (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (%(default)s)")
    parser.add_argument("--work", action="store_true", help="only what telling costs the loop, without calls")
    parser.add_argument(
        "--unpinned", action="store_true", help="for a machine that does something else on one of its cores"
    )
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
