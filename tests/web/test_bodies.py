"""Request bodies, read within bounds."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from bridge.web import bodies
from bridge.web.bodies import BodyTooLarge, read_body
from tests.web.asking import request


async def test_a_body_is_read_whole() -> None:
    """However it is cut; up to the limit."""
    assert await read_body(request("POST", body=[b"ab", b"", b"cd"]), 4) == b"abcd"
    assert await read_body(request("POST"), 0) == b""


async def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    """Not a byte of it."""
    asked = request("POST", body=[], headers={"Content-Length": "5"})
    with pytest.raises(BodyTooLarge):
        await read_body(asked, 4)


async def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    """Whatever was announced: what comes counts."""
    pieces = [b"abc", b"de", b"never read"]

    for headers in ({}, {"Content-Length": "1"}, {"Content-Length": "x"}, {"Content-Length": "-1"}):
        with pytest.raises(BodyTooLarge):
            await read_body(request("POST", body=pieces, headers=headers), 4)


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds a request open holds nothing for ever."""
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.01)

    async def receive() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(HTTPException) as late:
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 4)
    assert late.value.status_code == 408


async def test_a_body_that_breaks_off_is_the_senders_mistake() -> None:
    """No error of ours: whoever sends half a request and goes would fill the log with them."""

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException) as broken:
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 4)
    assert broken.value.status_code == 400
