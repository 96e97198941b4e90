"""The name server whose answers change."""

import asyncio
import socket

import pytest

from tests.standins.names import NameServer, Resolver


async def test_each_look_up_gets_the_next_answer() -> None:
    """Of both families, over and over; a name that is not there is an error, and others are the system's."""
    loop = asyncio.get_running_loop()
    async with NameServer() as names:
        names.answers["x.test"] = [["192.0.2.1", "::1"], ["127.0.0.1"]]
        resolver = Resolver(names, loop.getaddrinfo)
        seen = [[entry[4] for entry in await resolver.getaddrinfo("x.test", 80)] for _ in range(3)]
        first = [("192.0.2.1", 80), ("::1", 80, 0, 0)]
        assert seen == [first, [("127.0.0.1", 80)], first]
        assert names.turns("x.test") == 3
        with pytest.raises(socket.gaierror):
            await resolver.getaddrinfo("y.test", 80)
        assert await resolver.getaddrinfo("127.0.0.1", 80)
