"""The worker process, put together; and how a server starts one for itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from bridge import settings as config
from bridge.assembly.engine import engine_of, lines_of
from bridge.assembly.events import Telling
from bridge.carriers.twilio.rest import TwilioRest
from bridge.errors import StoreUnavailable
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.instances import Instances
from bridge.store.outbox import Outbox

STOP_S: Final = 15.0  # one request to the carrier may be under way
RESTART_S: Final = (0.2, 1.0, 5.0, 15.0)

log = structlog.get_logger("bridge.worker")


def name() -> str:
    """Of a worker: of one run of a process."""
    return f"worker-{socket.gethostname()[:40]}-{secrets.token_hex(4)}"


async def work(settings: config.Settings, stop: asyncio.Event, *, owner: str, last: Callable[[], bool]) -> None:
    """Place the calls that wait, until ``stop``. ``last``: nobody of this name goes on afterwards."""
    twilio = settings.carriers.twilio
    assert twilio is not None, "callbridge serve and worker refuse such settings"
    database = Database(settings.database_url)
    rest = TwilioRest(
        twilio.account_sid, twilio.auth_token[0], api_base_url=twilio.api_base_url, timeout_s=twilio.timeout_s
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(rest.close)
        stack.push_async_callback(database.close)
        if not await _ready(database, stop):
            return
        calls = Calls(database)
        # What it writes of calls is told of too; the servers deliver it.
        telling = Telling(settings, database=database, outbox=Outbox(database), calls=calls, agents={})
        stack.push_async_callback(telling.close)
        from bridge.outbound.runs import Runs  # not before: only a worker has it

        runs, workers = Runs(database.place, executor=owner), Instances(database, kind="worker")
        engine = engine_of(
            settings,
            lines_of(settings),
            database,
            calls,
            rest,
            owner=owner,
            runs=runs,
            finished=telling.campaign_finished,
        )
        await workers.beat(owner, active_calls=0, draining=True)  # or another would take its first runs for orphans
        await runs.open(engine)
        stack.push_async_callback(_leave, workers, owner, last)
        stack.push_async_callback(runs.close)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(engine.run())
            log.info("working", owner=owner)
            await stop.wait()
            engine.stop()
            await asyncio.wait({running}, timeout=STOP_S)
            running.cancel()


async def _ready(database: Database, stop: asyncio.Event) -> bool:
    """The database is there and up to date; False where ``stop`` came first. Raises as ``migrate`` does."""
    migrating, stopped = asyncio.create_task(database.migrate()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({migrating, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if migrating.done():
            await migrating
        return migrating.done()
    finally:
        migrating.cancel()
        stopped.cancel()
        await asyncio.gather(migrating, stopped, return_exceptions=True)


async def _leave(workers: Instances, owner: str, last: Callable[[], bool]) -> None:
    """The others take over at once."""
    if last():
        with contextlib.suppress(StoreUnavailable):
            await workers.leave(owner)


class OwnWorker:
    """The worker that a server on a single machine starts beside itself, and starts again when it dies."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "bridge", "worker", *arguments, "--parent", str(os.getpid())]
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until ``stop``, or cancelled."""
        died = 0
        try:
            while not self._stopping.is_set():
                began = asyncio.get_running_loop().time()
                try:
                    self._process = await asyncio.create_subprocess_exec(*self._command)
                except OSError as error:  # no process more, no memory, no descriptor: the calls go on without it
                    log.error("worker_not_started", error=error.strerror)  # noqa: TRY400 - ours is not the fault
                else:
                    if self._stopping.is_set():  # told so while it was being started
                        self._process.terminate()
                    code = await self._process.wait()
                    if self._stopping.is_set() or code == 2:  # used wrongly: it would be so again
                        return
                    log.error("worker_died", code=code)
                died = 0 if asyncio.get_running_loop().time() - began > RESTART_S[-1] else died + 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RESTART_S[min(died, len(RESTART_S) - 1)]):
                        await self._stopping.wait()
        finally:
            self.stop()
            if self._process is not None and self._process.returncode is None:
                await self._process.wait()

    def renew(self) -> None:
        """The configuration was read again: the worker reads it too."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Begin nothing more: the server drains."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
