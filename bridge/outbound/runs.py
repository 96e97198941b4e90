"""The durable run of an attempt, on DBOS Transact: dial, wait for what becomes of it, settle.

A run that was killed goes on with the step that was not finished, in this worker or another. A step may therefore happen twice,
and each of them is written so that it does no harm then (``Dialler``, ``Outcomes``): what may be dialled is decided by the row of
the attempt alone.

Imported by workers only: it is a third of their memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, Protocol

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowSerializationFormat
from dbos._serialization import DefaultSerializer
from sqlalchemy import Engine

from bridge.store import checkpoints
from bridge.store.attempts import Attempt
from bridge.store.failures import OUTAGES, verdict
from bridge.store.url import Place

NAME: Final = "attempt"  # of the workflow
VERSION: Final = "1"  # of its steps and their order: only another of these would strand the runs of a deploy
THREADS: Final = 8  # that DBOS asks its database from
NOTICED_S: Final = 0.2  # until its threads notice that they are to end
OLDEST: Final = 500  # runs that are forgotten at a time
CLOSE_S: Final = 10.0
WAITING: Final = frozenset({"PENDING", "ENQUEUED", "DELAYED"})


class Steps(Protocol):
    """What a run does (``outbound.engine.Engine``). None of it raises but where the worker ends; all may be asked for again."""

    async def dial(self, call_id: str) -> None:
        """Ask the carrier for the call, if nobody has been about to before."""
        ...

    async def until_over(self, call_id: str) -> bool:
        """Wait until the call has ended, asking the carrier where nothing is heard; False: it is to be dialled again."""
        ...

    async def settle(self, call_id: str) -> None:
        """Draw the consequences."""
        ...


class Runs:
    """Those of one worker, which is ``executor``. There is one of these in a process at a time, as there is of DBOS."""

    def __init__(self, place: Place, *, executor: str) -> None:
        self._place = place
        self._executor = executor
        self._live: dict[str, asyncio.Task[Any] | None] = {}
        self._begin: Callable[[str], Coroutine[Any, Any, None]] | None = None
        self._engine: Engine | None = None

    async def open(self, steps: Steps) -> None:
        """Go on with what this executor has left, and be ready for more. Raises StoreUnavailable."""
        quiet = logging.getLogger("dbos")  # or it writes to stderr, past the redactor
        if not quiet.handlers:
            quiet.addHandler(logging.NullHandler())
        DefaultSerializer.deserialize = _refused  # type: ignore[assignment, method-assign]

        async def attempt(call_id: str) -> None:
            run = DBOS.workflow_id or call_id
            self._live[run] = asyncio.current_task()
            try:
                await DBOS.run_step_async({"name": "dial"}, steps.dial, call_id)
                if await DBOS.run_step_async({"name": "until_over"}, steps.until_over, call_id):
                    await DBOS.run_step_async({"name": "settle"}, steps.settle, call_id)
            finally:
                self._live.pop(run, None)

        self._engine = await asyncio.to_thread(checkpoints.connect, self._place)
        config: DBOSConfig = {
            "name": "callbridge",
            "application_version": VERSION,
            "executor_id": self._executor,
            "system_database_engine": self._engine,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,  # a pooler in transaction mode has none
            "notification_listener_polling_interval_sec": NOTICED_S,
            "max_executor_threads": THREADS,
            "log_level": "ERROR",
        }
        DBOS(config=config)
        decorate = DBOS.workflow(
            name=NAME, max_recovery_attempts=None, serialization_type=WorkflowSerializationFormat.PORTABLE
        )
        self._begin = decorate(attempt)
        try:
            DBOS.launch()
        except OUTAGES as error:
            await self.close()
            raise verdict(error) from None  # the driver's own words may quote what is stored

    def has(self, attempt: Attempt) -> bool:
        """It is under way here."""
        return _run_of(attempt) in self._live

    async def start(self, attempt: Attempt) -> None:
        """Begin its run; nothing where it has one, wherever that is."""
        run = _run_of(attempt)
        if run in self._live or self._begin is None:
            return
        self._live[run] = None
        try:
            with SetWorkflowID(run):
                handle = await DBOS.start_workflow_async(self._begin, attempt.call_id)
        finally:
            if self._live.get(run) is None:  # it has its own entry as soon as it runs
                self._live.pop(run, None)
        del handle

    async def revive(self, attempts: Sequence[Attempt]) -> int:
        """Begin the runs of those that have none, or whose run is over though they are not; how many."""
        missing = {_run_of(each): each for each in attempts if not self.has(each)}
        if not missing:
            return 0
        known = await DBOS.list_workflows_async(workflow_ids=list(missing), load_input=False, load_output=False)
        over = [each.workflow_id for each in known if each.status not in WAITING]
        if over:
            await DBOS.delete_workflows_async(over)
        begun = set(missing) - {each.workflow_id for each in known if each.status in WAITING}
        for run in begun:
            await self.start(missing[run])
        return len(begun)

    async def take_over(self, lost: Callable[[str], bool]) -> int:
        """Have the runs of executors that are ``lost`` gone on with by whoever is there; how many."""
        pending = await DBOS.list_workflows_async(status="PENDING", name=NAME, load_input=False, load_output=False)
        orphans = [
            each.workflow_id
            for each in pending
            if each.executor_id and each.executor_id != self._executor and lost(each.executor_id)
        ]
        if orphans:
            await DBOS.resume_workflows_async(orphans)
        return len(orphans)

    async def purge(self, before: datetime) -> int:
        """Forget runs that ended before ``before``, some at a time; how many."""
        old = await DBOS.list_workflows_async(
            completed_before=before.isoformat(), limit=OLDEST, load_input=False, load_output=False
        )
        if old:
            await DBOS.delete_workflows_async([each.workflow_id for each in old])
        return len(old)

    async def close(self) -> None:
        """Leave every run where it is: whoever has this executor's name, or finds it gone, goes on with them."""
        tasks = [task for task in self._live.values() if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as aside:  # it joins its threads, and ends the ones that the loop has from it
            await loop.run_in_executor(aside, self._destroy)
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="asyncio"))  # DBOS took the loop's own

    def _destroy(self) -> None:
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()


def _run_of(attempt: Attempt) -> str:
    """Its id: an attempt that goes back into the queue has another run the next time."""
    return f"{attempt.call_id}.{attempt.tries}"


def _refused(_: DefaultSerializer, __: str) -> Any:
    """DBOS unpickles a checkpoint that says of itself that it is pickled: whoever wrote that row would run code here."""
    raise ValueError("a checkpoint that is no JSON")
