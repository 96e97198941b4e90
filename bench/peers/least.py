"""The least a bridge can cost here: picows on both sides, templates, the same C filter, and nothing else.

``python least.py AGENT_SOCKET_URL LISTENER_FD CONTROL_FD``. No record, account, check, limit or interruption: what it takes
is what Python, uvloop, picows and the kernel take, so that no bridge on them can take less.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any

import msgspec
import picows
import pybase64

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.kernels import CKernel
from bridge.bench.control import Control

AGENT = sys.argv[1]
TEXT = picows.WSMsgType.TEXT
WIDE = AudioFormat(Encoding.PCM16, 16000)
KERNEL = CKernel()


class Media(msgspec.Struct):
    """Sound of the carrier's."""

    payload: bytes


class Start(msgspec.Struct):
    """How a stream begins."""

    callSid: str  # noqa: N815 - the carrier's name


class FromPhone(msgspec.Struct):
    """What the carrier says."""

    event: str
    media: Media | None = None
    start: Start | None = None
    streamSid: str = ""  # noqa: N815 - the carrier's name


class Sound(msgspec.Struct):
    """Sound of the agent's."""

    audio_base_64: bytes


class FromAgent(msgspec.Struct):
    """What the agent says."""

    type: str
    audio_event: Sound | None = None
    ping_event: dict[str, Any] | None = None


PHONE = msgspec.json.Decoder(FromPhone)
TOLD = msgspec.json.Decoder(FromAgent)


class AgentSide(picows.WSListener):
    """The agent's socket: its sound goes to the phone."""

    def __init__(self, phone: PhoneSide, stream_id: str) -> None:
        self.transport: Any = None
        self._phone = phone
        self._down = KERNEL.stream(WIDE, TELEPHONE)
        self._head = b'{"event":"media","streamSid":"' + stream_id.encode() + b'","media":{"payload":"'

    def on_ws_connected(self, transport: Any) -> None:
        """Open."""
        self.transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """A message."""
        if frame.msg_type is not TEXT:
            return
        message = TOLD.decode(frame.get_payload_as_memoryview())
        if message.audio_event is not None:
            sound = self._down.process(message.audio_event.audio_base_64)
            self._phone.transport.send(TEXT, self._head + pybase64.b64encode(sound) + b'"}}')
        elif message.ping_event is not None:
            pong = {"type": "pong", "event_id": message.ping_event["event_id"]}
            transport.send(TEXT, msgspec.json.encode(pong))


class PhoneSide(picows.WSListener):
    """The carrier's socket: its sound goes to the agent."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._agent: AgentSide | None = None
        self._up = KERNEL.stream(TELEPHONE, WIDE)
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def on_ws_connected(self, transport: Any) -> None:
        """Open."""
        self.transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """A message."""
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type is not TEXT:
            return
        message = PHONE.decode(frame.get_payload_as_memoryview())
        if message.media is not None:
            if self._agent is None:
                self._early.append(message.media.payload)
            else:
                self._pass(self._agent, message.media.payload)
        elif message.start is not None:
            self._task = asyncio.create_task(self._reach(message.streamSid, message.start.callSid))

    async def _reach(self, stream_id: str, call_id: str) -> None:
        _, listener = await picows.ws_connect(lambda: AgentSide(self, stream_id), AGENT)
        assert isinstance(listener, AgentSide)
        hello = {"type": "conversation_initiation_client_data", "dynamic_variables": {"carrier_call_id": call_id}}
        listener.transport.send(TEXT, msgspec.json.encode(hello))
        self._agent = listener
        for payload in self._early:
            self._pass(listener, payload)
        self._early.clear()

    def _pass(self, agent: AgentSide, payload: bytes) -> None:
        sound = pybase64.b64encode(self._up.process(payload))
        agent.transport.send(TEXT, b'{"type":"audio","audio_event":{"audio_base_64":"' + sound + b'"}}')

    def on_ws_disconnected(self, transport: Any) -> None:
        """Gone."""
        if self._agent is not None:
            self._agent.transport.disconnect()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, media: int) -> None:
    """The webhooks, by the least HTTP there is; the stream is on a port of its own."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length:" in head:
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            xml = (
                f'<Response><Connect><Stream url="ws://127.0.0.1:{media}/media">'
                '<Parameter name="grant" value="x"/></Stream></Connect></Response>'
            )
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(xml), xml.encode())
            )
    writer.close()


async def main() -> None:
    """Serve."""
    line = asyncio.create_task(Control(int(sys.argv[3])).run())
    server = await picows.ws_create_server(lambda request: PhoneSide(), "127.0.0.1", 0)
    media = server.sockets[0].getsockname()[1]
    front = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, media), sock=socket.socket(fileno=int(sys.argv[2]))
    )
    async with server, front:
        await line


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
