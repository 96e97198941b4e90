"""The measured process, from outside: started on a core of its own, asked how it is, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

START_S: Final = 30.0
LOOK_S: Final = (
    1.0  # of one look whether it is ready: its listener is ours, so a request is taken though nobody serves it
)
TOLD: Final = 2000  # characters of its log, the last ones
ANSWER_S: Final = 10.0
LINE: Final = 1 << 22  # bytes of a report: a minute of latenesses and more


@dataclass(frozen=True, slots=True)
class Report:
    """What a process told of itself."""

    cpu_s: float
    kernel_s: float  # of these
    rss: int
    collections: tuple[int, ...]  # by generation
    worst_collection_s: float
    lags: tuple[float, ...] = ()  # by how much the loop was late, s, where that is watched


class Subject:
    """A running bridge. Its pid, its address, and its line."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, reader: Any, writer: Any) -> None:
        self.process = process
        self.url = url
        self._reader = reader
        self._writer = writer

    async def report(self, *, reset: bool = False) -> Report:
        """How it is now; ``reset``: pauses are counted from here."""
        async with asyncio.timeout(ANSWER_S):
            self._writer.write(b"reset\n" if reset else b"report\n")
            told = json.loads(await self._reader.readline())
        return Report(
            told["cpu_s"],
            told["kernel_s"],
            told["rss"],
            tuple(each["count"] for each in told["gc"]),
            max(each["worst_s"] for each in told["gc"]),
            tuple(told.get("lags", ())),
        )

    async def watch(self) -> None:
        """From now on, measure how late its event loop is."""
        async with asyncio.timeout(ANSWER_S):
            self._writer.write(b"watch\n")
            await self._reader.readline()


def descriptors(pid: int, *, apart: int) -> tuple[int, int]:
    """Open files and sockets of a process, and beside them its connections to ``apart``, a port of loopback: an HTTP client
    keeps those that it may need again for a while. Linux only.
    """
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    pooled = {f"socket:[{each[9]}]" for each in fields if int(each[2].rpartition(":")[2], 16) == apart}
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    others = sum(name in pooled for name in found)
    return len(found) - others, others


def cores() -> tuple[int, int] | None:
    """One for the bridge and one for the load; None where there is only one, or no way to choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else None


def listen() -> socket.socket:
    """A free port of loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


@contextlib.asynccontextmanager
async def subject(
    command: Sequence[str], listener: socket.socket, *, core: int | None, log: Path, ready: str = "/readyz"
) -> AsyncIterator[Subject]:
    """``command LISTENER_FD CONTROL_FD`` as a running bridge. Raises RuntimeError where it does not start."""
    ours, theirs = socket.socketpair()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command, once
            [*command, str(listener.fileno()), str(theirs.fileno())],
            pass_fds=[listener.fileno(), theirs.fileno()],
            stdout=output,
            stderr=output,
        )
    theirs.close()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    reader, writer = await asyncio.open_connection(sock=ours, limit=LINE)
    try:
        await _until_ready(process, url + ready, log)
        yield Subject(process, url, reader, writer)
    finally:
        writer.close()  # which ends it
        try:
            await asyncio.to_thread(process.wait, ANSWER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LOOK_S)) as http:
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(url) as response:
                    if response.status < 300:
                        return
            await asyncio.sleep(0.1)
    ended = (
        f"it was not ready within {START_S:g} s" if process.poll() is None else f"it ended with {process.returncode}"
    )
    words = log.read_text(errors="replace")[-TOLD:].strip() or "there is nothing in its log"
    raise RuntimeError(f"the bridge did not start ({ended}): {words}")


def this_bridge(config: Path) -> list[str]:
    """The command of the bridge that is installed here."""
    return [sys.executable, "-m", "bridge.bench.subject", str(config)]
