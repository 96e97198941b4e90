"""The HTTP under Twilio's own library: one aiohttp session, a time limit that holds, and refusals told as CarrierFailure.

The library's own asynchronous client keeps its timeout to itself (aiohttp's 300 s then apply), makes its session in the
constructor, where no loop need run, and logs the numbers that it calls.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class Transport:
    """What Twilio's library calls an asynchronous HTTP client. The session is made at the first request, inside its loop."""

    is_async: Final = True

    def __init__(self, *, timeout_s: float) -> None:
        self.timeout = timeout_s  # the library looks at this name
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Any:
        """One request; never a redirect, whose target would be sent our credentials. Raises CarrierFailure.

        Returns the library's own kind of response, whose attributes it keeps adding to.
        """
        from twilio.http.response import Response  # type: ignore[import-untyped]

        session = self._open()
        reads = method.upper() == "GET"
        limit = timeout or self.timeout
        try:
            async with session.request(
                method,
                url,
                params=_pairs(params),
                data=aiohttp.FormData(_pairs(data)) if data else None,
                headers={**(headers or {}), **({"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {})},
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
        return Response(response.status, body, dict(response.headers))

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


_FULL: Final = frozenset({10004, 20429})  # as many calls, or requests, as the account may have: nothing was done


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
        retry=status == 429 or code in _FULL or (status >= 500 and reads),
        unsure=status >= 500 and not reads,
        hint=explanation.remedy,
    )
