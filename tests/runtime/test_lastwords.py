"""What a peer said last."""

import asyncio
import base64
import hashlib
import socket
import struct
import time

import pytest

from bridge.call.ports import Secret
from bridge.runtime.lastwords import last_words, unread
from bridge.runtime.sockets import connect

BYE = b"\x88\x02" + struct.pack(">H", 1000)


def text(message: bytes) -> bytes:
    """One frame of a server."""
    size = len(message)
    head = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    return b"\x81" + head + message


@pytest.mark.parametrize(
    ("data", "messages", "code"),
    [
        (b"", [], None),
        (text(b"a") + BYE, [b"a"], 1000),
        (text(b"a" * 300) + b"\x89\x00" + text(b"b") + b"\x88\x00", [b"a" * 300, b"b"], 1005),
        (text(b"a") + text(b"bcd")[:-1], [b"a"], None),  # the last one came in part
        (b"\x01\x01a" + BYE, [], None),  # a fragment: what it belongs to is not known
        (b"\x81\x81masked", [], None),
        (BYE + text(b"late"), [], 1000),
        (b"\x7fgarbage", [], None),
    ],
)
def test_whole_messages_and_the_close_are_read(data: bytes, messages: list[bytes], code: int | None) -> None:
    """As far as they are whole; nothing is guessed."""
    words = last_words(data)
    assert (words.messages, words.code) == (messages, code)


def test_a_closed_socket_has_nothing_to_say() -> None:
    """Whatever became of it."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"abc")
    assert unread(ours) == b"abc"
    ours.close()
    theirs.close()
    assert unread(ours) == b""


class Told:
    """A receiver."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.end = asyncio.get_running_loop().create_future()

    def received(self, message: bytes) -> None:
        """A message."""
        self.messages.append(message)

    def received_binary(self, size: int) -> None:
        """None is sent."""

    def answered(self) -> None:
        """Nobody asks."""

    def closed(self, code: int, detail: str) -> None:
        """The end."""
        self.end.set_result(code)


async def test_an_agent_that_cuts_the_connection_behind_its_goodbye_has_said_it() -> None:
    """Its last message is heard and its close is an orderly one, though our next write met the reset first."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        async def accept() -> socket.socket:
            peer, _ = await loop.sock_accept(listener)
            head = b""
            while b"\r\n\r\n" not in head:
                head += await loop.sock_recv(peer, 4096)
            lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            key = {name.lower(): value for name, value in lines.items()}[b"sec-websocket-key"]
            proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            await loop.sock_sendall(peer, answer + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")
            return peer

        accepting = asyncio.create_task(accept())
        told = Told()
        url = Secret(f"ws://127.0.0.1:{listener.getsockname()[1]}/x")
        ours = await connect(url, told, timeout_s=5)
        peer = await accepting
        ours.send(b"sound that stays unread")
        await asyncio.sleep(0.05)
        with peer:
            peer.setblocking(True)
            peer.sendall(text(b"goodbye") + BYE)
        time.sleep(0.05)  # noqa: ASYNC251 - the loop must not read before it writes: that is the race
        ours.send(b"more sound")
        async with asyncio.timeout(5):
            assert await told.end == 1000
        assert told.messages == [b"goodbye"]
