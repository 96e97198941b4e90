"""What RFC 6455 asks of both ends of our WebSocket, frame by frame: another version of the library must fail here first.

The peer is written by hand and shares no code with the library. The groups are those of the Autobahn test suite, which
``python -m bench.autobahn`` runs as a whole.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import struct
from collections.abc import AsyncIterator

import pytest

from bridge.call.ports import Secret
from bridge.runtime.sockets import MAX_PHONE_MESSAGE, Socket, connect, serve_upgrade

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE_S = 5.0


class Ears:
    """Hears what a Socket tells, and says texts back."""

    def __init__(self) -> None:
        self.socket: Socket | None = None
        self.texts: list[bytes] = []
        self.binaries: list[int] = []
        self.pongs = 0
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def received(self, message: bytes) -> None:
        """A text."""
        self.texts.append(message)
        if self.socket is not None:
            self.socket.send(message)

    def received_binary(self, size: int) -> None:
        """A binary message."""
        self.binaries.append(size)

    def answered(self) -> None:
        """A pong."""
        self.pongs += 1

    def closed(self, code: int, detail: str) -> None:
        """The end."""
        self.end.set_result(code)


class Peer:
    """The other end, in bytes. ``masks``: it is the client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ears: Ears, *, masks: bool) -> None:
        self.reader = reader
        self.writer = writer
        self.ears = ears
        self.masks = masks

    def put(
        self, kind: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool | None = None
    ) -> None:
        """One frame, right or wrong."""
        mask = self.masks if masked is None else masked
        head = bytes([(0x80 if fin else 0) | rsv << 4 | kind])
        size = len(payload)
        bit = 0x80 if mask else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 1 << 16:
            head += bytes([bit | 126]) + struct.pack("!H", size)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", size)
        if mask:
            key = os.urandom(4)
            payload = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
            head += key
        self.writer.write(head + payload)

    async def take(self) -> tuple[int, bytes]:
        """The next frame from the bridge; (CLOSE, b"") also where the connection simply ends."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                first, second = await self.reader.readexactly(2)
                assert first & 0x70 == 0, "reserved bits are never set"
                assert bool(second & 0x80) is not self.masks, "a client masks, a server does not (5.1)"
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
                key = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
                payload = await self.reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return CLOSE, b""
        return first & 0x0F, bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))

    async def refused(self) -> int:
        """The code with which the bridge closes; everything before it is skipped."""
        while True:
            kind, payload = await self.take()
            if kind == CLOSE:
                return int.from_bytes(payload[:2], "big")


async def _upgrade(reader: asyncio.StreamReader) -> bytes:
    """Reads a client's request; the key that accepts it."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


