"""What a bridge promises in real time: a drain to the letter, and a store that is away for half a minute. Run
``python -m bench.outages``.

Each store is taken away in earnest while calls are live and new ones come: PostgreSQL stopped where it stands, and ended
and started again; SQLite locked by another process; a disk without a byte left. Frames are numbered both ways and every
one is looked for; new calls must be taken, or refused in words; afterwards every record is compared with what the load
itself knows of its call.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import uvloop

from bench.drains import Row, drains
from bridge.bench.agent import AgentServer
from bridge.bench.figures import quantile
from bridge.bench.load import Call, Load, loading
from bridge.bench.run import ACCOUNT, SHAPES, configuration
from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.store.calls import Calls
from bridge.store.database import Database
from tests.store.postgresql import Server, programs
from tests.support.instances import Instance, free_ports

TALK_S = 5.0  # of each new call
SOUND_S = 5.0  # from the question of a new call to its first sound: what a caller may wait in silence
BACK_S = 5.0  # from the store's return to the last record
NEAR_S = 1.5  # by which a record's times may differ from the load's own, which come over sockets
CLOSED_S = 30.0  # and what is waited for it
MEDIUM_S = 3.0  # of calls before the outage, and after it
LOCK = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
other.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
other.execute("ROLLBACK")
"""


@dataclass
class Told:
    """One call, as the load knows it."""

    call_sid: str
    began: datetime
    up: datetime | None = None
    ended: datetime | None = None


@dataclass
class Seen:
    """What came of the calls."""

    told: list[Told] = field(default_factory=list)
    refused: int = 0  # in words
    silent: list[str] = field(default_factory=list)  # neither taken nor refused in words, or taken and left in silence
    waits: list[float] = field(default_factory=list)  # s from the question to the first sound

    async def new(self, load: Load, talk_s: float | None) -> Call | None:
        """One more call, which talks for ``talk_s`` and is hung up; without end where that is None."""
        began, asked = datetime.now(UTC), perf_counter()
        try:
            call = await load.begin()
            told = Told(call.caller.call_sid, began)
            self.told.append(told)
            async with asyncio.timeout(SOUND_S):
                while not call.down.alive:  # noqa: ASYNC110 - it listens
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.silent.append(f"call {call.number} heard nothing for {SOUND_S:g} s")
            return call
        except RuntimeError as error:
            if "<Say" in str(error):
                self.refused += 1
            else:
                self.silent.append(str(error))
            return None
        told.up = datetime.now(UTC)
        self.waits.append(perf_counter() - asked)
        if talk_s is not None:
            await asyncio.sleep(talk_s)
            await self.end(load, call)
        return call

    async def end(self, load: Load, call: Call) -> None:
        """Hang up."""
        await load.end(call)
        told = next(each for each in self.told if each.call_sid == call.caller.call_sid)
        told.ended = datetime.now(UTC)


@dataclass(frozen=True)
class Outage:
    """``database`` in ``folder``; ``away``: the store is, from its beginning to its end."""

    name: str
    url: str
    folder: Path
    away: Callable[[Instance, float], contextlib.AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def frozen(server: Server, seconds: float) -> AsyncIterator[None]:
    """Its processes stand still: connections stay open, and nobody answers."""
    server.freeze()
    try:
        await asyncio.sleep(seconds)
        yield
    finally:
        server.thaw()


@contextlib.asynccontextmanager
async def ended(server: Server, seconds: float) -> AsyncIterator[None]:
    """It is shut down and started again."""
    await asyncio.to_thread(server.stop)
    try:
        await asyncio.sleep(seconds)
        yield
    finally:
        await asyncio.to_thread(server.start)


@contextlib.asynccontextmanager
async def locked(file: Path, seconds: float) -> AsyncIterator[None]:
    """Another process has it for itself."""
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LOCK, str(file), str(seconds)), stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"locked\n"
    assert await other.wait() == 0
    yield


