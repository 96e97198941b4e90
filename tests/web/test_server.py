"""The listening socket: what a signal does, and whose an upgrade is."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import uvicorn
from starlette.routing import Route

from bridge.runtime.sockets import Socket
from bridge.web.server import FrontServer, front_protocol, outer_path


class Front:
    """A front door with an application of one sentence behind it, a drain that the test ends, and a door for media."""

    def __init__(self) -> None:
        self.calls_over = asyncio.Event()
        self.drains = 0
        self.asked: list[tuple[str, str]] = []  # path and peer of each media upgrade
        config = uvicorn.Config(
            self._app,
            host="127.0.0.1",
            port=0,
            http=front_protocol("/media", self._admit, prefix="/phone"),
            interface="asgi3",
            lifespan="off",
            log_config=None,
        )
        self.server = FrontServer(config, self._drain)

    @property
    def url(self) -> str:
        """Where it listens."""
        (listener,) = (each for server in self.server.servers for each in server.sockets)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def _drain(self) -> None:
        self.drains += 1
        await self.calls_over.wait()

    def _admit(self, request: Any, peer: str) -> Socket | int:
        self.asked.append((request.path.decode(), peer))
        return 403

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here" if scope["path"] != "/where" else scope["raw_path"]})


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    """One that serves; however the test leaves it, it has ended afterwards."""
    front = Front()
    started = asyncio.Event()
    front.server.on_started = lambda server: started.set()
    with contextlib.suppress(KeyboardInterrupt):
        serving = asyncio.create_task(front.server._serve())  # without its signal handlers: the test is the signal
        await asyncio.wait_for(started.wait(), 5)
        yield front
        front.calls_over.set()
        front.server.should_exit = True
        await asyncio.wait_for(serving, 5)


async def get(url: str) -> str:
    """What a plain request is answered."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return await response.text()


async def until(condition: Any) -> None:
    """Wait for something that the server's loop does."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_first_signal_only_begins_the_drain(front: Front) -> None:
    """New connections are answered as long as a call goes on; the server exits when the last one is over."""
    front.server.handle_exit(signal.SIGTERM, None)
    await until(lambda: front.drains == 1)
    assert await get(front.url) == "here"
    assert not front.server.should_exit
    front.calls_over.set()
    await until(lambda: front.server.should_exit)
    assert not front.server.force_exit


async def test_a_second_signal_ends_at_once(front: Front) -> None:
    """However many calls there are: nothing is waited for, and the drain is not begun again."""
    front.server.handle_exit(signal.SIGTERM, None)
    await until(lambda: front.drains == 1)
    front.server.handle_exit(signal.SIGTERM, None)
    assert front.server.should_exit
    assert front.server.force_exit
    assert front.drains == 1


async def test_media_upgrades_never_reach_the_application(front: Front) -> None:
    """They go to the door of their own, with the path as it was sent and the peer's address; others go on to the app."""
    async with aiohttp.ClientSession() as http:
        for path in ("/media", "/media?x=1", "/elsewhere"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(front.url + path)
            assert refused.value.status == 403
    assert front.asked == [("/media", "127.0.0.1"), ("/media?x=1", "127.0.0.1")]


async def test_a_proxy_may_cut_off_the_outer_path_or_leave_it(front: Front) -> None:
    """Both come to the same route, and to the same door; what only begins alike is left as it is."""
    assert await get(front.url + "/where") == "/where"
    assert await get(front.url + "/phone/where") == "/where"
    assert await get(front.url + "/phones/where") == "here"
    async with aiohttp.ClientSession() as http:
        for path in ("/media/", "/phone/media", "/phone/media/"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(front.url + path)
    assert [path for path, _ in front.asked] == ["/media/", "/media", "/media/"]


@pytest.mark.parametrize(
    ("public_url", "outer"),
    [
        (None, ""),
        ("https://bridge.example.com", ""),
        ("https://bridge.example.com/", ""),
        ("https://example.com/phone/", "/phone"),
        ("https://example.com/a/b", "/a/b"),
        ("https://example.com/api", ""),  # cut off, our own /api/v1/calls would be lost
    ],
)
def test_the_outer_path_is_that_of_the_public_url(public_url: str | None, outer: str) -> None:
    """Unless a route of ours begins alike."""
    assert (
        outer_path(public_url, [Route("/api/v1/calls", asyncio.sleep), Route("/twilio/voice", asyncio.sleep)]) == outer
    )


async def test_a_plain_request_for_the_media_path_is_an_ordinary_one(front: Front) -> None:
    """Only an upgrade is taken out of the application's hands."""
    assert await get(front.url + "/media") == "here"
    assert front.asked == []
