"""A connection to a host that has several addresses, of which some may lead nowhere (RFC 8305).

The loop's own ``create_connection`` tries one after another, and waits minutes for an IPv6 address that swallows what it is
sent. HTTP requests (bridge/agents/http.py) have the same from their library.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import cache
from typing import Final

import aiohappyeyeballs
from picows.url import WSParsedURL

NEXT_S: Final = 0.25  # RFC 8305, 8: an address that has not answered by then is raced by the next one


async def reach(url: WSParsedURL) -> socket.socket:
    """A connected socket to whichever address of the URL's host answers first. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    return await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=NEXT_S, interleave=1)


@cache
def trusted() -> ssl.SSLContext:
    """The authorities of this machine (or of SSL_CERT_FILE), read once: 20 ms of the loop and 0.8 MB, for all sockets."""
    return ssl.create_default_context()
