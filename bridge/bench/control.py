"""What a measured process tells of itself, over a socket that it was given. Needs nothing but Python.

Request: a line, ``report`` or ``reset``; ``watch`` besides measures how late the event loop is, from then on. Answer: a line
of JSON: processor seconds, memory, garbage collections, and the latenesses where they are watched.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import socket
import sys
from time import perf_counter
from typing import Any, Final

WATCH_S: Final = 0.01  # between two looks at the loop: half a frame


class Control:
    """Answers on ``fd``. ``more`` adds to each report; ``reset`` begins pauses anew."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._began = 0.0
        self._pauses: list[tuple[int, float]] = []
        self._lags: list[float] = []
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = perf_counter()
        else:
            self._pauses.append((info["generation"], perf_counter() - self._began))

    async def run(self) -> None:
        """Answer until the other end is gone; then this process has no reason to live."""
        reader, writer = await asyncio.open_connection(sock=self._socket)
        watching: asyncio.Task[None] | None = None
        while line := await reader.readline():
            if line.strip() == b"reset":
                self._pauses.clear()
                self._lags.clear()
            if line.strip() == b"watch" and watching is None:
                watching = asyncio.create_task(self._watch())
            writer.write(json.dumps(self.report()).encode() + b"\n")
            await writer.drain()
        os._exit(0)

    async def _watch(self) -> None:
        """What a sleep takes beyond its time is what a frame of sound waits too."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(WATCH_S)
            self._lags.append(max(loop.time() - began - WATCH_S, 0.0))

    def report(self) -> dict[str, Any]:
        """How this process is."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_s": used.ru_utime + used.ru_stime,
            "kernel_s": used.ru_stime,
            "rss": resident(),
            "gc": [self._generation(number) for number in range(3)],
            "lags": self._lags,
        }

    def _generation(self, number: int) -> dict[str, float]:
        pauses = [seconds for generation, seconds in self._pauses if generation == number]
        return {"count": len(pauses), "worst_s": max(pauses, default=0.0), "total_s": sum(pauses)}


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that a process holds: now where the system tells (Linux), at most elsewhere (this process only)."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 - pathlib would be its largest import
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