@contextlib.asynccontextmanager
async def _at_the_door() -> AsyncIterator[Peer]:
    """A client of the bridge's media socket."""
    ears = Ears()

    class Door(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            ears.socket = socket = Socket(max_message=MAX_PHONE_MESSAGE)
            socket.receiver = ears
            serve_upgrade(self.transport, data, lambda request: socket)  # type: ignore[arg-type]

    server = await asyncio.get_running_loop().create_server(Door, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(
        b"GET /media HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer, "the key of section 1.3"
    try:
        yield Peer(reader, writer, ears, masks=True)
    finally:
        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await ears.end
        server.close()


@contextlib.asynccontextmanager
async def _as_an_agent() -> AsyncIterator[Peer]:
    """A server that the bridge has connected to."""
    ears = Ears()
    there: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accept = await _upgrade(reader)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        there.set_result((reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ears.socket = await connect(Secret(f"ws://127.0.0.1:{port}/"), ears, timeout_s=PATIENCE_S)
    reader, writer = await there
    try:
        yield Peer(reader, writer, ears, masks=False)
    finally:
        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await ears.end
        server.close()


@pytest.fixture(params=["server", "client"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """The other end of each of our two."""
    async with (_at_the_door if request.param == "server" else _as_an_agent)() as found:
        yield found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536])
async def test_texts_of_every_length_come_and_go_whole(peer: Peer, size: int) -> None:
    """Group 1: all three ways to write a length, on both sides of each limit."""
    peer.put(TEXT, b"*" * size)
    assert await peer.take() == (TEXT, b"*" * size)


async def test_a_binary_message_is_told_by_its_size(peer: Peer) -> None:
    """Group 1: nobody sends any; it does no harm."""
    peer.put(BINARY, b"\xfe" * 126)
    peer.put(TEXT, b"after")
    assert await peer.take() == (TEXT, b"after")
    assert peer.ears.binaries == [126]


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(125))])
async def test_a_ping_is_answered_with_its_own_payload(peer: Peer, payload: bytes) -> None:
    """Group 2: a pong, at once."""
    peer.put(PING, payload)
    assert await peer.take() == (PONG, payload)


async def test_pings_are_answered_in_order_and_pongs_nobody_asked_for_are_not(peer: Peer) -> None:
    """Group 2: ten pings, ten pongs; an unsolicited pong changes nothing."""
    peer.put(PONG, b"unasked")
    for number in range(10):
        peer.put(PING, b"%d" % number)
    assert [await peer.take() for _ in range(10)] == [(PONG, b"%d" % number) for number in range(10)]


async def test_our_ping_is_told_when_it_is_answered(peer: Peer) -> None:
    """Group 2, the other way."""
    assert peer.ears.socket is not None
    peer.ears.socket.ping()
    kind, payload = await peer.take()
    assert kind == PING
    before = peer.ears.pongs
    peer.put(PONG, payload)
    peer.put(TEXT, b"then")
    assert await peer.take() == (TEXT, b"then")
    assert peer.ears.pongs == before + 1


@pytest.mark.parametrize("kind", [PING, CLOSE])
async def test_a_control_frame_too_long_ends_the_connection(peer: Peer, kind: int) -> None:
    """Group 2 and 7: 126 bytes are one too many (5.5)."""
    peer.put(kind, b"\x03\xe8" + b"x" * 124)
    assert await peer.refused() in (1002, 1009, 0)


@pytest.mark.parametrize("rsv", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("kind", [TEXT, BINARY, PING, CLOSE])
async def test_reserved_bits_end_the_connection(peer: Peer, rsv: int, kind: int) -> None:
    """Group 3: no extension was agreed on (5.2)."""
    peer.put(TEXT, b"before")
    assert await peer.take() == (TEXT, b"before")
    peer.put(kind, b"\x03\xe8" if kind == CLOSE else b"x", rsv=rsv)
    assert await peer.refused() in (1002, 0)
    assert peer.ears.texts == [b"before"]


@pytest.mark.parametrize("kind", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
async def test_reserved_opcodes_end_the_connection(peer: Peer, kind: int) -> None:
    """Group 4."""
    peer.put(kind, b"x")
    assert await peer.refused() in (1002, 0)
    assert peer.ears.texts == []


async def test_fragments_are_joined_around_control_frames(peer: Peer) -> None:
    """Group 5: pings between the fragments are answered at once, the message is whole, empty fragments count for nothing."""
    peer.put(TEXT, b"frag", fin=False)
    peer.put(PING, b"between")
    peer.put(CONTINUATION, b"", fin=False)
    peer.put(CONTINUATION, b"ment", fin=True)
    assert await peer.take() == (PONG, b"between")
    assert await peer.take() == (TEXT, b"fragment")


async def test_a_message_may_come_byte_by_byte(peer: Peer) -> None:
    """Group 5: however the network cuts it."""
    peer.put(TEXT, b"a")
    assert await peer.take() == (TEXT, b"a")
    for number, byte in enumerate(b"slowly"):
        peer.put(CONTINUATION if number else TEXT, bytes([byte]), fin=number == 5)
        await peer.writer.drain()
    assert await peer.take() == (TEXT, b"slowly")


@pytest.mark.parametrize("fin", [True, False])
async def test_a_fragment_of_nothing_ends_the_connection(peer: Peer, fin: bool) -> None:
    """Group 5: a continuation without a beginning."""
    peer.put(CONTINUATION, b"x", fin=fin)
    assert await peer.refused() == 1002


async def test_a_new_message_between_fragments_ends_the_connection(peer: Peer) -> None:
    """Group 5: messages are not interleaved."""
    peer.put(TEXT, b"one", fin=False)
    peer.put(TEXT, b"two")
    assert await peer.refused() == 1002
    assert peer.ears.texts == []


@pytest.mark.parametrize("kind", [PING, PONG])
async def test_a_fragmented_control_frame_ends_the_connection(peer: Peer, kind: int) -> None:
    """Group 5: control frames are never cut (5.4)."""
    peer.put(kind, b"x", fin=False)
    assert await peer.refused() in (1002, 0)


@pytest.mark.parametrize("text", ["Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\U0010ffff", "\x00", "日本語" * 1000])
async def test_utf8_passes(peer: Peer, text: str) -> None:
    """Group 6: also cut in the middle of a character."""
    data = text.encode()
    peer.put(TEXT, data)
    assert await peer.take() == (TEXT, data)
    peer.put(TEXT, data[:1], fin=False)
    peer.put(CONTINUATION, data[1:])
    assert await peer.take() == (TEXT, data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\x80",
        b"\xff",
    ],
)
async def test_what_is_not_utf8_ends_the_connection(peer: Peer, data: bytes) -> None:
    """Group 6: surrogates, beyond Unicode, overlong, alone, never: 1007, and nobody is told."""
    peer.put(TEXT, data)
    assert await peer.refused() == 1007
    assert peer.ears.texts == []


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_own_code_and_told(peer: Peer, code: int) -> None:
    """Group 7: every code that may be on the wire."""
    peer.put(CLOSE, struct.pack("!H", code) + b"going")
    kind, payload = await peer.take()
    assert kind == CLOSE
    assert int.from_bytes(payload[:2], "big") == code
    peer.writer.close()
    assert await asyncio.wait_for(asyncio.shield(peer.ears.end), PATIENCE_S) == code


async def test_a_close_without_a_code_is_answered_and_told_as_1005(peer: Peer) -> None:
    """Group 7: 1005 stands for it, and is never on the wire."""
    peer.put(CLOSE)
    assert await peer.refused() in (1000, 0)
    peer.writer.close()
    assert await asyncio.wait_for(asyncio.shield(peer.ears.end), PATIENCE_S) == 1005


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1100, 2000, 2999])
async def test_a_close_with_a_code_that_may_not_be_sent_is_an_error(peer: Peer, code: int) -> None:
    """Group 7: answered with 1002, never repeated."""
    peer.put(CLOSE, struct.pack("!H", code))
    assert await peer.refused() in (1002, 0)


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80"])
async def test_a_malformed_close_is_an_error(peer: Peer, payload: bytes) -> None:
    """Group 7: half a code, and a reason that is not UTF-8."""
    peer.put(CLOSE, payload)
    assert await peer.refused() in (1002, 1007, 0)


async def test_nothing_is_heard_after_a_close(peer: Peer) -> None:
    """Group 7: what follows a close frame is not told."""
    peer.put(CLOSE, b"\x03\xe8")
    peer.put(TEXT, b"too late")
    await peer.refused()
    peer.writer.close()
    await asyncio.wait_for(asyncio.shield(peer.ears.end), PATIENCE_S)
    assert peer.ears.texts == []


async def test_our_close_ends_the_connection_even_where_nobody_answers_it(peer: Peer) -> None:
    """Group 7: a peer that ignores our close frame is cut off, and what it still says is not told."""
    assert peer.ears.socket is not None
    peer.ears.socket.close(1000, "done")
    assert await peer.take() == (CLOSE, b"\x03\xe8done")
    peer.put(TEXT, b"I go on")
    assert await asyncio.wait_for(asyncio.shield(peer.ears.end), PATIENCE_S) == 1006
    assert peer.ears.texts == []


async def test_a_message_too_large_is_refused_before_it_is_kept() -> None:
    """Group 9, in small: 1009 for one frame, and for fragments that together are too large or too many."""
    for pieces in (1, 3):
        async with _at_the_door() as peer:
            for number in range(pieces):
                last = number == pieces - 1
                peer.put(CONTINUATION if number else TEXT, b"x" * (MAX_PHONE_MESSAGE // pieces + 9), fin=last)
            assert await peer.refused() in (1009, 0)
            assert peer.ears.texts == []
    async with _at_the_door() as peer:
        peer.put(TEXT, b"", fin=False)
        for _ in range(1030):
            peer.put(CONTINUATION, b"", fin=False)
        assert await peer.refused() == 1009


async def test_a_client_that_does_not_mask_is_refused() -> None:
    """5.1: a server must close on a frame that is not masked."""
    async with _at_the_door() as peer:
        peer.put(TEXT, b"bare", masked=False)
        assert await peer.refused() in (1002, 0)
        assert peer.ears.texts == []


@pytest.mark.parametrize("code", [1000, 1011, 4000])
async def test_two_close_frames_at_once_are_answered_as_the_first_one(peer: Peer, code: int) -> None:
    """Group 7 (7.1.2): the second one is not heard any more; the answer repeats the code of the first."""
    peer.put(CLOSE, struct.pack("!H", code))
    peer.put(CLOSE, struct.pack("!H", 1000))
    kind, payload = await peer.take()
    assert kind == CLOSE
    assert int.from_bytes(payload[:2], "big") == code
    assert await peer.take() == (CLOSE, b""), "one close frame, and then the end of the connection"
    peer.writer.close()
    assert await asyncio.wait_for(asyncio.shield(peer.ears.end), PATIENCE_S) == code


async def test_what_follows_a_close_frame_at_once_changes_nothing_of_its_answer(peer: Peer) -> None:
    """Group 7: a frame that is none, in the same packet behind it."""
    peer.put(CLOSE, b"\x03\xe8")
    peer.put(11, b"no such kind")
    assert await peer.refused() == 1000


async def test_f35_of_a_flood_of_pings_some_are_answered_and_the_conversation_goes_on(peer: Peer) -> None:
    """Four hundred in a moment: fifty pongs, and the text behind them is heard."""
    for number in range(400):
        peer.put(PING, b"%d" % number)
    peer.put(TEXT, b"after")
    pongs = 0
    while (found := await peer.take())[0] == PONG:
        pongs += 1
    assert found == (TEXT, b"after")
    assert 50 <= pongs <= 100  # a second may end between them


async def test_f35_an_endless_flood_of_pings_ends_the_connection(peer: Peer) -> None:
    """1008, after a thousand in one second."""
    for _ in range(2100):  # one of two seconds has enough of them, wherever the second ends
        peer.put(PING)
    assert await peer.refused() == 1008
