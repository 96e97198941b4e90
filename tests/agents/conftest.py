"""A small API on loopback that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeApi:
    """``answers`` maps "GET /path" to a JSON value, a response maker or a handler; ``seen`` is what was asked."""

    base_url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        name = f"{request.method} {request.path}"
        self.seen.append((name, dict(request.query), dict(request.headers), await request.read()))
        answer = self.answers.get(name)
        if answer is None:
            return web.json_response({"detail": "unknown"}, status=404)
        if callable(answer):
            made = answer(request)
            return made if isinstance(made, web.StreamResponse) else await made
        return web.json_response(answer)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """A running fake API."""
    fake = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()
