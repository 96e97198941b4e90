"""A WebSocket of the demo agent: bounded sends of JSON, and messages in until it is over."""

from __future__ import annotations

import asyncio
import binascii
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import WSMsgType, web

SEND_S: Final = 5.0  # a client that takes nothing for so long is gone
IDLE_S: Final = 120.0  # without any message
MAX_MESSAGE: Final = 1 << 20  # bytes


class Socket:
    """JSON objects both ways."""

    def __init__(self) -> None:
        self._ws = web.WebSocketResponse(max_msg_size=MAX_MESSAGE, compress=False)

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """Answer the upgrade."""
        await self._ws.prepare(request)
        return self._ws

    async def send(self, message: dict[str, Any]) -> None:
        """One message. Raises ConnectionError when the client has gone, TimeoutError when it takes nothing."""
        async with asyncio.timeout(SEND_S):
            await self._ws.send_str(json.dumps(message))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """The objects that come in, until either side closes. What is no JSON object is passed over."""
        while True:
            message = await self._ws.receive(timeout=IDLE_S)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            if message.type is WSMsgType.TEXT:
                try:
                    value = json.loads(message.data)
                except ValueError:
                    continue
                if isinstance(value, dict):
                    yield value

    async def close(self, code: int = 1000) -> None:
        """Close, and wait a little for the other side to agree."""
        async with asyncio.timeout(SEND_S):
            await self._ws.close(code=code)


def sound(value: object) -> bytes:
    """The PCM of a base64 text; nothing where it is none."""
    try:
        return b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def part(message: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The object at a path of keys; empty where there is none."""
    value: Any = message
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
