"""What one writes on the first day: Starlette, websockets, json and audioop, a task for each direction.

``python naive.py AGENT_SOCKET_URL LISTENER_FD CONTROL_FD``. It does what a bridge must for sound to pass, and nothing
else: no record, no interruption, no limits. audioop is part of Python up to 3.12.
"""

import asyncio
import audioop
import base64
import json
import socket
import sys

import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.bench.control import Control

AGENT = sys.argv[1]


async def voice(request: Request) -> Response:
    """TwiML that opens a media stream."""
    url = f"ws://{request.headers['host']}/media"
    xml = f'<Response><Connect><Stream url="{url}"><Parameter name="grant" value="x"/></Stream></Connect></Response>'
    return Response(xml, media_type="text/xml")


async def media(phone: WebSocket) -> None:
    """One call."""
    await phone.accept()
    while (start := await phone.receive_json())["event"] != "start":
        pass
    sid, call = start["streamSid"], start["start"]["callSid"]
    async with websockets.connect(AGENT, max_size=None, compression=None) as agent:
        hello = {"type": "conversation_initiation_client_data", "dynamic_variables": {"carrier_call_id": call}}
        await agent.send(json.dumps(hello))
        ready = json.loads(await agent.recv())["conversation_initiation_metadata_event"]
        rate = int(ready["agent_output_audio_format"].split("_")[1])

        async def up() -> None:
            state = None
            while True:
                message = await phone.receive_json()
                if message["event"] == "stop":
                    return
                if message["event"] != "media":
                    continue
                linear = audioop.ulaw2lin(base64.b64decode(message["media"]["payload"]), 2)
                wide, state = audioop.ratecv(linear, 2, 1, 8000, 16000, state)
                sound = {"audio_base_64": base64.b64encode(wide).decode()}
                await agent.send(json.dumps({"type": "audio", "audio_event": sound}))

        async def down() -> None:
            state = None
            async for text in agent:
                message = json.loads(text)
                if message["type"] == "ping":
                    await agent.send(json.dumps({"type": "pong", "event_id": message["ping_event"]["event_id"]}))
                if message["type"] != "audio":
                    continue
                wide = base64.b64decode(message["audio_event"]["audio_base_64"])
                linear, state = audioop.ratecv(wide, 2, 1, rate, 8000, state)
                payload = base64.b64encode(audioop.lin2ulaw(linear, 2)).decode()
                await phone.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})

        tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(
                result, WebSocketDisconnect | websockets.ConnectionClosed
            ):
                raise result


async def plain(request: Request) -> Response:
    """Health, and the carrier's status."""
    del request
    return PlainTextResponse("ok")


async def main() -> None:
    """Serve."""
    line = asyncio.create_task(Control(int(sys.argv[3])).run())
    routes = [
        Route("/twilio/voice", voice, methods=["POST"]),
        Route("/twilio/status", plain, methods=["POST"]),
        Route("/readyz", plain),
        WebSocketRoute("/media", media),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="warning", ws="websockets", ws_per_message_deflate=False
    )
    await uvicorn.Server(config).serve([socket.socket(fileno=int(sys.argv[2]))])
    line.cancel()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
