"""Requests as the carrier makes them, signed with our own token: what would a call of the carrier's meet at this address?"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from bridge.phone.signature import sign

TIME_LIMIT_S: Final = 8.0
AGENT: Final = "callbridge-doctor"
# Proved but not complete: the bridge answers 400 and does nothing, where a stranger is answered 403.
FIELDS: Final = {"Probe": "callbridge-doctor"}


class Unreachable(Exception):
    """No HTTP answer. The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``ours``: in the shape in which the bridge words its refusals (RFC 9457)."""

    status: int
    ours: bool
    seconds: float
    location: str = ""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of a WebSocket upgrade. ``lived_s``: seconds until somebody closed it, with ``close_code``."""

    status: int
    deflate: bool = False
    lived_s: float = 0.0
    close_code: int | None = None


class Prober:
    """``async with Prober() as prober``."""

    def __init__(self, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        self.time_limit_s = time_limit_s

    async def __aenter__(self) -> Prober:
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=self.time_limit_s)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def webhook(self, url: str, token: str) -> Answer:
        """POST a signed form. Raises Unreachable."""
        headers = {"X-Twilio-Signature": sign(token, url, FIELDS), "User-Agent": AGENT}
        began = time.monotonic()
        try:
            async with self._http.post(url, data=FIELDS, headers=headers, allow_redirects=False) as answer:
                await answer.content.read(4096)
                return Answer(
                    answer.status,
                    answer.content_type == "application/problem+json",
                    time.monotonic() - began,
                    _host(answer.headers.get("Location", "")),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(_why(error, self.time_limit_s)) from None

    async def upgrade(self, url: str, token: str, *, patience_s: float = 0.0) -> Upgrade:
        """Open a signed media socket, say nothing for ``patience_s``, and close it. Raises Unreachable."""
        headers = {"X-Twilio-Signature": sign(token, url), "User-Agent": AGENT}
        try:
            # compress offers permessage-deflate: whoever stands in the way must not take the offer.
            socket = await self._http.ws_connect(
                url, headers=headers, compress=15, autoclose=False, timeout=aiohttp.ClientWSTimeout(ws_close=2.0)
            )
        except aiohttp.WSServerHandshakeError as error:
            return Upgrade(error.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(_why(error, self.time_limit_s)) from None
        deflate = bool(socket.compress)
        opened = time.monotonic()
        try:
            async with asyncio.timeout(patience_s):
                message = await socket.receive()
        except TimeoutError:
            return Upgrade(101, deflate, time.monotonic() - opened, None)
        finally:
            await socket.close()
        code = message.data if message.type is aiohttp.WSMsgType.CLOSE else 1006
        return Upgrade(101, deflate, time.monotonic() - opened, code)


def _why(error: Exception, limit: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {limit:g} s"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        return "its TLS certificate is not valid"
    if isinstance(error, aiohttp.ClientSSLError):
        return "its TLS handshake fails"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "nothing listens there"
    return f"no HTTP answer ({type(error).__name__})"


def _host(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else location[:60]
