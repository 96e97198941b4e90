"""The carrier's end of the load: one simulated call of Twilio. Source: Twilio "Media Streams - WebSocket Messages"."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Final
from urllib.parse import urlencode

import aiohttp
import picows

from bridge.bench.sound import FRAME_S
from bridge.bench.track import Track
from bridge.bench.wire import Wire, silent, value
from bridge.phone.signature import sign

STREAM: Final = re.compile(r'<Stream[^>]*\burl="([^"]+)"')
GRANT: Final = re.compile(r'<Parameter[^>]*\bname="([^"]+)"[^>]*\bvalue="([^"]*)"')
OPEN_S: Final = 10.0
SOUND: Final = b'"payload"'


@dataclass(frozen=True, slots=True)
class Carrier:
    """What all calls share. ``url``: the bridge's, over which requests are signed too."""

    url: str
    account_sid: str
    auth_token: str
    http: aiohttp.ClientSession


class Caller:
    """One call: ``dial``, ``tick`` every 20 ms, ``hang_up``."""

    def __init__(self, carrier: Carrier, number: int, spoken: Track, heard: Track) -> None:
        self._carrier = carrier
        self._number = number
        self._spoken = spoken
        self._heard = heard
        self._played = 0.0  # until when the sound that has come will last
        self._marks: deque[tuple[float, bytes]] = deque()
        self._silenced = False
        self.call_sid = f"CA{secrets.token_hex(16)}"
        self._stream_sid = f"MZ{secrets.token_hex(16)}"
        self._end = b'"},"streamSid":"' + self._stream_sid.encode() + b'"}'
        self.wire = Wire(self._hear, self._gone)
        self.answer_s = 0.0
        self.marks = 0
        self.dropped = False  # the bridge closed the stream
        self._leaving = False

    async def ask(self) -> str:
        """The webhook of a new call: its TwiML."""
        return await self._post("/twilio/voice", "ringing")

    @staticmethod
    def admits(answer: str) -> bool:
        """The call is taken. Raises RuntimeError for an answer that is neither a stream nor words."""
        if STREAM.search(answer) is None and "<Say" not in answer:
            raise RuntimeError(f"no answer for a caller: {answer[:200]}")
        return STREAM.search(answer) is not None

    async def dial(self) -> None:
        """The webhook, and the media socket that its TwiML asks for. Raises RuntimeError where the bridge refuses."""
        answer = await self.ask()
        stream, grant = STREAM.search(answer), dict(GRANT.findall(answer))
        if stream is None:
            raise RuntimeError(f"the bridge does not take the call: {answer[:200]}")
        url = html.unescape(stream.group(1))
        await picows.ws_connect(
            lambda: self.wire,
            url,
            extra_headers={"X-Twilio-Signature": sign(self._carrier.auth_token, url)},
            websocket_handshake_timeout=OPEN_S,
            logger_name=silent(),
            read_buffer_init_size=4096,
        )
        start = {
            "accountSid": self._carrier.account_sid,
            "streamSid": self._stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {name: html.unescape(text) for name, text in grant.items()},
        }
        self._say({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._say({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": self._stream_sid})

    def tick(self) -> None:
        """Say the next 20 ms; tell of the marks that were reached."""
        wire = self.wire
        if not wire.open:
            return
        now = perf_counter()
        if not self._silenced:
            number = self._spoken.sent + 2
            wire.send(
                b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"'
                % (number, number - 1, (number - 2) * 20)
                + self._spoken.send(now)
                + self._end
            )
        while self._marks and self._marks[0][0] <= now:
            self.marks += 1
            wire.send(b'{"event":"mark","mark":{"name":"' + self._marks.popleft()[1] + self._end)

    def silence(self) -> None:
        """Say no more: what is on its way still comes."""
        self._silenced = True

    async def hang_up(self) -> None:
        """End the call as a carrier does: stop, close, status."""
        self._leaving = True
        stop = {"accountSid": self._carrier.account_sid, "callSid": self.call_sid}
        self._say({"event": "stop", "sequenceNumber": "0", "stop": stop, "streamSid": self._stream_sid})
        self.wire.close()
        await self._post("/twilio/status", "completed")

    async def _post(self, path: str, status: str) -> str:
        carrier = self._carrier
        fields = {
            "CallSid": self.call_sid,
            "AccountSid": carrier.account_sid,
            "From": f"+1555{self._number % 10_000_000:07}",
            "To": "+15550100",
            "CallStatus": status,
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        headers = {
            "X-Twilio-Signature": sign(carrier.auth_token, carrier.url + path, fields),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        began = perf_counter()
        async with carrier.http.post(carrier.url + path, data=urlencode(fields), headers=headers) as response:
            text = await response.text()
        self.answer_s = perf_counter() - began
        if response.status >= 300:
            raise RuntimeError(f"{path} answers {response.status}: {text[:200]}")
        return text

    def _say(self, message: dict[str, object]) -> None:
        self.wire.send(json.dumps(message).encode())

    def _hear(self, message: bytes) -> None:
        sound = value(message, SOUND)
        now = perf_counter()
        if sound:
            self._played = max(self._played, now) + FRAME_S
            self._heard.arrived(sound, now)
        elif b'"mark"' in message:
            self._marks.append((self._played, value(message, b'"name"')))
        elif b'"clear"' in message:
            self._played = now
            self._marks = deque((now, name) for _, name in self._marks)

    def _gone(self) -> None:
        self.dropped = not self._leaving
