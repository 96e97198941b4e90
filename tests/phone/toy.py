"""A toy bridge for the telephone's own tests: answers with given TwiML and runs a given function on each media socket."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

TOKEN = "0123456789abcdef0123456789abcdef"


class Toy:
    """``twiml``: by path, with ``{ws}`` for the media socket's URL. ``media``: what to do on it; it closes afterwards."""

    def __init__(self, twiml: dict[str, str], media: Callable[[Media], Awaitable[None]] | None = None) -> None:
        self.twiml = twiml
        self.media = media
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.streams: list[Media] = []
        app = web.Application()
        app.router.add_post("/{path:.*}", self._webhook)
        app.router.add_get("/media", self._socket)
        self._runner = web.AppRunner(app)

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _webhook(self, request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        signature = request.headers.get("X-Twilio-Signature", "")
        if not RequestValidator(TOKEN).validate(f"{self.url}{request.path_qs}", fields, signature):
            return web.Response(status=403)
        self.requests.append((request.path_qs, fields))
        body = self.twiml.get(request.path, "")
        return web.Response(
            text=body.replace("{ws}", self.url.replace("http", "ws") + "/media"), content_type="text/xml"
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        url = self.url.replace("http", "ws") + request.path_qs
        if not RequestValidator(TOKEN).validate(url, {}, request.headers.get("X-Twilio-Signature", "")):
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        stream = Media(socket)
        self.streams.append(stream)
        assert self.media is not None
        await self.media(stream)
        await socket.close()
        return socket


class Media:
    """The bridge's end of a media socket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self.sid = ""

    async def until(self, event: str) -> dict[str, Any]:
        """The next message of a kind; {} when the socket has ended before."""
        while True:
            message = await self.socket.receive(timeout=10)
            if message.type is not WSMsgType.TEXT:
                return {}
            value: dict[str, Any] = json.loads(message.data)
            self.seen.append(value)
            self.sid = value.get("streamSid", self.sid)
            if value["event"] == event:
                return value

    async def send(self, event: str, **body: object) -> None:
        """One message."""
        await self.socket.send_json({"event": event, "streamSid": self.sid, **body})

    async def play(self, mulaw: bytes) -> None:
        """Sound for the caller."""
        await self.send("media", media={"payload": b64encode(mulaw).decode()})

    async def mark(self, name: str) -> None:
        """Ask to be told."""
        await self.send("mark", mark={"name": name})
