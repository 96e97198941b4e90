"""Hosts with several addresses."""

import asyncio
import socket
import ssl
import time
from typing import Any

import pytest
from picows.url import WSParsedURL, parse_url

from bridge.runtime.dialing import reach, trusted
from tests.support.blackhole import BlackHole


def both(port: int) -> WSParsedURL:
    """A host of two addresses."""
    return parse_url(f"ws://both.agent.example:{port}/")


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[socket.AddressFamily, str]) -> None:
    """Every name has these addresses, in this order."""

    async def known(self: Any, host: Any, port: Any, **more: Any) -> Any:
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in addresses]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", known)


@pytest.fixture
async def port() -> Any:
    """Somebody listens on IPv4."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.skipif(not BlackHole.possible(), reason="there is no IPv6 loopback here")
async def test_f48_a_broken_ipv6_costs_a_moment(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that swallows is tried first, as systems order them; the other one has answered within a second."""
    resolved(monkeypatch, (socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
    with BlackHole(port):
        began = time.monotonic()
        with await reach(both(port)) as found:
            assert found.getpeername()[0] == "127.0.0.1"
        assert time.monotonic() - began < 1.0


async def test_nobody_there_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by all of them."""
    resolved(monkeypatch, (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"))
    with pytest.raises(OSError):
        await reach(both(9))


def test_whom_we_trust_is_verified_and_known_once() -> None:
    """Certificate and name of whoever is called are checked, by the same authorities for every call."""
    assert trusted() is trusted()
    assert trusted().verify_mode is ssl.CERT_REQUIRED
    assert trusted().check_hostname
