"""The HTTP to Twilio's API: one aiohttp session, a time limit that holds, and refusals told as CarrierFailure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from bridge.carriers.twilio.webhooks.codes import explain_code
from bridge.errors import CarrierFailure

MAX_RESPONSE: Final = 1024 * 1024  # bytes; a page of 200 calls has some 300 kB
MAX_CONNECTIONS: Final = 20
_CONNECT_SHARE: Final = 0.6  # of the time limit: what fails in it was surely not carried out


class _Refusal(msgspec.Struct):
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What Twilio answered to a request that it carried out."""

    status_code: int
    text: str


class Transport:
    """The session is made at the first request, inside its loop."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """One request; never a redirect, whose target would be sent our credentials. Raises CarrierFailure."""
        session = self._open()
        reads = method == "GET"
        limit = self._timeout
        try:
            async with session.request(
                method,
                url,
                params=_pairs(params),
                data=aiohttp.FormData(_pairs(data)) if data else None,
                headers={"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else None,
                timeout=aiohttp.ClientTimeout(total=limit, connect=limit * _CONNECT_SHARE),
                allow_redirects=False,
            ) as response:
                body = await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise CarrierFailure(
                f"Twilio's API cannot be reached ({type(error).__name__})",
                retry=True,
                hint="Check the network, and api_base_url of [carriers.twilio].",
            ) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CarrierFailure(
                f"Twilio's API gave no answer that can be read within {limit:g} s ({type(error).__name__})",
                retry=reads,
                unsure=not reads,
                hint="Try again; see https://status.twilio.com.",
            ) from error
        if response.status >= 300:
            raise _failure(response.status, body, reads=reads)
        return Answer(response.status, body)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


async def _read(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_RESPONSE:
            raise ValueError("too large an answer")
    return body.decode()


def _pairs(fields: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Fields as pairs; a list becomes its name once per value, a bool Twilio's own spelling."""
    return [
        (name, str(item).lower() if isinstance(item, bool) else str(item))
        for name, value in (fields or {}).items()
        for item in (value if isinstance(value, list | tuple) else [value])
    ]


def _failure(status: int, body: str, *, reads: bool) -> CarrierFailure:
    """Twilio's own sentence is left out: it repeats phone numbers."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).code or 0
    except (msgspec.MsgspecError, RecursionError):
        code = 0
    explanation = explain_code(code or {401: 20003, 404: 20404, 429: 20429}.get(status, 0))
    return CarrierFailure(
        f"Twilio refused: {explanation.meaning} (HTTP {status}, code {code})",
        status=status,
        code=code,
        retry=status == 429 or (status >= 500 and reads),
        unsure=status >= 500 and not reads,
        hint=explanation.remedy,
    )
