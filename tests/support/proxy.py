"""A TCP proxy that makes trouble: `async with Proxy("127.0.0.1:9000") as proxy` listens on `proxy.port`."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from tests.standins.web import reset

PIECE = 16 * 1024


class Proxy:
    """Between a client and a server. What it does may be changed at any time, for connections that run too."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.port = 0
        self.delay = 0.0  # s, each piece
        self.swallow_up = False  # client to server: read and thrown away
        self.swallow_down = False  # server to client
        self.reads_down = asyncio.Event()  # cleared: what the server sends is not read at all
        self.reads_down.set()
        self.truncate_down: int | None = None  # so many bytes more of the server's, then FIN
        self.refuse = False
        self.connections = 0
        self.passed_down = 0
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    def cut(self) -> None:
        """FIN to both sides, without a close frame."""
        for writer in list(self._writers):
            writer.close()

    def reset(self) -> None:
        """RST to both sides."""
        for writer in list(self._writers):
            reset(writer.transport)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuse:
            reset(writer.transport)
            return
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(*self.target)
            self._writers |= {writer, back}
            ways = {
                asyncio.create_task(self._carry(reader, back, up=True)),
                asyncio.create_task(self._carry(there, writer, up=False)),
            }
            try:
                await asyncio.wait(ways)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                for end in (writer, back):
                    end.transport.abort() if end.transport.is_closing() else end.close()
                    self._writers.discard(end)
        self._links.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                if not up:
                    await self.reads_down.wait()
                piece = await reader.read(PIECE)
                if not piece:
                    break
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.swallow_up if up else self.swallow_down:
                    continue
                if not up:
                    if self.truncate_down is not None:
                        piece = piece[: self.truncate_down]
                        self.truncate_down -= len(piece)
                    self.passed_down += len(piece)
                writer.write(piece)
                await writer.drain()
                if self.truncate_down == 0 and not up:
                    break
            writer.close()