@contextlib.asynccontextmanager
async def full(folder: Path, seconds: float) -> AsyncIterator[None]:
    """Somebody else has written it full."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    try:
        await asyncio.sleep(seconds)
        yield
    finally:
        filler.unlink()


@contextlib.asynccontextmanager
async def no_growth(bridge: Instance, seconds: float) -> AsyncIterator[None]:
    """No file of the process may grow: for machines on which no small disk can be mounted."""
    (child,) = bridge.children()
    _, hard = resource.prlimit(child, resource.RLIMIT_FSIZE)
    resource.prlimit(child, resource.RLIMIT_FSIZE, (1, hard))
    try:
        await asyncio.sleep(seconds)
        yield
    finally:
        resource.prlimit(child, resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def small_disk(megabytes: int) -> AsyncIterator[Path] | None:
    """A disk of its own; None where we may mount none."""
    with tempfile.TemporaryDirectory(prefix="callbridge-disk-") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", name]
        if os.geteuid() or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
            yield None
            return
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)


async def one(outage: Outage, args: argparse.Namespace, row: Row) -> None:
    """Calls before, during and after it."""
    port = free_ports(1)[0]
    token, url = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-bench-")))
        agent = await stack.enter_async_context(AgentServer(SHAPES[args.agent]))
        config = configuration(folder, url=url, agent=agent, token=token)
        config.write_text(config.read_text().replace(f"sqlite:///{folder}/calls.db", outage.url))
        bridge = Instance(folder, config, port, parent=True)
        await bridge.start()
        stack.push_async_callback(bridge.close)
        load = await stack.enter_async_context(
            loading(url, agent, account_sid=ACCOUNT, auth_token=token, keep_alive=False)
        )
        seen = Seen()
        for _ in range(args.calls):
            await seen.new(load, None)
        live = load.calls
        async with asyncio.TaskGroup() as group, load.measuring():
            arriving = group.create_task(arrivals(load, seen, args, group))
            await asyncio.sleep(MEDIUM_S)
            load.answers.clear()
            async with outage.away(bridge, args.seconds):
                during = list(load.answers)
                over = [each for each in seen.told if each.ended]
            back = perf_counter()
            await closed(outage.url, over)
            flushed = perf_counter() - back
            await asyncio.sleep(MEDIUM_S)
            arriving.cancel()
        lost = [call for call in live if call not in load.calls or call.caller.dropped]
        async with asyncio.TaskGroup() as group:
            for call in load.calls:
                group.create_task(seen.end(load, call))
        wrong = judged(seen, await closed(outage.url, seen.told))
        bridge.send(signal.SIGTERM)
        code = await bridge.ended()
        noticed = [line for line in bridge.lines() if line.get("event") == "store_away"]
    report(outage.name, row, load, seen, during)
    row("", f"{len(live) - len(lost)} of {len(live)} live calls to their end", not lost)
    text = f"{len(over)} that had ended meanwhile are in the store {flushed:.1f} s after its return"
    row("", text, flushed <= BACK_S and bool(noticed))
    row("", f"{len(seen.told)} records, {len(wrong)} of them wrong or out of order {wrong[:3] or ''}", not wrong)
    row("", f"the process ends with {code}", code == 0)


async def arrivals(load: Load, seen: Seen, args: argparse.Namespace, group: asyncio.TaskGroup) -> None:
    """New calls, ``--rate`` a second, until cancelled."""
    while True:
        group.create_task(seen.new(load, TALK_S))
        await asyncio.sleep(1 / args.rate)


def report(name: str, row: Row, load: Load, seen: Seen, during: list[float]) -> None:
    """The sound, and what new callers met."""
    up, down = load.up, load.down
    wrong = sum(each.lost + each.repeated + each.changed for each in (up, down))
    late = [*up.latencies, *down.latencies]
    row(name, f"{up.frames + down.frames} frames, {wrong} lost, repeated or changed", not wrong)
    row(
        "",
        f"sound late by p50 {quantile(late, 0.5) * 1000:.1f} ms, p99 {quantile(late, 0.99) * 1000:.0f} ms;"
        f" the load itself by p99 {quantile(load.late, 0.99) * 1000:.0f} ms",
        True,
    )
    row(
        "",
        f"{len(during)} new calls meanwhile, answered within p50 {quantile(during, 0.5) * 1000:.0f} ms,"
        f" at most {max(during, default=0) * 1000:.0f} ms;"
        f" {seen.refused} refused in words, {len(seen.silent)} in silence {seen.silent[:2] or ''};"
        f" first sound after {max(seen.waits, default=0):.1f} s at most",
        bool(during) and not seen.silent,
    )


async def closed(url: str, told: list[Told]) -> dict[str, CallRecord]:
    """The closed records of these calls, as soon as all are there; those that are there after a while."""
    database = Database(url)
    calls = Calls(database)
    records: dict[str, CallRecord] = {}
    until = perf_counter() + CLOSED_S
    try:
        while len(records) < len(told) and perf_counter() < until:
            for each in told:
                if each.call_sid in records:
                    continue
                with contextlib.suppress(StoreUnavailable):
                    record = await calls.get(each.call_sid)
                    if record is not None and record.status.terminal:
                        records[each.call_sid] = record
            await asyncio.sleep(0.05)
    finally:
        await database.close()
    return records


def judged(seen: Seen, records: dict[str, CallRecord]) -> list[str]:
    """What is wrong with them, each by itself and in their order."""
    wrong = [words for each in seen.told if (words := _wrong(each, records.get(each.call_sid)))]
    ordered = sorted((each for each in seen.told if each.call_sid in records), key=lambda each: each.began)
    offered = [records[each.call_sid].created_at for each in ordered]
    return wrong + [f"{later} is before {earlier}" for earlier, later in pairwise(offered) if later < earlier]


def _wrong(told: Told, record: CallRecord | None) -> str:
    if record is None:
        return f"{told.call_sid} has no closed record"
    if str(record.outcome) != "caller_hangup" or str(record.status) != "completed":
        return f"{told.call_sid} ended as {record.outcome}"
    times = ((told.began, record.created_at), (told.up, record.started_at), (told.ended, record.ended_at))
    for ours, theirs in times:
        if ours is None or theirs is None or abs((ours - theirs).total_seconds()) > NEAR_S:
            return f"{told.call_sid} has {theirs} where it was {ours}"
    at = [turn.at_ms for turn in record.turns]
    return "" if at == sorted(at) else f"{told.call_sid} has its turns out of order"


async def main(args: argparse.Namespace) -> int:
    """The table; 1 where something is not as it should be."""
    verdicts: list[bool] = []

    def row(name: str, text: str, good: bool) -> None:
        verdicts.append(good)
        print(f"{name:<26}{text}{'' if good else '   NOT reached'}", flush=True)

    wanted = args.only.split(",") if args.only else ["drain", "frozen", "ended", "locked", "full"]
    if "drain" in wanted:
        await drains(row)
    with contextlib.ExitStack() as stack:
        outages = []
        binaries = programs()
        if binaries is None:
            print("PostgreSQL is not installed here (apt-get install postgresql)")
        elif {"frozen", "ended"} & set(wanted):
            server = Server(binaries)
            stack.callback(server.remove)
            for name, away in (("frozen", frozen), ("ended", ended)):
                if name in wanted:
                    await server.execute(f"CREATE DATABASE outage_{name}")
                    stop = Outage(
                        f"PostgreSQL {name}",
                        server.url(f"outage_{name}"),
                        server.folder,
                        lambda _, seconds, away=away: away(server, seconds),
                    )
                    outages.append(stop)
        if "locked" in wanted:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-lock-")))
            file = folder / "calls.db"
            outages.append(
                Outage("SQLite locked", f"sqlite:///{file}", folder, lambda _, seconds: locked(file, seconds))
            )
        if "full" in wanted:
            disk = stack.enter_context(small_disk(8))
            if disk is not None:
                outages.append(
                    Outage("disk full", f"sqlite:///{disk}/calls.db", disk, lambda _, seconds: full(disk, seconds))
                )
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-full-")))
                outages.append(Outage("no file may grow", f"sqlite:///{folder}/calls.db", folder, no_growth))
        for outage in outages:
            await one(outage, args, row)
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.outages", description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="calls that are live all the time (%(default)s)")
    parser.add_argument("--rate", type=float, default=1.0, help="new ones in a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="that the store is away (%(default)s)")
    parser.add_argument("--only", help="some of drain,frozen,ended,locked,full")
    parser.add_argument("--agent", choices=tuple(SHAPES), default="16k")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
