"""A Media Stream as Twilio runs it: one WebSocket to the bridge, sound every 20 ms, strict about what comes back."""

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .. import sound
from ..shape import Shape, problems, strict_base64
from ..web import reset
from .ids import sid
from .playout import RATE, Playout

if TYPE_CHECKING:
    from .call import PhoneCall

FRAME = 160  # samples: 20 ms
FRAME_SECONDS = FRAME / RATE
SHAPES: dict[str, Shape] = {
    "media": {"event": str, "streamSid": str, "media": {"payload": str}},
    "mark": {"event": str, "streamSid": str, "mark": {"name": str}},
    "clear": {"event": str, "streamSid": str},
}


class MediaStream:
    """One stream. `messages` holds (monotonic s, message) of marks and clears, `arrivals` (s, bytes) of sound."""

    def __init__(self, call: "PhoneCall", url: str, name: str, parameters: dict[str, str]) -> None:
        self.call, self.url, self.parameters = call, url, parameters
        self.sid = sid("MZ")
        self.name = name or self.sid
        self.playout = Playout(time.monotonic())
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.arrivals: list[tuple[float, int]] = []
        self.marks_echoed: list[tuple[float, str]] = []
        self.error: str | None = None  # why it failed, as Twilio's code
        self.close_code: int | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.stopped = False  # by us
        self.muted = False  # send no sound, as a network that loses it
        self.frames_sent = 0
        self._ws: ClientConnection | None = None
        self._sequence = 0
        self.task = asyncio.get_running_loop().create_task(
            self._run()
        )  # its own: whoever waits for it may be cancelled

    @property
    def live(self) -> bool:
        """Whether `start` has gone out and nothing has ended it."""
        return self.started_at is not None and self.ended_at is None

    async def _run(self) -> None:
        try:
            await self._connect()
            if self._ws is not None:
                await self._carry(self._ws)
        finally:
            self.ended_at = time.monotonic()
            self.call.pulse.beat()

    async def _connect(self) -> None:
        carrier = self.call.carrier
        await asyncio.sleep(carrier.stream_delay)
        uri, host, port = carrier.dial_address(self.url)
        headers = carrier.stream_headers(self.url)
        try:
            self._ws = await connect(
                uri,
                host=host,
                port=port,
                additional_headers=headers,
                user_agent_header="Twilio.TmeWs/1.0",
                compression=None,
                proxy=None,
                ping_interval=None,
                open_timeout=5,
                close_timeout=2,
                max_size=None,
            )
        except InvalidHandshake as error:
            self.error = f"31920 {error}"
        except TimeoutError:
            self.error = "31901 the server did not answer the connect"
        except (OSError, EOFError, ConnectionClosed) as error:
            self.error = f"31901 {error}"

    async def _carry(self, ws: ClientConnection) -> None:
        await self.send_raw(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await self._send("start", start=self._start_fields())
        self.started_at = time.monotonic()
        self.playout = Playout(self.started_at, cushion=self.call.carrier.cushion)
        self.call.pulse.beat()
        sender = asyncio.create_task(self._pace(self.started_at))
        try:
            await self._receive(ws)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self.playout.advance(time.monotonic())
            self.close_code = ws.close_code

    def _start_fields(self) -> dict[str, Any]:
        return {
            "accountSid": self.call.carrier.account_sid,
            "streamSid": self.sid,
            "callSid": self.call.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            "customParameters": self.parameters,
        }

    # ---- to the bridge

    async def _pace(self, origin: float) -> None:
        for frame in range(1 << 60):
            await asyncio.sleep(max(0.0, origin + frame * FRAME_SECONDS - time.monotonic()))
            await self._echo(self.playout.advance(time.monotonic()))
            payload = self.call.mouth.take(FRAME)
            if not self.muted:
                await self._send_frame(frame, payload)
            self.call.pulse.beat()

    async def _send_frame(self, frame: int, payload: str) -> None:
        self._sequence += 1
        self.frames_sent += 1
        await self.send_raw(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound","chunk":"{frame + 1}",'
            f'"timestamp":"{frame * 20}","payload":"{payload}"}},"streamSid":"{self.sid}"}}'
        )

    async def _send(self, event: str, **fields: Any) -> None:
        self._sequence += 1
        await self.send_raw(
            json.dumps({"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.sid, **fields})
        )

    async def send_raw(self, data: str | bytes) -> None:
        """Send a frame as it stands; nothing happens where the bridge has gone."""
        if self._ws is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._ws.send(data)

    async def _echo(self, names: list[str]) -> None:
        for name in names:
            self.marks_echoed.append((time.monotonic(), name))
            if self.call.carrier.echo_marks:
                await self._send("mark", mark={"name": name})

    async def press(self, digit: str) -> None:
        """A key was pressed."""
        await self._send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def stop(self) -> None:
        """The call goes elsewhere or ends: say so and close."""
        self.stopped = True
        if self._ws is None:
            self.task.cancel()
        elif self.live:
            await self._send("stop", stop={"accountSid": self.call.carrier.account_sid, "callSid": self.call.sid})
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                await self._ws.close(1000)

    def lose(self) -> None:
        """TCP RST: no stop, no close frame."""
        if self._ws is not None:
            reset(self._ws.transport)

    async def done(self, timeout: float = 5.0) -> None:
        """Wait for the end; cut it off after `timeout` seconds."""
        _, pending = await asyncio.wait({self.task}, timeout=timeout)
        if pending:
            self.lose()
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=timeout)

    def stall(self) -> None:
        """Stop reading, as a peer that hangs; `resume` undoes it."""
        if self._ws is not None:
            self._ws.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._ws is not None:
            self._ws.transport.resume_reading()

    # ---- from the bridge

    async def _receive(self, ws: ClientConnection) -> None:
        try:
            async for data in ws:
                if self.stopped:
                    continue  # what crossed with our stop is nobody's fault
                words = await self._take(data)
                if words:
                    self.error = f"31924 {words}"
                    self.call.violation(f"stream: {words} (31924)")
                    await ws.close(1002)
                    return
        except ConnectionClosed:
            return

    async def _take(self, data: str | bytes) -> str | None:
        if isinstance(data, bytes):
            return f"binary message of {len(data)} bytes"
        now = time.monotonic()
        try:
            message = json.loads(data)
        except ValueError:
            return f"not JSON: {data[:60]!r}"
        event = message.get("event") if isinstance(message, dict) else None
        if event not in SHAPES:
            return f"message {event!r} is not media, mark or clear"
        found = problems(message, SHAPES[event], event)
        if found:
            return "; ".join(found)
        if message["streamSid"] != self.sid:
            return f"{event} for another stream {message['streamSid']!r}"
        if event == "media":
            return await self._take_media(message["media"]["payload"], now)
        self.messages.append((now, message))
        if event == "mark":
            if not message["mark"]["name"]:
                return "mark without a name"
            await self._echo(self.playout.mark(message["mark"]["name"], now))
        else:
            await self._echo(self.playout.clear(now))
        self.call.pulse.beat()
        return None

    async def _take_media(self, payload: str, now: float) -> str | None:
        try:
            data = strict_base64(payload)
        except ValueError as error:
            return f"media is {error}"
        if not data:
            return "media is empty"
        if data[:4] in (b"RIFF", b".snd", b"OggS"):
            return "media has a file header"
        self.arrivals.append((now, len(data)))
        await self._echo(self.playout.push(data, now))
        return None

    # ---- what was heard

    @property
    def heard(self) -> bytes:
        """mu-law, one byte a sample since `start`."""
        return bytes(self.playout.heard)

    @property
    def heard_pcm(self) -> sound.Pcm:
        """The same as int16 at 8 kHz."""
        return sound.mulaw_decode(self.heard)

    def at(self, moment: float) -> int:
        """The sample of `heard` that was heard at a monotonic moment."""
        return round((moment - self.playout.origin) * RATE)
