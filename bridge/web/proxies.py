"""Who asks: the client's address, where proxies of ours stand in front of the bridge.

``X-Forwarded-For`` is written by whoever sends it. It is believed from the proxies that the configuration names, from
right to left, and up to the first address that is none of them (RFC 7239, section 8.1).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

from starlette.requests import HTTPConnection

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_HOPS: Final = 20
FORWARDED: Final = (
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "via",
    "x-forwarded-host",
    "x-forwarded-proto",
    "cf-connecting-ip",
)


class Proxies:
    """The proxies in front of the bridge."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(each, strict=False) for each in trusted]

    def client(self, request: HTTPConnection) -> str:
        """The address that limits are counted by; "" where the transport has none. An IPv6 client counts as its /64."""
        address = self._address(request)
        if address is None:
            return ""
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)

    def is_local(self, request: HTTPConnection) -> bool:
        """It comes from this machine, and through no proxy."""
        peer = _parsed(request.client.host if request.client else "")
        if peer is None or not peer.is_loopback:
            return False
        return not any(name in request.headers for name in FORWARDED)

    def _address(self, request: HTTPConnection) -> Address | None:
        address = _parsed(request.client.host if request.client else "")
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-MAX_HOPS:]
        while address is not None and self._is_trusted(address) and hops:
            before = _parsed(hops.pop().strip())
            if before is None:
                break
            address = before
        return address

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
