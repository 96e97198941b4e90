"""The HTTP side that the stand-ins share: a server on loopback, faults on order, a log of every request."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from .ledger import Ledger, Pulse

LONGEST_HANG = 600.0  # s
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NEVER_READY = web.RequestKey("never_ready", bool)


def reset(transport: asyncio.Transport | None) -> None:
    """Drop a connection the hard way: the peer gets a TCP RST, no close frame and no FIN."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@dataclass
class Fault:
    """What goes wrong on a route. Without `status` and `body` the request is served as usual after `delay` seconds."""

    route: str
    status: int | None = None
    body: bytes | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang: bool = False  # take the request and never answer
    reset: bool = False  # TCP RST instead of an answer
    truncate: bool = False  # half of an answer, then the end
    serve_first: bool = False  # do what was asked, then fail: the answer is lost, the deed is done
    never_ready: bool = False  # WebSocket routes: accept, then say nothing
    times: int | None = 1  # None: until `stop`
    hits: int = 0

    def stop(self) -> None:
        """No more of it."""
        self.times = 0


@dataclass(frozen=True)
class Seen:
    """A request as it came. `at`: seconds on the monotonic clock."""

    at: float
    route: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class StandIn(Ledger):
    """A strict server on loopback: `async with StandIn(...) as it: it.url`. Subclasses name their routes in `routes()`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__()
        self.host, self.port = host, port
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self.pulse = Pulse()
        self.closing = asyncio.Event()
        self.busy: dict[str, int] = {}  # requests in hand, by route
        self.busiest: dict[str, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """(method, path, name, handler) of each route."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._middleware], client_max_size=1 << 20)
        app.router.add_get("/_violations", self._report, name="_violations")
        for method, path, name, handler in self.routes():
            app.router.add_route(method, path, handler, name=name)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        self.closing.set()
        await self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if error is None:
            self.check()

    async def close(self) -> None:
        """What a subclass has to end before the server stops."""

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        """Run something of the stand-in's own; what it raises is a violation, so that no fault passes unseen."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.violation(f"script failed: {type(error).__name__}: {error}")

    def fault(self, route: str, **what: Any) -> Fault:
        """Make the next request (or `times=N`, or None for all) of a named route go wrong; see `Fault`."""
        fault = Fault(route, **what)
        self.faults.append(fault)
        return fault

    def seen(self, route: str) -> list[Seen]:
        """The requests that came to a route."""
        return [r for r in self.requests if r.route == route]

    async def _report(self, _: web.Request) -> web.Response:
        return web.json_response({"violations": self.violations})

    def _next_fault(self, route: str) -> Fault | None:
        for fault in self.faults:
            if fault.route == route and (fault.times is None or fault.times > 0):
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name or ""
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        body = b"" if upgrade else await request.read()
        self.requests.append(
            Seen(
                time.monotonic(), route, request.method, request.path, dict(request.query), dict(request.headers), body
            )
        )
        self.pulse.beat()
        if request.match_info.http_exception is not None:
            self.violation(f"undocumented request: {request.method} {request.path}")
        self.busy[route] = self.busy.get(route, 0) + 1
        self.busiest[route] = max(self.busiest.get(route, 0), self.busy[route])
        try:
            return await self._serve(request, handler, self._next_fault(route))
        finally:
            self.busy[route] -= 1

    async def _serve(self, request: web.Request, handler: Handler, fault: Fault | None) -> web.StreamResponse:
        if fault is None:
            return await handler(request)
        if fault.serve_first:
            await handler(request)
        if fault.delay:
            await self.pause(fault.delay)
        if fault.hang:
            await self.pause(LONGEST_HANG)
        if fault.reset:
            reset(request.transport)
            return web.Response(status=500)
        if fault.truncate:
            assert request.transport is not None
            request.transport.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n{"half": '
            )
            request.transport.close()
            return web.Response(status=500)
        if fault.status is None and fault.body is None:
            request[NEVER_READY] = fault.never_ready
            return await handler(request)
        raw = fault.body if fault.body is not None else json.dumps({"detail": "made to fail"})
        headers = {"Content-Type": "application/json", **fault.headers}
        return web.Response(
            status=fault.status or 200, body=raw.encode() if isinstance(raw, str) else raw, headers=headers
        )

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than the stand-in lives."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
