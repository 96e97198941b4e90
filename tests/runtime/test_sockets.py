"""bridge/runtime/sockets.py: the WebSocket library seen as one Socket, against servers that misbehave."""

import asyncio
import contextlib
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop
import websockets
from websockets.asyncio.server import ServerConnection

from bridge.call.ports import Secret
from bridge.errors import AgentFailure, Reason
from bridge.runtime.dialing import trusted
from bridge.runtime.sockets import Socket, connect, refusal, serve_upgrade


class Ear:
    """What a socket told."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.binary: list[int] = []
        self.pongs = asyncio.Event()
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.socket: Socket | None = None

    def received(self, message: bytes) -> None:
        """A text."""
        self.messages.append(message)

    def received_binary(self, size: int) -> None:
        """No text."""
        self.binary.append(size)

    def answered(self) -> None:
        """A pong."""
        self.pongs.set()

    def closed(self, code: int, detail: str) -> None:
        """The end."""
        self.end.set_result(code)


async def told(handler: Callable[[ServerConnection], Awaitable[None]], *, say: bytes = b"hello") -> tuple[Ear, int]:
    """Connect to a server that does this, say hello, and wait for the end."""
    ear = Ear()
    async with websockets.serve(handler, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await connect(Secret(f"ws://127.0.0.1:{port}/"), ear, timeout_s=5)
        socket.send(say)
        async with asyncio.timeout(5):
            code = await ear.end
        assert not socket.send(b"after the end")
        socket.close()
        socket.abort()
    return ear, code


@contextlib.asynccontextmanager
async def listening(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server that speaks bytes: its port."""
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        try:
            with contextlib.suppress(OSError):
                await handler(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        if served:
            await asyncio.wait(served, timeout=2)


async def test_texts_arrive_whole_and_in_order() -> None:
    """Fragments are joined, pings in between do not disturb them, and the peer's close code is told."""

    async def server(ws: ServerConnection) -> None:
        assert await ws.recv() == "hello"
        await ws.send("one")
        await ws.send(["t", "w", "o"])
        await ws.close(4001)

    ear, code = await told(server)
    assert ear.messages == [b"one", b"two"]
    assert code == 4001


async def test_binary_is_told_by_its_size() -> None:
    """Nobody has a use for it."""

    async def server(ws: ServerConnection) -> None:
        await ws.send(b"\x00" * 7)
        await ws.close()

    ear, code = await told(server)
    assert (ear.binary, ear.messages, code) == ([7], [], 1000)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x81\x02\xc3\x28", 1007),  # a text that is not UTF-8
        (b"\x01\x01a\x81\x01b", 1002),  # a new message before the last fragment
        (b"\x80\x01a", 1002),  # a fragment of nothing
        (b"\x01\x01x" + b"\x00\x01x" * 2000, 1009),  # too many fragments
        (b"\x81\x7f" + (2 << 20).to_bytes(8, "big"), 1009),  # a frame of 2 MiB, announced
    ],
)
async def test_what_breaks_the_protocol_ends_the_socket_with_our_verdict(raw: bytes, code: int) -> None:
    """Whatever the peer answers to that: it is not a normal end."""

    async def server(ws: ServerConnection) -> None:
        await ws.recv()
        ws.transport.write(raw)
        await ws.wait_closed()

    _, found = await told(server)
    assert found == code


async def test_a_lost_connection_is_1006() -> None:
    """No close frame came."""

    async def server(ws: ServerConnection) -> None:
        await ws.recv()
        ws.transport.abort()

    assert (await told(server))[1] == 1006


async def test_a_peer_that_ignores_our_close_is_cut() -> None:
    """After a second; nobody waits for ever."""
    ear = Ear()
    begun = asyncio.Event()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = websockets.utils.accept_key(key.decode())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        begun.set()
        await reader.read()

    async with listening(server) as port:
        socket = await connect(Secret(f"ws://127.0.0.1:{port}/"), ear, timeout_s=5)
        await begun.wait()
        socket.close(1000)
        async with asyncio.timeout(2):
            assert await ear.end == 1006


