"""Which addresses we may send to. A name is resolved once, every address that comes of it is judged, and exactly those are
connected to: an answer that changes in between (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[list[str]]]  # (name, port) -> addresses; raises OSError

MAX_ADDRESSES: Final = 16  # of one name; more are not looked at and not connected to
_NEVER: Final = tuple(
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8",  # RFC 1122, 3.2.1.3: "this host", which some systems connect to themselves
        "169.254.0.0/16",  # RFC 3927, and most clouds' metadata
        "100.100.100.200/32",  # metadata: Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",  # RFC 4291, 2.5.6
        "fec0::/10",
        "fd00:ec2::/32",  # metadata: AWS
        "fd20:ce::254/128",  # Google Cloud
        "ff00::/8",
    )
)
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215


class Standing(Enum):
    """What an address is to us."""

    PUBLIC = "public"
    PRIVATE = "private"  # only where the configuration names it
    NEVER = "never"


class Forbidden(OSError):
    """The address may not be connected to."""


def standing(address: str) -> Standing:
    """Judge an address by itself and by every IPv4 address inside it."""
    found = [_one(each) for each in _embedded(ipaddress.ip_address(address.split("%", 1)[0]))]
    return max(found, key=[Standing.PUBLIC, Standing.PRIVATE, Standing.NEVER].index)


def _one(address: Ip) -> Standing:
    if any(address in net for net in _NEVER if net.version == address.version):
        return Standing.NEVER
    return Standing.PUBLIC if address.is_global else Standing.PRIVATE


def _embedded(address: Ip) -> list[Ip]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:  # is_global of ::ffff:10.0.0.1 differs between versions of Python
        return [address.ipv4_mapped]
    found: list[Ip] = [address]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if any(address in net for net in _NAT64) or 1 < int(address) < 1 << 32:  # the second: RFC 4291, 2.5.5.1
        found = [each for each in found if each != address]
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


class Guard(AbstractResolver):
    """Resolves the host of one configured URL, and nothing else.

    A private address is let through where the URL itself is that address (or localhost), or ``allow_private``.
    """

    def __init__(self, url: str, *, allow_private: bool = False, lookup: Lookup | None = None) -> None:
        host = (urlsplit(url).hostname or "").rstrip(".")
        self._host = host
        self._lookup = lookup or _system
        self._private = allow_private or host == "localhost" or host.endswith(".localhost")
        try:
            self._literal: Standing | None = standing(host)
        except ValueError:
            self._literal = None

    def check(self) -> None:
        """A literal address is never resolved: it is judged here, before each request. Raises Forbidden."""
        if self._literal is Standing.NEVER:
            raise Forbidden("an address that is never called")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses, none of which is forbidden. Raises Forbidden, or OSError where there is none."""
        if host.rstrip(".") != self._host:
            raise Forbidden("another host than the configured one")
        addresses = (await self._lookup(host, port))[:MAX_ADDRESSES]
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            verdict = standing(address)
            # One bad address among good ones is how rebinding begins: the name as a whole is refused.
            if verdict is Standing.NEVER or (verdict is Standing.PRIVATE and not self._private):
                raise Forbidden("the name leads to an address that may not be called")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _system(name: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
