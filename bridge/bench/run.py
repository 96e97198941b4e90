"""One run: a bridge on a core of its own, N calls against it for S seconds, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.bench.agent import AgentServer, Shape
from bridge.bench.figures import Figures, Way, quantile
from bridge.bench.load import Load, cpu_now, loading
from bridge.bench.process import Subject, cores, descriptors, listen, subject, this_bridge
from bridge.bench.track import Tally
from bridge.store.database import Database

WIDE: Final = AudioFormat(Encoding.PCM16, 16000)
WIDER: Final = AudioFormat(Encoding.PCM16, 24000)
SHAPES: Final = {
    "16k": Shape("xuna", WIDE, WIDE),
    "24k": Shape("kura", WIDER, WIDER),
    "ulaw": Shape("xuna", TELEPHONE, WIDE),
}
ACCOUNT: Final = "AC" + "0123456789abcdef" * 2
WARM_S: Final = 2.0  # of all calls, before it counts
SETTLE_S: Final = 0.5
SOCKETS: Final = 2  # of a call: the carrier's and the agent's


@dataclass(frozen=True, slots=True)
class Rig:
    """A bridge under load, running."""

    load: Load
    bridge: Subject
    rest: int  # bytes of memory after one call
    config: Path  # of the bridge


Command = Callable[[Path, AgentServer], Sequence[str]]


def configuration(
    folder: Path, *, url: str, agent: AgentServer, token: str, max_calls: int = 100_000, loop_lag_ms: int = 0
) -> Path:
    """A whole bridge: records on disk, metrics on, one agent for every number. ``loop_lag_ms``: 0 never refuses for it."""
    if agent.shape.provider == "kura":
        table = 'provider = "kura"\nassistant_id = 1'
    else:
        table = 'provider = "xuna"\nagent_id = "agent_bench"'
    file = folder / "bridge.toml"
    file.write_text(
        f"""public_url = "{url}"
