"""The carrier's end of one media socket. Source: Twilio "Media Streams - WebSocket Messages"."""

from __future__ import annotations

import asyncio
import binascii
import json
import secrets
from base64 import b64decode, b64encode
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bridge.phone.handset import Handset
from bridge.phone.options import PhoneFailure, PhoneOptions
from bridge.phone.report import Kind, PhoneReport
from bridge.phone.signature import sign

OPEN_S: Final = 5.0  # for the bridge to take the socket
CLOSE_S: Final = 2.0  # for it to agree to the close
QUEUED: Final = 500  # messages to the bridge (10 s) before sound is thrown away: warning 31930
MAX_MESSAGE: Final = 16 << 20  # bytes; the carrier documents no limit


class MediaSocket:
    """Sends what the caller says and does what the bridge orders, from ``connected`` to ``stop``."""

    def __init__(self, options: PhoneOptions, handset: Handset, report: PhoneReport, *, signed_url: str) -> None:
        self._options = options
        self._handset = handset
        self._report = report
        self._signed_url = signed_url
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUED)
        self._sequence = 1
        self._chunk = 0
        self._opened = 0  # tick of the stream's start
        self.stream_sid = f"MZ{secrets.token_hex(16)}"

    async def run(self, parameters: dict[str, str], hung_up: asyncio.Event) -> None:
        """One stream, until the bridge closes it or the caller hangs up. Raises PhoneFailure where it cannot be opened."""
        signature = sign(self._options.auth_token, self._signed_url)
        try:
            socket = await connect(
                self._options.reach(self._signed_url),
                additional_headers={"X-Twilio-Signature": signature},
                user_agent_header="Twilio.TmeWs/1.0",
                compression=None,
                max_size=MAX_MESSAGE,
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                ping_interval=None,
                proxy=None,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise PhoneFailure(f"the bridge did not take the media socket: {error}") from error
        async with socket:
            await self._start(socket, parameters)
            await self._exchange(socket, hung_up)
        self._handset.playout.clear()  # what was not played when the stream ends is never heard

    def audio(self, mulaw: bytes) -> None:
        """20 ms of what the caller says."""
        self._chunk += 1
        at = (self._handset.ticks - self._opened) * 20
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(at),
            "payload": b64encode(mulaw).decode(),
        }
        self._put("media", media=media)

    def marks(self, names: list[str]) -> None:
        """These have been reached."""
        for name in names:
            self._report.marks += 1
            self._put("mark", mark={"name": name})

    def digit(self, digit: str) -> None:
        """The caller presses a key."""
        self._put("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def _start(self, socket: ClientConnection, parameters: dict[str, str]) -> None:
        start = {
            "accountSid": self._options.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self._options.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        first = {"event": "start", "sequenceNumber": "1", "start": start, "streamSid": self.stream_sid}
        try:
            await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            await socket.send(json.dumps(first))
        except ConnectionClosed:
            return
        self._opened = self._handset.ticks
        self._handset.connected()
        self._handset.note(Kind.STREAM, "media socket open")

    async def _exchange(self, socket: ClientConnection, hung_up: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(socket))
            hanging = group.create_task(hung_up.wait())
            sending = group.create_task(self._send(socket))
            await asyncio.wait([reading, hanging], return_when=asyncio.FIRST_COMPLETED)
            for task in (sending, reading, hanging):
                task.cancel()
        if hung_up.is_set():
            stop = {"accountSid": self._options.account_sid, "callSid": self._options.call_sid}
            self._put("stop", stop=stop)
            try:
                async with asyncio.timeout(CLOSE_S):
                    while not self._out.empty():
                        await socket.send(json.dumps(self._out.get_nowait()))
            except (ConnectionClosed, TimeoutError):
                return

    async def _send(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send(json.dumps(await self._out.get()))
        except ConnectionClosed:
            return

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                problem = self._obey(text)
                if problem:
                    # the carrier ends the stream at the first message that it does not understand
                    self._handset.note(Kind.FAULT, f"31924: {problem}")
                    return
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            self._handset.note(Kind.FAULT, f"the media socket was lost (code {code})")
            return
        self._handset.note(Kind.CLOSED, "the bridge closed the media socket")

    def _obey(self, text: str | bytes) -> str:
        """Do what a message says; the complaint where it is not understood."""
        if isinstance(text, bytes):
            return "a binary message"
        try:
            message = json.loads(text)
        except ValueError:
            return "a message that is not JSON"
        if not isinstance(message, dict):
            return "a message that is no object"
        if message.get("streamSid") != self.stream_sid:
            return "a message without this stream's streamSid"
        match message:
            case {"event": "media", "media": {"payload": str(payload)}}:
                return self._play(payload)
            case {"event": "mark", "mark": {"name": str(name)}}:
                self.marks(self._handset.playout.mark(name))
            case {"event": "clear"}:
                self.marks(self._handset.clear())
            case _:
                return f"a message that is neither media, mark nor clear: {str(message.get('event'))[:40]!r}"
        return ""

    def _play(self, payload: str) -> str:
        try:
            mulaw = b64decode(payload, validate=True)
        except (binascii.Error, ValueError):
            return "media whose payload is not base64"
        return "" if self._handset.playout.play(mulaw) else "more sound than the play-out buffer holds"

    def _put(self, event: str, **body: Any) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, **body}
        try:
            self._out.put_nowait(message)
        except asyncio.QueueFull:
            self._report.dropped += 1
