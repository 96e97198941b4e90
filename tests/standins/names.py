"""A name server on loopback whose answers change from one question to the next, and a resolver that asks it (RFC 1035)."""

import asyncio
import ipaddress
import itertools
import socket
import struct
from types import TracebackType
from typing import Any, Final, Self

A, AAAA = 1, 28
NO_NAME: Final = 3  # the response code of a name that is not there
ID = struct.Struct("!6H")


class NameServer(asyncio.DatagramProtocol):
    """`async with NameServer() as names: names.answers["x.test"] = [["192.0.2.1"], ["127.0.0.1"]]`: in turn, over and over.

    A question for both families counts as one: both get the same turn.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[tuple[str, int]] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._transport is not None
        self._transport.close()

    def turns(self, name: str) -> int:
        """How often a name was looked up."""
        return sum(each == (name, A) for each in self.asked)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """A question."""
        number, *_ = ID.unpack_from(data)
        name, end = _name(data, ID.size)
        kind = struct.unpack_from("!H", data, end)[0]
        turn = sum(each == (name, kind) for each in self.asked)
        self.asked.append((name, kind))
        turns = self.answers.get(name)
        found = [ipaddress.ip_address(each) for each in turns[turn % len(turns)]] if turns else []
        wanted = [each.packed for each in found if (each.version == 4) == (kind == A)]
        flags = 0x8580 | (0 if turns else NO_NAME)
        reply = ID.pack(number, flags, 1, len(wanted), 0, 0) + data[ID.size : end + 4]
        for packed in wanted:  # the name is that of the question; it may be kept for no time at all
            reply += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed
        assert self._transport is not None
        self._transport.sendto(reply, addr)


class Resolver:
    """What stands in the place of the system's `getaddrinfo` for the names under `.test`."""

    def __init__(self, names: NameServer, otherwise: Any) -> None:
        self._names = names
        self._otherwise = otherwise
        self._numbers = itertools.count(1)

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> list[Any]:
        """As the event loop has it."""
        if not str(host).rstrip(".").endswith(".test"):
            return list(await self._otherwise(host, port, **more))
        found = [*await self._ask(host, A), *await self._ask(host, AAAA)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "there is no such name")
        return [
            (
                socket.AF_INET6 if ":" in each else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (each, port, 0, 0) if ":" in each else (each, port),
            )
            for each in found
        ]

    async def _ask(self, host: str, kind: int) -> list[str]:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in host.rstrip(".").split("."))
        question = ID.pack(next(self._numbers), 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect(("127.0.0.1", self._names.port))
            async with asyncio.timeout(5):
                await loop.sock_sendall(asking, question)
                reply = await loop.sock_recv(asking, 4096)
        assert reply[:2] == question[:2]
        count = ID.unpack_from(reply)[3]
        found, at = [], len(question)
        for _ in range(count):
            size = struct.unpack_from("!H", reply, at + 10)[0]
            found.append(str(ipaddress.ip_address(reply[at + 12 : at + 12 + size])))
            at += 12 + size
        return found


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels), at + 1
