"""The demo agent's server on loopback: XUNA's and Kura's shapes on one port, so that the bridge's own clients speak to it."""

from __future__ import annotations

import asyncio
import secrets
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from bridge.agents.demo.host import Recogniser
from bridge.agents.demo.kura import ASSISTANT, KuraDoor
from bridge.agents.demo.recogniser import recogniser as find_recogniser
from bridge.agents.demo.tones import Tones
from bridge.agents.demo.voice import Voice, speaks
from bridge.agents.demo.xuna import AGENT_ID, XunaDoor

CLOSE_S: Final = 2.0  # for conversations in progress, when the server ends


class DemoServer:
    """``async with DemoServer() as server``: then ``base_url``, ``api_key`` and an id are all that a client needs.

    ``voice``: whose speech; made, and closed at the end, where none is given. ``recogniser``: whose hearing; ``hears``: that
    of the optional extra, where it is installed.
    """

    agent_id: Final = AGENT_ID  # in XUNA's shape
    assistant_id: Final[int] = ASSISTANT["id"]  # in Kura's

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        voice: Voice | None = None,
        recogniser: Recogniser | None = None,
        hears: bool = False,
    ) -> None:
        self._host = host
        self._port = port
        self._own_voice = voice is None
        self._voice = voice or (Voice() if speaks() else Tones())
        self._own_recogniser = find_recogniser() if hears and recogniser is None else None
        self._recogniser = recogniser or self._own_recogniser
        self._runner: web.AppRunner | None = None
        self.api_key = f"demo_{secrets.token_urlsafe(18)}"

    @property
    def base_url(self) -> str:
        """ "http://127.0.0.1:PORT"; only while it runs."""
        return f"http://{self._authority()}"

    async def __aenter__(self) -> Self:
        doors = [
            door(
                voice=self._voice,
                key=self.api_key,
                origin=lambda: f"ws://{self._authority()}",
                recogniser=self._recogniser,
            )
            for door in (XunaDoor, KuraDoor)
        ]
        app = web.Application()
        for door in doors:
            app.add_routes(door.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        if self._own_voice:
            await asyncio.to_thread(self._voice.close)
        if self._own_recogniser is not None:
            await asyncio.to_thread(self._own_recogniser.close)

    def _authority(self) -> str:
        assert self._runner is not None, "the server is not running"
        host, port = self._runner.addresses[0][:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
