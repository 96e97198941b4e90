"""What every end-to-end test must leave behind: nothing."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog


class Logs(list[dict[str, Any]]):
    """What was logged. ``forgive`` takes back errors that a test provokes on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.forgiven: set[str] = set()

    def of(self, event: str) -> list[dict[str, Any]]:
        """All lines of one kind."""
        return [line for line in self if line["event"] == event]

    def forgive(self, event: str) -> None:
        """Errors of this kind are expected."""
        self.forgiven.add(event)


def open_files() -> dict[str, str]:
    """Every file descriptor and what it is."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[link.name] = str(link.readlink())
        except OSError:  # it was the listing's own
            continue
    return found


@pytest.fixture(autouse=True)
async def logs(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Logs]:
    """What the bridge logs; afterwards no task, file, thread or error may be left."""
    gc.collect()
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    files = open_files()
    lines = Logs()

    def keep(_: object, level: str, line: dict[str, Any]) -> dict[str, Any]:
        lines.append({**line, "log_level": level})
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[keep])
    try:
        yield lines
    finally:
        structlog.configure(processors=before)
    deadline = time.monotonic() + 3.0
    while True:
        gc.collect()
        left = [
            *(f"task {task.get_name()}" for task in asyncio.all_tasks() - tasks - {asyncio.current_task()}),
            *(f"thread {thread.name}" for thread in set(threading.enumerate()) - threads if not idle(thread)),
            *(f"file {name} {what}" for name, what in (open_files().items() - files.items())),
        ]
        if not left or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.02)
    assert not left
    assert not [
        line for line in lines if line["log_level"] in {"error", "critical"} and line["event"] not in lines.forgiven
    ]
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert not loud


def idle(thread: threading.Thread) -> bool:
    """A worker of the loop's own pool: made on demand, at most a few, and kept."""
    return thread.name.startswith("asyncio_")