async def test_our_pings_are_answered() -> None:
    """A peer that reads says so."""
    ear = Ear()

    async def server(ws: ServerConnection) -> None:
        await ws.wait_closed()

    async with websockets.serve(server, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        socket = await connect(Secret(f"ws://127.0.0.1:{port}/"), ear, timeout_s=5)
        assert socket.peer == "127.0.0.1"
        socket.ping()
        async with asyncio.timeout(2):
            await ear.pongs.wait()
        socket.close()
        await ear.end


async def failure(port: int, *, scheme: str = "ws", host: str = "127.0.0.1", timeout_s: float = 2.0) -> AgentFailure:
    """Why no socket could be opened; its text never holds the URL."""
    url = f"{scheme}://{host}:{port}/?api_key=canary"
    with pytest.raises(AgentFailure) as caught:
        await connect(Secret(url), Ear(), timeout_s=timeout_s)
    assert "canary" not in repr(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


async def test_nobody_there_is_unreachable() -> None:
    """Refused."""
    assert (await failure(9)).reason is Reason.AGENT_UNREACHABLE


async def test_f48_a_name_that_is_none_is_unreachable() -> None:
    """The resolver says no; .invalid never exists (RFC 6761)."""
    assert (await failure(80, host="agent.invalid")).reason is Reason.AGENT_UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, Reason.AGENT_UNREACHABLE),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", Reason.AGENT_AUTH),
        (
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/?api_key=canary\r\nContent-Length: 0\r\n\r\n",
            Reason.AGENT_REFUSED,
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: gopher://x/?api_key=canary\r\nContent-Length: 0\r\n\r\n",
            Reason.AGENT_REFUSED,
        ),
        (b"SSH-2.0-OpenSSH_9.0\r\n\r\n", Reason.AGENT_REFUSED),
        (
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n"
            ),
            Reason.AGENT_REFUSED,
        ),
    ],
)
async def test_f06_whatever_is_no_handshake_is_told_apart(answer: bytes | None, reason: Reason) -> None:
    """Dropped, refused, redirected, another protocol, a wrong key: each with its reason, none with the URL."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()

    async with listening(server) as port:
        assert (await failure(port)).reason is reason


async def test_f05_a_server_that_takes_the_connection_and_is_silent_times_out() -> None:
    """Within the time given."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(server) as port:
        assert (await failure(port, timeout_s=0.3)).reason is Reason.AGENT_TIMEOUT


async def test_f49_a_server_that_speaks_no_tls_is_a_tls_fault() -> None:
    """Verification is never switched off, and the reason says where to look."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with listening(server) as port:
        found = await failure(port, scheme="wss")
    assert found.reason is Reason.AGENT_TLS
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


async def test_no_socket_reads_the_authorities_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are 20 ms, in which nobody's sound moves, and 0.8 MB as long as the call."""
    trusted()
    read: list[object] = []
    real = ssl.create_default_context

    def reading(*how: Any, **more: Any) -> ssl.SSLContext:
        read.append(how)
        return real(*how, **more)

    monkeypatch.setattr(ssl, "create_default_context", reading)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with listening(hang_up) as port:
        await failure(port, scheme="wss")
        await failure(port, scheme="wss")
    assert read == []


@pytest.mark.parametrize(
    ("status", "retry"), [(401, True), (403, False), (404, True), (429, False), (500, True), (302, False)]
)
def test_a_refusal_says_whether_another_try_may_help(status: int, retry: bool) -> None:
    """A fresh credential mends 401 and 404; nothing mends 403."""
    assert refusal(status).retry is retry
    assert refusal(status).hint


async def test_a_socket_that_never_connected_does_nothing() -> None:
    """Every method may be called."""
    socket = Socket(max_message=10)
    assert not socket.connected
    assert socket.peer == ""
    assert not socket.send(b"x")
    socket.ping()
    socket.close()
    socket.abort()


async def test_a_socket_that_is_closed_is_gone_without_the_garbage_collector() -> None:
    """Neither the library nor whoever listened is held by it, nor it by them."""

    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    ear = Ear()
    async with websockets.serve(silent, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        gc.disable()
        try:
            socket = await connect(Secret(f"ws://127.0.0.1:{port}/"), ear, timeout_s=5)
            gone = weakref.ref(socket)
            ear.socket = socket  # as whoever listens for a call does
            socket.close()
            async with asyncio.timeout(5):
                await ear.end
            assert socket.connected
            del socket, ear
            async with asyncio.timeout(5):
                while gone() is not None:
                    await asyncio.sleep(0)
        finally:
            gc.enable()


class Front(asyncio.Protocol):
    """Whoever hears a connection until its upgrade is there."""

    def __init__(self, admit: Callable[[Any], Socket]) -> None:
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """The request, whole."""
        serve_upgrade(self._transport, data, self._admit)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def upgraded() -> AsyncIterator[tuple[weakref.ref[Front], Any]]:
    """A socket that was upgraded and lives: who heard its connection before, and its request."""
    fronts: list[weakref.ref[Front]] = []
    requests: list[Any] = []

    def admit(request: Any) -> Socket:
        requests.append(request)
        return Socket(max_message=100)

    def front() -> Front:
        made = Front(admit)
        fronts.append(weakref.ref(made))
        return made

    server = await asyncio.get_running_loop().create_server(front, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
            async with asyncio.timeout(5):
                await (await client.ping())
            yield fronts[0], requests[0]
    finally:
        server.close()


def test_the_protocol_before_the_upgrade_is_not_kept_as_long_as_the_socket() -> None:
    """The HTTP connection with its queue, events and headers: 3 kB of every call. The loop is the one that serves."""

    async def look() -> None:
        async with upgraded() as (before, _):
            assert before() is None

    gc.disable()
    try:
        uvloop.run(look())
    finally:
        gc.enable()


async def test_what_was_said_for_the_upgrade_is_not_kept() -> None:
    """Its headers hold a signature, and the library would keep them as long as the call."""
    async with upgraded() as (_, request):
        assert request.path == b"/"
        assert not request.headers
