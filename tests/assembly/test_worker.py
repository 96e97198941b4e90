"""bridge/assembly/worker.py: the worker that a server starts beside itself."""

import asyncio
import errno
import os
import sys
from typing import Any

import pytest

from bridge.assembly import worker


async def test_f47_a_worker_that_cannot_be_started_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process more may be begun the server goes on, and starts it when there is room again."""
    start, tries = asyncio.create_subprocess_exec, 0

    async def scarce(*command: str) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return await start(sys.executable, "-c", "raise SystemExit(2)")  # as one that was used wrongly: not again

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    monkeypatch.setattr(worker, "RESTART_S", (0.0,))
    async with asyncio.timeout(10):
        await worker.OwnWorker([]).run()
    assert tries == 3
