"""Threads that are there before anybody needs them.

Where no more can be begun (a limit of processes, a container's of pids) a pool that would grow raises in whatever task
hands it work, and libuv, which resolves names in threads, aborts the process with every call in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bridge.errors import BridgeError

WORKERS: Final = 8  # for what the loop must not do itself: files, the asyncio way of resolving names


def begun(size: int, name: str) -> ThreadPoolExecutor:
    """A pool with all its threads. Raises BridgeError where so many cannot be begun."""
    pool = ThreadPoolExecutor(size, thread_name_prefix=name)
    together = threading.Barrier(size)  # a pool begins a thread only where all that it has are at work
    try:
        for _ in range(size):
            pool.submit(together.wait)
    except RuntimeError:
        together.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        raise BridgeError(
            f"{size} threads ({name}) cannot be begun.",
            hint="Raise the limit of threads of this user or container: ulimit -u, TasksMax, pids.max.",
        ) from None
    return pool


async def begin() -> None:
    """Give the running loop all the threads that it will want. Raises BridgeError. Once for each loop, at the start."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(begun(WORKERS, "worker"))
    with contextlib.suppress(OSError):  # whatever comes of it: the threads that look names up are there from now on
        await loop.getaddrinfo("localhost", 0)


def close(runner: asyncio.Runner) -> None:
    """End the loop. Its threads are ended by another one, which may not be to be had: the process ends them then."""
    with contextlib.suppress(RuntimeError):
        runner.close()
