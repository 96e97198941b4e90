"""A proxy that does its work badly, as some do: between doctor and bridge."""

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Passes bytes on. ``replace``: in what comes from the client; ``cut_after``: seconds, of every connection."""

    def __init__(
        self, port: int, target: int, *, replace: dict[bytes, bytes] | None = None, cut_after: float = 60.0
    ) -> None:
        self.port, self.target, self.replace, self.cut_after = port, target, replace or {}, cut_after
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(self.cut_after):
                    await asyncio.gather(self._pump(reader, back, self.replace), self._pump(there, writer, {}))
        finally:
            for each in (writer, back):
                each.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, changes: dict[bytes, bytes]
    ) -> None:
        while data := await source.read(65536):
            for old, new in changes.items():
                data = data.replace(old, new)
            sink.write(data)
            await sink.drain()
        sink.close()
