"""One signed POST to a business system: bounded, without redirects, with every failure in words.

Signed as Standard Webhooks has it: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature`` (HMAC-SHA256 over id,
timestamp and body). The id stays the same however often a message is sent; the timestamp is that of the attempt.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec
from standardwebhooks import Webhook

from bridge.agents.http import retry_after
from bridge.call.ports import Secret
from bridge.errors import BridgeError
from bridge.tools.destinations import Forbidden, Guard, Lookup

MAX_ANSWER: Final = 64 * 1024  # bytes
MAX_CONNECTIONS: Final = 32  # to one destination
USER_AGENT: Final = "callbridge"
BUSY: Final = frozenset({408, 425, 429})  # surely nothing was done, and later it may be
# Not 503: proxies say it too of a connection that they lost after the request had gone on (Envoy's "reset before headers").


class DeliveryFailure(BridgeError):
    """A message did not arrive, or was not answered as it should be.

    ``undone``: surely nothing was done with it. ``passing``: another attempt may help. ``words``: the other side's own,
    "" where it gave none that can be used. ``kind``: a bounded label. ``retry_after_s``: what a busy one asked for.
    """

    def __init__(
        self,
        kind: str,
        *,
        undone: bool = False,
        passing: bool = False,
        status: int = 0,
        words: str = "",
        hint: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(f"delivery failed: {kind}", hint=hint)
        self.kind = kind
        self.undone = undone
        self.passing = passing
        self.status = status
        self.words = words
        self.retry_after_s = retry_after_s


class Destination:
    """One configured URL. ``secrets``: each signs. ``tls`` None: the system's authorities."""

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[Secret],
        allow_private: bool = False,
        headers: Mapping[str, Secret] | None = None,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = url
        self._signers = [Webhook(secret.reveal()) for secret in secrets]
        self._guard = Guard(url, allow_private=allow_private, lookup=lookup)
        self._headers = dict(headers or {})
        self._tls = tls
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def signature(self, message_id: str, body: bytes) -> dict[str, str]:
        """The three headers, for an attempt that is made now."""
        now = self._clock().astimezone(UTC)  # the library takes the fields of any time for UTC
        signed = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signers:  # "space delimited list of signatures": while a secret is rotated, any of them proves us
            text = body.decode()
            signed["webhook-signature"] = " ".join(each.sign(message_id, now, text) for each in self._signers)
        return signed

    async def post(self, body: bytes, *, message_id: str, timeout_s: float, heeded: bool = True) -> bytes:
        """The answer's body, of a status below 300; b"" where it is not ``heeded``: the message has arrived, whatever that says
        and however long it is. ``timeout_s`` bounds all of it. Raises DeliveryFailure.
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
            **{name: value.reveal() for name, value in self._headers.items()},
            **self.signature(message_id, body),
        }
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            self._guard.check()
            async with self._client().post(
                self._url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as response:
                answer = await _bounded(response) if heeded or response.status >= 300 else b""
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failure(error) from None  # the library's texts hold the URL, whose query may hold a key
        if response.status >= 300:
            raise _refusal(response.status, answer, retry_after(response.headers) or 0.0)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MAX_CONNECTIONS,
                    resolver=self._guard,
                    use_dns_cache=False,
                    ssl=True if self._tls is None else self._tls,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # none was asked for: what comes compressed all the same may be a bomb
                trust_env=False,  # a proxy would resolve the name again
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    held = bytearray()
    async for chunk in response.content.iter_any():
        held += chunk
        if len(held) > MAX_ANSWER:
            raise DeliveryFailure("too_large", status=response.status, hint="Answers may have 64 KiB.")
    return bytes(held)


def _refusal(status: int, answer: bytes, retry_after_s: float) -> DeliveryFailure:
    if status < 400:
        return DeliveryFailure(
            "redirect", status=status, undone=True, hint="Redirects are not followed: correct the url."
        )
    if status in BUSY:
        return DeliveryFailure("busy", status=status, undone=True, passing=True, retry_after_s=retry_after_s)
    if status >= 500:
        return DeliveryFailure("server_error", status=status, passing=True, retry_after_s=retry_after_s)
    return DeliveryFailure("refused", status=status, undone=True, words=_words(answer))


def _words(answer: bytes) -> str:
    try:
        told: Any = msgspec.json.decode(answer)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    found = next((told[name] for name in ("error", "message", "detail") if isinstance(told.get(name), str)), "")
    return "".join(char for char in found if char.isprintable())[:1000]


def _failure(error: Exception) -> DeliveryFailure:
    if isinstance(error, Forbidden) or isinstance(getattr(error, "os_error", None), Forbidden):
        return DeliveryFailure(
            "forbidden_address", undone=True, hint="Name the private address in the url, or set allow_private = true."
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return DeliveryFailure(
            "tls", undone=True, passing=True, hint="Its certificate is not valid for its name, or has expired."
        )
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return DeliveryFailure("unreachable", undone=True, passing=True)
    if isinstance(error, TimeoutError):
        return DeliveryFailure("timeout", passing=True)
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return DeliveryFailure("bad_url", undone=True)
    return DeliveryFailure("lost", passing=True)
