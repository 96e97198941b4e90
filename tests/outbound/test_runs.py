"""The durable runs of attempts, on a real DBOS Transact: what was begun is ended, by whoever is there."""

import asyncio
import base64
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bridge.outbound.runs import Runs
from bridge.store import checkpoints
from bridge.store.attempts import Attempt
from bridge.store.database import Database

ATTEMPT = Attempt(call_id="call_1", from_number="+1", to_number="+2", due_us=0)
OTHER = replace(ATTEMPT, call_id="call_2")


class Steps:
    """What a run does, noted; ``until_over`` waits for the gate."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.gate = asyncio.Event()
        self.over = True
        self._changed = asyncio.Event()

    def note(self, what: str) -> None:
        """Something was done."""
        self.seen.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what is done."""
        async with asyncio.timeout(20):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def dial(self, call_id: str) -> None:
        """Asked."""
        self.note(f"dial {call_id}")

    async def until_over(self, call_id: str) -> bool:
        """Waited for."""
        self.note(f"until_over {call_id}")
        await self.gate.wait()
        return self.over

    async def settle(self, call_id: str) -> None:
        """Done."""
        self.note(f"settle {call_id}")


@asynccontextmanager
async def open_runs(database: Database, steps: Steps, executor: str = "one") -> AsyncIterator[Runs]:
    """The runs of a worker."""
    runs = Runs(database.place, executor=executor)
    await runs.open(steps)
    try:
        yield runs
    finally:
        await runs.close()


async def statuses(database: Database) -> dict[str, str]:
    """What the checkpoints say of each run."""

    def read() -> dict[str, str]:
        engine = checkpoints.connect(database.place)
        schema = "" if database.place.kind == "sqlite" else "dbos."
        with engine.connect() as connection:
            rows = connection.execute(text(f"SELECT workflow_uuid, status FROM {schema}workflow_status"))
            found = {str(row[0]): str(row[1]) for row in rows}
        engine.dispose()
        return found

    return await asyncio.to_thread(read)


async def ended(database: Database, *runs: str) -> None:
    """Wait until the checkpoints say so."""
    async with asyncio.timeout(20):
        while not set(runs) <= {run for run, status in (await statuses(database)).items() if status == "SUCCESS"}:
            await asyncio.sleep(0.02)


async def test_a_run_dials_waits_and_settles(database: Database) -> None:
    """In this order, each step once; while it is under way it is known to be."""
    steps = Steps()
    async with open_runs(database, steps) as runs:
        await runs.start(ATTEMPT)
        await steps.until(lambda: "until_over call_1" in steps.seen)
        assert runs.has(ATTEMPT)
        assert not runs.has(OTHER)
        steps.gate.set()
        await ended(database, "call_1.0")
        assert not runs.has(ATTEMPT)
    assert steps.seen == ["dial call_1", "until_over call_1", "settle call_1"]


async def test_an_attempt_that_is_to_be_dialled_again_has_another_run(database: Database) -> None:
    """The first one settles nothing; the next has another name, by how often the carrier was asked in vain."""
    steps = Steps()
    steps.over = False
    steps.gate.set()
    async with open_runs(database, steps) as runs:
        await runs.start(ATTEMPT)
        await ended(database, "call_1.0")
        steps.over = True
        await runs.start(replace(ATTEMPT, tries=1))
        await ended(database, "call_1.1")
    assert steps.seen.count("settle call_1") == 1
    assert steps.seen.count("dial call_1") == 2


async def test_an_attempt_has_one_run_however_often_it_is_begun(database: Database) -> None:
    """At once, one after the other, and after it has ended."""
    steps = Steps()
    async with open_runs(database, steps) as runs:
        await asyncio.gather(*(runs.start(ATTEMPT) for _ in range(5)))
        await steps.until(lambda: "until_over call_1" in steps.seen)
        await runs.start(ATTEMPT)
        steps.gate.set()
        await ended(database, "call_1.0")
        await runs.start(ATTEMPT)
        await runs.start(OTHER)
        await ended(database, "call_2.0")
    assert steps.seen.count("dial call_1") == 1


async def test_a_worker_of_the_same_name_goes_on_where_it_was(database: Database) -> None:
    """As after the configuration was read again: steps that were done are not done again."""
    first = Steps()
    async with open_runs(database, first) as runs:
        await runs.start(ATTEMPT)
        await first.until(lambda: "until_over call_1" in first.seen)
    assert "settle call_1" not in first.seen
    second = Steps()
    second.gate.set()
    async with open_runs(database, second):
        await ended(database, "call_1.0")
    assert second.seen == ["until_over call_1", "settle call_1"]


