"""The listening socket: uvicorn, taught to drain, to give up on slow heads, and to hand media sockets over.

uvicorn alone closes every live WebSocket within milliseconds of SIGTERM. Here the first signal only begins the drain,
while the listener stays open (a stream that was promised before is still taken); the server exits when the last call
is over. A second signal ends at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
import uvicorn
from starlette.routing import BaseRoute
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.runtime.sockets import Socket, serve_upgrade

HEAD_S: Final = 5.0  # a request's head must arrive within this time
BODY_S: Final = 10.0  # and its body within this

log = structlog.get_logger("bridge.server")

Admit = Callable[[Any, str], Socket | int]  # (upgrade request, peer address) -> the socket to use, or an HTTP status


def front_protocol(
    media_path: str, admit: Admit, others: Mapping[str, Admit] | None = None, *, prefix: str = ""
) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol with deadlines, and with the upgrade of ``media_path`` (and ``others``) taken out of its hands.

    ``prefix``: the path of ``public_url``. A proxy may cut it off or leave it there: both come to the same route.
    """
    outer = prefix.encode()
    doors = {path.encode(): door for path, door in {media_path: admit, **(others or {})}.items()}

    class FrontProtocol(HttpToolsProtocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect(HEAD_S)

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect(None)
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self._expect(HEAD_S)
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._expect(BODY_S)
            if outer and self.url.startswith(outer + b"/"):
                self.url = self.url[len(outer) :]
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._expect(None)
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            self._expect(None)
            door = doors.get(self.url.split(b"?", 1)[0].rstrip(b"/"))
            if door is None:
                super().handle_websocket_upgrade()
                return
            self.connections.discard(self)
            lines = [self.scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
            lines += [name + b": " + value for name, value in self.scope["headers"]]
            peer = self.client[0] if self.client else ""
            head = b"\r\n".join(lines) + b"\r\n\r\n"
            serve_upgrade(self.transport, head, lambda request: door(request, peer))
            del self.parser  # which holds our methods: both would stay until cycles are looked for

        def _expect(self, seconds: float | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            if seconds is not None:
                self._deadline = self.loop.call_later(seconds, self._too_slow)

        def _too_slow(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return FrontProtocol


def outer_path(public_url: str | None, routes: Sequence[BaseRoute]) -> str:
    """The path of ``public_url``, as ``front_protocol`` takes it; "" where a route of ours begins alike: it would be lost."""
    path = urlsplit(public_url or "").path.rstrip("/")
    return "" if any(getattr(route, "path", "").startswith(path + "/") for route in routes) else path


class FrontServer(uvicorn.Server):
    """uvicorn with a drain: ``on_drain`` is awaited after the first signal, then the server exits."""

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._drain: asyncio.Task[None] | None = None
        self.on_started: Callable[[FrontServer], None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first one drains, the second one ends at once."""
        if self._drain is not None or not self.started:
            # Not passed on when we are done, as uvicorn does: records are still to be written then.
            self.force_exit = self.should_exit = True
            return
        # A signal handler of Python runs between any two instructions, also within a lock: it takes none, so it logs
        # nothing, and the loop must be woken from outside.
        self._loop.call_soon_threadsafe(self._begin_drain)

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn; remembers the loop for the signal handler."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        if self.on_started is not None and self.started:
            self.on_started(self)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn; says so where the drain was cut short."""
        if self.force_exit:
            log.warning("ending_at_once")
        await super().shutdown(sockets=sockets)

    def _begin_drain(self) -> None:
        if self._drain is None:
            self._drain = self._loop.create_task(self._drain_then_exit(), name="drain")

    async def _drain_then_exit(self) -> None:
        try:
            await self._on_drain()
        finally:
            self.should_exit = True
