"""The worker that a server starts beside itself, and starts again when it dies. (tests/cli has the command that it runs.)"""

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.assembly import worker as subject
from bridge.assembly.worker import OwnWorker, work
from bridge.settings import Settings
from tests.support.house import ACCOUNT, TOKEN

# What stands for the worker: it notes that it was started and with which words, and then does as it is told.
PROGRAM = """
import os, signal, sys
folder, what = sys.argv[1:3]
signal.signal(signal.SIGHUP, lambda *_: os.write(note, b"again\\n"))
note = os.open(folder + "/noted", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
started = open(folder + "/noted").read().count("started")
os.write(note, b"started " + " ".join(sys.argv[3:]).encode() + b"\\n")
if what == "wrong":
    sys.exit(2)
if what == "dies" and started < 2:
    sys.exit(1)
while True:
    signal.pause()
"""


def children() -> set[str]:
    """The processes that we have started and that are there."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


class Stage:
    """An own worker, whose process is the program above."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = monkeypatch
        self.tasks: list[asyncio.Task[None]] = []

    def begin(self, what: str) -> OwnWorker:
        """It runs, and does this."""
        program = self.folder / "program.py"
        program.write_text(PROGRAM)
        launcher = self.folder / "python"
        launcher.write_text(f'#!/bin/sh\nshift 3\nexec "{sys.executable}" "{program}" "{self.folder}" {what} "$@"\n')
        launcher.chmod(0o700)
        self._patch.setattr(subject.sys, "executable", str(launcher))
        made = OwnWorker(["--config", "some.toml"])
        self.tasks.append(asyncio.create_task(made.run()))
        return made

    def noted(self) -> list[str]:
        """What its processes wrote."""
        file = self.folder / "noted"
        return file.read_text().splitlines() if file.exists() else []

    async def until(self, count: int) -> list[str]:
        """That it has written so many lines."""
        async with asyncio.timeout(30):
            while len(self.noted()) < count:
                await asyncio.sleep(0.01)
        return self.noted()

    async def over(self) -> None:
        """``run`` has returned."""
        async with asyncio.timeout(30):
            await self.tasks[0]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """One that leaves no process."""
    monkeypatch.setattr(subject, "RESTART_S", (0.0, 0.0, 0.0, 15.0))
    made = Stage(tmp_path, monkeypatch)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_it_is_told_whose_it_is(stage: Stage) -> None:
    """The server's own arguments, and its process: the worker ends when that is gone."""
    stage.begin("stays")
    assert await stage.until(1) == [f"started --config some.toml --parent {os.getpid()}"]


async def test_a_worker_that_dies_is_started_again(stage: Stage) -> None:
    """And the log says with which code it died."""
    with capture_logs() as lines:
        stage.begin("dies")
        assert len(await stage.until(3)) == 3
    assert [(line["event"], line["code"]) for line in lines] == [("worker_died", 1)] * 2


async def test_a_worker_that_was_used_wrongly_is_not(stage: Stage) -> None:
    """It would be so again: it has said why, and the server goes on without it."""
    with capture_logs() as lines:
        stage.begin("wrong")
        await stage.over()
    assert len(stage.noted()) == 1
    assert lines == []


async def test_a_server_that_drains_stops_it(stage: Stage) -> None:
    """It is told to end, and is not started again."""
    worker = stage.begin("stays")
    await stage.until(1)
    with capture_logs() as lines:
        worker.stop()
        await stage.over()
    assert len(stage.noted()) == 1
    assert lines == []


async def test_a_server_that_ends_leaves_no_worker(stage: Stage) -> None:
    """Whoever cancels it waits for the process."""
    others = children()  # a database server, say
    stage.begin("stays")
    await stage.until(1)
    assert children() - others
    stage.tasks[0].cancel()
    await asyncio.gather(stage.tasks[0], return_exceptions=True)
    assert not children() - others


async def test_a_configuration_that_was_read_again_is_read_by_it_too(stage: Stage) -> None:
    """In the same process."""
    worker = stage.begin("stays")
    await stage.until(1)
    worker.renew()
    assert (await stage.until(2))[1] == "again"


async def test_a_server_that_drains_at_once_starts_none(stage: Stage) -> None:
    """Told to read its configuration, and to stop, before there was a process."""
    worker = stage.begin("stays")
    worker.renew()
    worker.stop()
    await stage.over()
    assert stage.noted() == []


async def test_a_worker_that_is_just_being_started_ends_too(stage: Stage) -> None:
    """Its process was not there yet when the server began to drain."""
    worker = stage.begin("stays")
    await asyncio.sleep(0)
    worker.stop()
    await stage.over()


async def test_a_drain_does_not_start_the_worker_that_has_just_died(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would dial for a server that takes nobody's calls any more."""
    monkeypatch.setattr(subject, "RESTART_S", (60.0, 60.0))
    with capture_logs() as lines:
        worker = stage.begin("dies")
        async with asyncio.timeout(30):
            while not lines:
                await asyncio.sleep(0.01)
        worker.stop()
        await stage.over()
    assert len(stage.noted()) == 1


async def test_a_worker_that_waits_for_its_database_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """It has begun nothing: whoever stops the service does not wait for a database that is away."""
    file = tmp_path / "bridge.toml"
    file.write_text(
        f"""
public_url = "https://bridge.example.com"
database_url = "postgresql://nobody@127.0.0.1:1/none"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
[agents.demo]
provider = "demo"
"""
    )
    stop = asyncio.Event()
    async with asyncio.timeout(20):
        working = asyncio.create_task(work(Settings.load(str(file), {}), stop, owner="worker-1", last=lambda: True))
        stop.set()
        await working


async def test_f47_a_worker_that_cannot_be_started_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process more may be begun the server goes on, and starts it when there is room again."""
    start, tries = asyncio.create_subprocess_exec, 0

    async def scarce(*command: str) -> asyncio.subprocess.Process:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return await start(sys.executable, "-c", "raise SystemExit(2)")  # as one that was used wrongly: not again

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    monkeypatch.setattr(subject, "RESTART_S", (0.0,))
    async with asyncio.timeout(10):
        await OwnWorker([]).run()
    assert tries == 3