async def test_what_a_lost_worker_leaves_is_taken_over(database: Database) -> None:
    """By another one, when it is said to be lost, and not before."""
    first, second = Steps(), Steps()
    async with open_runs(database, first, "lost") as runs:
        await runs.start(ATTEMPT)
        await first.until(lambda: "until_over call_1" in first.seen)
    second.gate.set()
    async with open_runs(database, second, "other") as runs:
        assert await runs.take_over(lambda executor: executor != "lost") == 0
        assert await runs.take_over(lambda executor: executor == "lost") == 1
        await ended(database, "call_1.0")
        assert await runs.take_over(lambda executor: executor == "lost") == 0
    assert second.seen == ["until_over call_1", "settle call_1"]


async def test_a_call_whose_run_is_lost_or_over_has_one_again(database: Database) -> None:
    """The rows of the attempts are the truth: also where a backup was restored of one and not of the other."""
    steps = Steps()
    steps.gate.set()
    async with open_runs(database, steps) as runs:
        assert await runs.revive([]) == 0
        assert await runs.revive([ATTEMPT, OTHER]) == 2
        await ended(database, "call_1.0", "call_2.0")
        assert await runs.revive([ATTEMPT]) == 1
        await ended(database, "call_1.0")
        await steps.until(lambda: steps.seen.count("settle call_1") == 2)
        steps.gate.clear()
        assert await runs.revive([replace(OTHER, tries=1)]) == 1
        await steps.until(lambda: steps.seen.count("until_over call_2") == 2)
        assert await runs.revive([replace(OTHER, tries=1)]) == 0


async def test_runs_that_ended_are_forgotten(database: Database) -> None:
    """Those that are under way are not."""
    steps = Steps()
    steps.gate.set()
    async with open_runs(database, steps) as runs:
        await runs.start(ATTEMPT)
        await ended(database, "call_1.0")
        steps.gate.clear()
        await runs.start(OTHER)
        await steps.until(lambda: "until_over call_2" in steps.seen)
        assert await runs.purge(datetime.now(UTC) - timedelta(hours=1)) == 0
        assert await runs.purge(datetime.now(UTC) + timedelta(hours=1)) == 1
        assert await statuses(database) == {"call_2.0": "PENDING"}


async def test_nothing_is_pickled_and_no_number_is_kept(database: Database) -> None:
    """The checkpoints are JSON, and of a call they hold its id."""
    steps = Steps()
    steps.gate.set()
    async with open_runs(database, steps) as runs:
        await runs.start(ATTEMPT)
        await ended(database, "call_1.0")

    def read() -> list[str]:
        engine = checkpoints.connect(database.place)
        schema = "" if database.place.kind == "sqlite" else "dbos."
        with engine.connect() as connection:
            found = [
                str(value)
                for query in (
                    f"SELECT output, serialization FROM {schema}workflow_status",
                    f"SELECT output, serialization FROM {schema}operation_outputs",
                    f"SELECT inputs, 'portable_json' FROM {schema}workflow_input",
                )
                for row in connection.execute(text(query))
                for value in row
                if value is not None
            ]
        engine.dispose()
        return found

    found = await asyncio.to_thread(read)
    assert set(found) == {"null", "true", "portable_json", '{"namedArgs":{},"positionalArgs":["call_1"]}'}


async def test_a_pickle_among_the_checkpoints_is_not_opened(database: Database, tmp_path: Path) -> None:
    """Whoever can write the database must not run code in the worker; the call has a new run instead."""
    steps = Steps()
    async with open_runs(database, steps, "lost") as runs:
        await runs.start(ATTEMPT)
        await steps.until(lambda: "until_over call_1" in steps.seen)

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    poison = base64.b64encode(pickle.dumps({"args": (Trap(),), "kwargs": {}})).decode()

    def spoil() -> None:
        engine = checkpoints.connect(database.place)
        schema = "" if database.place.kind == "sqlite" else "dbos."
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE {schema}workflow_status SET serialization = 'py_pickle'"))
            connection.execute(text(f"UPDATE {schema}workflow_input SET inputs = :poison"), {"poison": poison})
        engine.dispose()

    await asyncio.to_thread(spoil)
    steps.gate.set()
    async with open_runs(database, steps, "other") as runs:
        await runs.take_over(lambda executor: executor == "lost")
        async with asyncio.timeout(20):
            while (await statuses(database))["call_1.0"] != "ERROR":
                await asyncio.sleep(0.02)
        assert await runs.revive([ATTEMPT]) == 1
        await ended(database, "call_1.0")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("module", ["bridge.app", "bridge.cli.serve", "bridge.outbound.engine"])
def test_the_process_that_carries_sound_does_not_load_it(module: str) -> None:
    """It is memory and threads that only a worker needs."""
    code = f"import sys, {module}; sys.exit('dbos' in sys.modules or 'psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
