"""A business system on loopback that takes what is signed rightly, once, and answers as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.standins.ledger import Pulse

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Delivery:
    """One request."""

    message_id: str
    timestamp: int
    body: dict[str, Any]
    valid: bool
    headers: dict[str, str] = field(repr=False)


class Receiver:
    """`async with Receiver() as receiver: ... receiver.url`. `answers` are given in turn, then `answer` for ever."""

    def __init__(self, secret: str = SECRET, *, host: str = "127.0.0.1") -> None:
        self.deliveries: list[Delivery] = []
        self.answers: list[Any] = []  # a dict, a status, or an Answer
        self.answer: Any = {"ok": True}
        self.pulse = Pulse()
        self.over = asyncio.Event()
        self.host = host
        self.port = 0
        self._webhook = Webhook(secret)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._runner is not None
        self.over.set()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}/hook"

    @property
    def once(self) -> list[dict[str, Any]]:
        """The bodies of what was signed rightly, each message once: what a careful receiver acts on."""
        seen: dict[str, dict[str, Any]] = {}
        for delivery in self.deliveries:
            if delivery.valid:
                seen.setdefault(delivery.message_id, delivery.body)
        return list(seen.values())

    async def got(self, count: int, *, timeout: float = 10.0) -> None:
        """Wait for so many requests."""
        await self.pulse.until(lambda: len(self.deliveries) >= count, f"{count} deliveries", timeout=timeout)

    async def hang(self, request: web.Request) -> web.Response:
        """An answer that never comes."""
        await self.over.wait()
        return web.Response(status=500)

    async def close(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        """An answer after which the connection is closed: the next one is opened anew."""
        response = web.json_response(body)
        response.force_close()
        return response

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self._webhook.verify(body, headers)
            valid = True
        except WebhookVerificationError:
            valid = False
        self.deliveries.append(
            Delivery(
                headers.get("webhook-id", ""),
                int(headers.get("webhook-timestamp", "0")),
                json.loads(body),
                valid,
                headers,
            )
        )
        self.pulse.beat()
        answer = self.answers.pop(0) if self.answers else self.answer
        if callable(answer):
            return await answer(request)
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.json_response(answer)