database_url = "sqlite:///{folder}/calls.db"
max_calls = {max_calls}
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{token}"
api_base_url = "{agent.base_url}"
[limits]
calls_per_caller = 0
loop_lag_ms = {loop_lag_ms}
[agents.bench]
{table}
api_key = "{secrets.token_hex(16)}"
base_url = "{agent.base_url}"
[[lines]]
number = "*"
agent = "bench"
[api]
keys = ["{secrets.token_hex(16)}"]
"""
    )
    file.chmod(0o600)
    return file


@contextlib.asynccontextmanager
async def rig(
    shape: Shape,
    *,
    pinned: bool = True,
    command: Command | None = None,
    keep_alive: bool = True,
    max_calls: int = 100_000,
    loop_lag_ms: int = 0,
) -> AsyncIterator[Rig]:
    """A bridge (ours; or what ``command`` runs) and the load for it, each on its core, with one call made before."""
    own = cores() if pinned else None
    before = os.sched_getaffinity(0) if own else set()
    token = secrets.token_hex(16)
    try:
        if own:
            os.sched_setaffinity(0, {own[1]})
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callbridge-bench-")))
            agent = await stack.enter_async_context(AgentServer(shape))
            listener = stack.enter_context(contextlib.closing(listen()))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            file = configuration(
                folder, url=url, agent=agent, token=token, max_calls=max_calls, loop_lag_ms=loop_lag_ms
            )
            if command is None:  # as at every start but the first
                database = Database(f"sqlite:///{folder}/calls.db")
                await database.migrate()
                await database.close()
            run = this_bridge(file) if command is None else command(file, agent)
            core = own[0] if own else None
            bridge = await stack.enter_async_context(subject(run, listener, core=core, log=folder / "bridge.log"))
            load = await stack.enter_async_context(
                loading(url, agent, account_sid=ACCOUNT, auth_token=token, keep_alive=keep_alive)
            )
            await load.begin_many(1)  # what is made or imported at the first call is no call's own
            await load.end_all()
            await asyncio.sleep(SETTLE_S)
            yield Rig(load, bridge, (await bridge.report()).rss, file)
    finally:
        if own:
            os.sched_setaffinity(0, before)


async def measure(rig: Rig, calls: int, seconds: float) -> Figures:
    """``calls`` calls for ``seconds``; they are hung up at the end, and every frame is accounted for.

    Raises RuntimeError, in words, where they do not all come up; those that did are hung up.
    """
    load, bridge = rig.load, rig.bridge
    for tally in (load.up, load.down):
        tally.__init__()  # type: ignore[misc]  # tracks hold it
    load.late.clear()
    load.answers.clear()
    load.troubles.clear()
    try:
        await load.begin_many(calls)
    except RuntimeError:
        await load.end_all()
        raise
    await asyncio.sleep(WARM_S)
    before = await bridge.report(reset=True)
    began, generator = perf_counter(), cpu_now()
    async with load.measuring():
        await asyncio.sleep(seconds)
    after, took = await bridge.report(), perf_counter() - began
    generator = (cpu_now() - generator) / took
    dropped = load.dropped
    await load.end_all()
    cpu = after.cpu_s - before.cpu_s
    return Figures(
        calls=calls,
        agent=_name(load.shape),
        seconds=seconds,
        cpu_per_call_s=cpu / took / calls,
        kernel=(after.kernel_s - before.kernel_s) / cpu if cpu else 0.0,
        core=cpu / took,
        up=_way(load.up),
        down=_way(load.down),
        rss_rest=rig.rest,
        rss=after.rss,
        worst_collection_s=after.worst_collection_s,
        late_s=quantile(load.late, 0.99),
        generator=generator,
        dropped=dropped + len(load.troubles),
        answers=tuple(load.answers),
    )


async def burst(rig: Rig, *, rate: float, seconds: float, talk_s: float = 1.0) -> list[float]:
    """``rate`` new calls a second beside those that are up, each of ``talk_s``: the webhook's answer times, s.

    What does not come up is in ``load.troubles``, in words.
    """
    load = rig.load
    load.answers.clear()
    load.troubles.clear()
    began = perf_counter()

    async def one() -> None:
        try:
            call = await load.begin()
        except RuntimeError as error:
            load.troubles.append(str(error))
            return
        await asyncio.sleep(talk_s)
        await load.end(call)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(began + number / rate - perf_counter(), 0))
            group.create_task(one())
    return list(load.answers)


async def crowd(rig: Rig, *, rate: float, seconds: float) -> tuple[int, list[float]]:
    """``rate`` webhooks a second for a bridge that is full: how many were let in, and the answer times of the others, s."""
    began, admitted, answers = perf_counter(), 0, list[float]()

    async def one() -> None:
        nonlocal admitted
        caller = rig.load.stranger()
        if caller.admits(await caller.ask()):
            admitted += 1
        else:
            answers.append(caller.answer_s)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(began + number / rate - perf_counter(), 0))
            group.create_task(one())
    return admitted, answers


async def law(rig: Rig, counts: Sequence[int], *, patience_s: float = 10.0) -> list[tuple[int, int]]:
    """(calls up, descriptors), without what the HTTP client keeps; given time, since sockets close a moment after a call."""
    pid, port = rig.bridge.process.pid, int(rig.load.agent.base_url.rpartition(":")[2])
    found: list[tuple[int, int]] = []
    for count in counts:
        await rig.load.begin_many(count)
        until = perf_counter() + patience_s
        wanted = None if not found else found[0][1] + SOCKETS * (count - found[0][0])
        while (at := descriptors(pid, apart=port)[0]) != wanted and perf_counter() < until:
            await asyncio.sleep(0.1 if wanted is not None else SETTLE_S)
            if wanted is None:
                wanted = at  # the first: twice the same
        found.append((count, at))
        await rig.load.end_all()
    return found


def _way(tally: Tally) -> Way:
    values = tally.latencies
    return Way(
        frames=tally.frames,
        lost=tally.lost,
        wrong=tally.repeated + tally.changed + tally.unreadable,
        unreadable=tally.unreadable,
        p50=quantile(values, 0.5),
        p99=quantile(values, 0.99),
        worst=max(values, default=0.0),
    )


def _name(shape: Shape) -> str:
    return next(name for name, each in SHAPES.items() if each == shape)
