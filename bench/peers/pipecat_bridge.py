"""The same bridge on pipecat: its Twilio serializer and FastAPI transport, and one processor that speaks to the agent.

``python pipecat_bridge.py AGENT_SOCKET_URL LISTENER_FD CONTROL_FD``, in an environment with pipecat-ai, fastapi, uvicorn.
"""

import asyncio
import base64
import json
import os
import socket
import sys

import uvicorn
import websockets
from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from pipecat.frames.frames import CancelFrame, EndFrame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from bridge.bench.control import Control

AGENT = sys.argv[1]
RATE = 16000
logger.remove()
if os.environ.get("PEER_LOG"):
    logger.add(sys.stderr, level="WARNING")
app = FastAPI()


class AgentBridge(FrameProcessor):
    """The caller's sound to the agent, and the agent's back."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self._call = call
        self._reader: asyncio.Task[None] | None = None

    async def process_frame(self, frame: object, direction: FrameDirection) -> None:
        """One frame."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.push_frame(frame, direction)
            self._agent = await websockets.connect(AGENT, max_size=None, compression=None)
            hello = {
                "type": "conversation_initiation_client_data",
                "dynamic_variables": {"carrier_call_id": self._call},
            }
            await self._agent.send(json.dumps(hello))
            self._reader = self.create_task(self._read())
        elif isinstance(frame, InputAudioRawFrame):
            if self._reader is not None:
                sound = {"audio_base_64": base64.b64encode(frame.audio).decode()}
                await self._agent.send(json.dumps({"type": "audio", "audio_event": sound}))
        else:
            if isinstance(frame, EndFrame | CancelFrame) and self._reader is not None:
                await self.cancel_task(self._reader)
                self._reader = None
                await self._agent.close()
            await self.push_frame(frame, direction)

    async def _read(self) -> None:
        async for text in self._agent:
            message = json.loads(text)
            if message["type"] == "ping":
                await self._agent.send(json.dumps({"type": "pong", "event_id": message["ping_event"]["event_id"]}))
            elif message["type"] == "audio":
                sound = base64.b64decode(message["audio_event"]["audio_base_64"])
                await self.push_frame(OutputAudioRawFrame(audio=sound, sample_rate=RATE, num_channels=1))


@app.post("/twilio/voice")
async def voice(request: Request) -> Response:
    """TwiML that opens a media stream."""
    url = f"ws://{request.headers['host']}/media"
    xml = f'<Response><Connect><Stream url="{url}"><Parameter name="grant" value="x"/></Stream></Connect></Response>'
    return Response(xml, media_type="text/xml")


@app.post("/twilio/status")
@app.get("/readyz")
async def plain() -> str:
    """Health, and the carrier's status."""
    return "ok"


@app.websocket("/media")
async def media(phone: WebSocket) -> None:
    """One call."""
    await phone.accept()
    while (start := await phone.receive_json())["event"] != "start":
        pass
    sid, call = start["streamSid"], start["start"]["callSid"]
    serializer = TwilioFrameSerializer(sid, call, params=TwilioFrameSerializer.InputParams(auto_hang_up=False))
    transport = FastAPIWebsocketTransport(
        websocket=phone,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    task = PipelineTask(
        Pipeline([transport.input(), AgentBridge(call), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(*_: object) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


async def main() -> None:
    """Serve."""
    line = asyncio.create_task(Control(int(sys.argv[3])).run())
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
    await uvicorn.Server(config).serve([socket.socket(fileno=int(sys.argv[2]))])
    line.cancel()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
