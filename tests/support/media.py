"""A bare hand on the front door: media sockets and webhooks as no honest carrier would send them."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.standins.twilio.ids import sid
from tests.support.house import ACCOUNT
from tests.support.scene import Scene


@dataclass
class Offer:
    """A call that was offered by hand: nobody follows its TwiML."""

    cast: Scene
    sid: str
    status: int
    body: str

    @property
    def grant(self) -> str:
        """The one that its TwiML carries."""
        found = re.search(r'name="grant" value="([^"]+)"', self.body)
        assert found, self.body
        return found[1]

    def form(self, **changes: str) -> list[tuple[str, str]]:
        """The carrier's fields for this call."""
        return form(self.sid, **changes)

    async def over(self) -> None:
        """The carrier says that it has ended."""
        await self.cast.carrier.post("status", "/twilio/status", self.form(CallStatus="completed"))


def form(call_sid: str, **changes: str) -> list[tuple[str, str]]:
    """The fields of a carrier's request; ``from_`` is From."""
    fields = {
        "CallSid": call_sid,
        "AccountSid": ACCOUNT,
        "From": "+15550123456",
        "To": "+15550100",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
    }
    fields |= {"From" if name == "from_" else name: value for name, value in changes.items()}
    return list(fields.items())


async def offer(cast: Scene, **changes: str) -> Offer:
    """Ask for a call's TwiML by hand."""
    call_sid = changes.pop("CallSid", sid("CA"))
    exchange = await cast.carrier.post("voice", "/twilio/voice", form(call_sid, **changes))
    return Offer(cast, call_sid, exchange.status or 0, exchange.body)


@contextlib.asynccontextmanager
async def media_socket(cast: Scene, **headers: str) -> AsyncIterator[ClientConnection]:
    """A media socket without anybody's signature, unless a header has one."""
    url = f"ws://127.0.0.1:{cast.house.port}/twilio/media"
    async with websockets.connect(
        url, additional_headers=headers, compression=None, proxy=None, close_timeout=1, ping_interval=None
    ) as socket:
        yield socket


def start(call_sid: str, grant: str | None, *, stream: str = "MZ" + "0" * 32, **changes: Any) -> str:
    """The start message of a stream."""
    fields = {
        "accountSid": ACCOUNT,
        "streamSid": stream,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {} if grant is None else {"grant": grant},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": {**fields, **changes}})


async def close_code(socket: ClientConnection, *, within: float = 6.0) -> int | None:
    """With which code the bridge closes the socket."""
    async with asyncio.timeout(within):
        await socket.wait_closed()
    return socket.close_code
