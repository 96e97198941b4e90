"""A bridge of a few lines, for the tests of the Twilio stand-in."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import WSMsgType, web

from .twilio import Carrier, sign

PUBLIC = "https://bridge.example.com"
STREAM = (
    '<Response><Connect action="/twilio/after?n=1#rc=3&amp;rp=all"><Stream url="wss://bridge.example.com/twilio/media">'
    '<Parameter name="grant" value="g1"/></Stream></Connect></Response>'
)
MediaHandler = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]


class Toy:
    """A bridge that echoes what it hears; the test may put other answers into `voice`, `after` and `media`."""

    def __init__(self) -> None:
        self.voice, self.after = STREAM, "<Response><Hangup/></Response>"
        self.kind, self.status = "text/xml", 200
        self.token = "0123456789abcdef0123456789abcdef"
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.events: list[dict[str, Any]] = []
        self.media: MediaHandler = self.echo
        self.address = ""
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/twilio/media", self._media)
        app.router.add_post("/{path:.*}", self._webhook)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _webhook(self, request: web.Request) -> web.Response:
        form = [(k, str(v)) for k, v in (await request.post()).items()]
        assert request.host == "bridge.example.com"
        if request.headers.get("X-Twilio-Signature") != sign(self.token, PUBLIC + request.path_qs, form):
            return web.Response(status=403)
        self.forms.append((request.path, dict(form)))
        if request.path == "/twilio/status":
            return web.Response(status=204)
        answer = self.after if request.path == "/twilio/after" else self.voice
        return web.Response(status=self.status, text=answer, content_type=self.kind)

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        if request.headers.get("x-twilio-signature") != sign(self.token, "wss://bridge.example.com/twilio/media"):
            raise web.HTTPForbidden
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                event = json.loads(message.data)
                self.events.append(event)
                await self.media(ws, event)
        return ws

    async def echo(self, ws: web.WebSocketResponse, event: dict[str, Any]) -> None:
        """Send back what came."""
        if event["event"] == "media":
            await ws.send_json(
                {"event": "media", "streamSid": event["streamSid"], "media": {"payload": event["media"]["payload"]}}
            )

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind that came."""
        return [e for e in self.events if e["event"] == kind]


def carrier_for(toy: Toy, **more: Any) -> Carrier:
    """A carrier that reaches the public address at the toy's."""
    return Carrier(public_url=PUBLIC, address=toy.address, **more)
