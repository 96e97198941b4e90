"""Request bodies, read within bounds."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

PATIENCE_S: Final = 30.0  # a list of ten thousand people over a slow line takes a while


class BodyTooLarge(Exception):
    """More came than may."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it is known to be larger than ``limit`` bytes, HTTPException where it
    does not come in time (408) or breaks off (400, for nobody: an error would stand in the log for whoever wants it there).
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise BodyTooLarge
                parts.append(part)
    except ClientDisconnect:
        raise HTTPException(400, "The body broke off.") from None
    except TimeoutError:
        raise HTTPException(408, "The body did not come in time.") from None
    return b"".join(parts)
