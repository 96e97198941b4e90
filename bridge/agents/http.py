"""One HTTP client for the APIs of agents: bounded, without redirects, with every failure in words.

No text that leaves here holds the key, the URL or the words of the other side, which could echo either.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import msgspec

from bridge.errors import AgentFailure, Reason

MAX_BODY: Final = 1 << 20  # bytes of a JSON reply
MAX_CONNECTIONS: Final = 1024  # of one agent; the library's own limit of 100 stalls the 101st call without a word
MAX_RETRY_AFTER: Final = 3600.0  # s
KEEPALIVE: Final = 55.0  # s that an idle connection is kept: the next call saves the handshake

_REASONS: Final[Mapping[int, Reason]] = {
    401: Reason.AGENT_AUTH,
    403: Reason.AGENT_FORBIDDEN,
    404: Reason.AGENT_NOT_FOUND,
    429: Reason.AGENT_BUSY,
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status of this provider means, and what a person can do."""

    problem: str
    remedy: str


MEANINGS: Final[Mapping[int, Meaning]] = {
    401: Meaning("refuses the API key (401)", "Check the key, and make a new one if it has expired."),
    403: Meaning("does not allow this to the API key (403)", "Give the key the permission it lacks."),
    404: Meaning("does not know what was asked for (404)", "Check the agent's id and base_url."),
    429: Meaning("has no room for another request (429)", "Wait, or ask the provider for a higher limit."),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with a status below 300."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def value(self) -> Any:
        """The JSON of the body, None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return None

    def json(self) -> dict[str, Any]:
        """The JSON object of the body. Raises AgentFailure (AGENT_BAD_REPLY)."""
        value = self.value()
        if not isinstance(value, dict):
            raise AgentFailure(
                "the agent's API answered with something else than a JSON object",
                reason=Reason.AGENT_BAD_REPLY,
                retry=True,
                hint="Check base_url: is this the agent's API?",
            )
        return value


class Refusal(AgentFailure):
    """A failure that is an answer: ``status`` and ``headers`` of it."""

    def __init__(self, message: str, *, status: int, headers: Mapping[str, str], **verdict: Any) -> None:
        super().__init__(message, **verdict)
        self.status = status
        self.headers = headers


class ApiClient:
    """Requests to one API below ``base_url``. ``timeout_s`` bounds each as a whole, the last byte of its body included."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = base_url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        meanings: Mapping[int, Meaning] = MEANINGS,
        timeout_s: float | None = None,
    ) -> Reply:
        """One attempt. Raises AgentFailure (Refusal where the API answered), never anything of the library's."""
        async with self._open(
            method, path, headers=headers, query=query, body=body, meanings=meanings, timeout_s=timeout_s
        ) as response:
            held = bytearray()
            async for chunk in response.content.iter_any():
                held += chunk
                if len(held) > MAX_BODY:
                    raise AgentFailure(
                        f"the agent's API answered with more than {MAX_BODY} bytes",
                        reason=Reason.AGENT_BAD_REPLY,
                        hint="Check base_url: is this the agent's API?",
                    )
            return Reply(response.status, response.headers, bytes(held))

    async def stream(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        meanings: Mapping[int, Meaning] = MEANINGS,
        timeout_s: float | None = None,
    ) -> AsyncIterator[bytes]:
        """The body of a GET, piece by piece, for what is too large to hold. Raises AgentFailure."""
        async with self._open(
            "GET", path, headers=headers, query=None, body=None, meanings=meanings, timeout_s=timeout_s
        ) as response:
            total = 0
            async for chunk in response.content.iter_any():
                total += len(chunk)
                if total > max_bytes:
                    raise AgentFailure(
                        f"the agent's API sends more than {max_bytes} bytes", reason=Reason.AGENT_BAD_REPLY
                    )
                yield chunk

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        body: bytes | None,
        meanings: Mapping[int, Meaning],
        timeout_s: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        limit = self._timeout if timeout_s is None else aiohttp.ClientTimeout(total=timeout_s)
        url = path if path.startswith(("https://", "http://")) else self._base_url + path
        try:
            async with self._client().request(
                method, url, params=query, data=body, headers=sent, allow_redirects=False, timeout=limit
            ) as response:
                if response.status >= 300:
                    raise _refusal(response, meanings)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # "from None": the library's texts hold the URL, and a URL of an agent may hold a key
            raise _failure(error) from None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:  # made here and not in the constructor: it belongs to the running loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE, ssl=self._tls if self._tls is not None else True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # we ask for none: what comes compressed all the same may be a bomb
                trust_env=False,
            )
        return self._session


def _refusal(response: aiohttp.ClientResponse, meanings: Mapping[int, Meaning]) -> Refusal:
    status = response.status
    known = meanings.get(status)
    if known is None and status >= 500:
        known = Meaning(f"has failed ({status})", "Try again; if it goes on, ask the provider.")
    elif known is None and status < 400:
        known = Meaning(f"answers with a redirect ({status}), which is not followed", "Correct base_url.")
    elif known is None:
        known = Meaning(f"refuses the request ({status})", "Check this agent's settings.")
    reason = _REASONS.get(status, Reason.AGENT_5XX if status >= 500 else Reason.AGENT_BAD_REPLY)
    return Refusal(
        f"the agent's API {known.problem}",
        status=status,
        headers=response.headers,
        reason=reason,
        retry=status >= 500 or status == 429,
        retry_after=retry_after(response.headers) if status in (429, 503) else None,
        hint=known.remedy,
    )


def _failure(error: Exception) -> AgentFailure:
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return AgentFailure(
            "the encryption to the agent's API could not be set up: its certificate is not valid for its name, has "
            "expired, or is of an authority unknown here",
            reason=Reason.AGENT_TLS,
            hint="Check base_url and the clock of this machine; for a private authority set SSL_CERT_FILE.",
        )
    if isinstance(error, TimeoutError):
        return AgentFailure(
            "the agent's API did not answer in time",
            reason=Reason.AGENT_TIMEOUT,
            retry=True,
            hint="Check the network between here and the provider.",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return AgentFailure(
            "the name of the agent's API cannot be resolved",
            reason=Reason.AGENT_UNREACHABLE,
            retry=True,
            hint="Check base_url and this machine's name servers.",
        )
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL | ValueError):
        return AgentFailure(
            "the agent's API answered with something that is not HTTP",
            reason=Reason.AGENT_BAD_REPLY,
            retry=True,
            hint="Check base_url: is this the agent's API?",
        )
    return AgentFailure(
        "the connection to the agent's API was refused or broke off",
        reason=Reason.AGENT_UNREACHABLE,
        retry=True,
        hint="Check base_url and the network between here and the provider.",
    )


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """What the other side's clock says (``Date``), None where it says nothing: its times are read against it, not ours."""
    return _http_date(headers.get("Date", ""))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date), within an hour; None for nonsense."""
    text = headers.get("Retry-After", "").strip()
    seconds: float
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif (moment := _http_date(text)) is not None:
        seconds = (moment - (server_time(headers) or datetime.now(UTC))).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
