"""The one HTTP client of all agents: every failure in words, none of them with a secret."""

from __future__ import annotations

import asyncio
import base64
import socket
import traceback
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from bridge.agents.http import MAX_BODY, ApiClient, retry_after
from bridge.errors import AgentFailure, Reason

KEY = "canary/key+1="
HEADERS = {"xi-api-key": KEY}


@pytest.fixture
async def client(api: Any) -> AsyncIterator[ApiClient]:
    """A client of the fake API."""
    made = ApiClient(api.base_url, timeout_s=5)
    yield made
    await made.close()


def _nothing_leaks(failure: AgentFailure) -> None:
    told = f"{failure} {failure.hint} {failure!r} {failure.args} {''.join(traceback.format_exception(failure))}"
    for text in (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), "127.0.0.1"):
        assert text not in told


async def _failure(client: ApiClient) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        await client.request("GET", "/x", headers=HEADERS, query={"api_key": KEY})
    _nothing_leaks(caught.value)
    assert str(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("status", "reason", "retry"),
    [
        (401, Reason.AGENT_AUTH, False),
        (403, Reason.AGENT_FORBIDDEN, False),
        (404, Reason.AGENT_NOT_FOUND, False),
        (429, Reason.AGENT_BUSY, True),
        (500, Reason.AGENT_5XX, True),
        (502, Reason.AGENT_5XX, True),
        (503, Reason.AGENT_5XX, True),
        (504, Reason.AGENT_5XX, True),
        (400, Reason.AGENT_BAD_REPLY, False),
        (422, Reason.AGENT_BAD_REPLY, False),
    ],
)
async def test_every_status_has_its_reason(
    api: Any, client: ApiClient, status: int, reason: Reason, retry: bool
) -> None:
    """A refusal says what it means, what to do, and whether another attempt may help; it repeats nothing of the reply."""
    api.answers["GET /x"] = lambda request: web.Response(status=status, text=f"<html>{KEY} {request.url}")
    failure = await _failure(client)
    assert (failure.reason, failure.retry) == (reason, retry)
    assert str(status) in str(failure)
    assert len(api.seen) == 1


async def test_a_redirect_is_not_followed(api: Any, client: ApiClient) -> None:
    """The key does not travel on to where a reply points."""
    api.answers["GET /x"] = lambda _: web.Response(status=302, headers={"Location": f"{api.base_url}/stolen"})
    assert (await _failure(client)).reason is Reason.AGENT_BAD_REPLY
    assert len(api.seen) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{", b"[" * 100_000, b'{"a": NaN}', b"\xff"])
async def test_a_body_that_is_no_object_is_a_bad_reply(api: Any, client: ApiClient, body: bytes) -> None:
    """200 with something else than a JSON object is told as such."""
    api.answers["GET /x"] = lambda _: web.Response(body=body)
    reply = await client.request("GET", "/x", headers=HEADERS)
    with pytest.raises(AgentFailure) as caught:
        reply.json()
    assert caught.value.reason is Reason.AGENT_BAD_REPLY


async def test_a_body_is_read_up_to_its_bound(api: Any, client: ApiClient) -> None:
    """A reply of any size costs a bounded amount of memory."""
    api.answers["GET /x"] = lambda _: web.Response(body=b"x" * MAX_BODY)
    assert len((await client.request("GET", "/x", headers=HEADERS)).body) == MAX_BODY
    api.answers["GET /x"] = lambda _: web.Response(body=b"x" * (MAX_BODY + 1))
    assert (await _failure(client)).reason is Reason.AGENT_BAD_REPLY


async def test_a_trickling_body_ends_with_the_time_limit(api: Any) -> None:
    """The time limit is for the whole reply: a byte now and then does not extend it."""
    client = ApiClient(api.base_url, timeout_s=0.2)
    over = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while not over.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.02)
        except ConnectionError:
            over.set()
        return response

    api.answers["GET /x"] = trickle
    failure = await _failure(client)
    over.set()
    assert (failure.reason, failure.retry) == (Reason.AGENT_TIMEOUT, True)
    await client.close()


async def _raw_server(reply: bytes) -> tuple[asyncio.Server, str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", Reason.AGENT_UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Reason.AGENT_UNREACHABLE),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Reason.AGENT_BAD_REPLY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Reason.AGENT_BAD_REPLY),
    ],
)
async def test_what_is_no_http_or_breaks_off_is_told_apart(reply: bytes, reason: Reason) -> None:
    """A connection that breaks off may be tried again; one that does not speak HTTP is a bad reply."""
    server, address = await _raw_server(reply)
    client = ApiClient(f"http://{address}", timeout_s=5)
    assert (await _failure(client)).reason is reason
    await client.close()
    server.close()


async def test_a_refused_connection_is_unreachable() -> None:
    """Nobody listens: it may be tried again."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        client = ApiClient(f"http://127.0.0.1:{held.getsockname()[1]}", timeout_s=5)
        failure = await _failure(client)
    assert (failure.reason, failure.retry) == (Reason.AGENT_UNREACHABLE, True)
    await client.close()


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    """The reserved top-level name "invalid" (RFC 6761) never resolves."""
    client = ApiClient("https://agent.invalid", timeout_s=5)
    assert (await _failure(client)).reason in (Reason.AGENT_UNREACHABLE, Reason.AGENT_TIMEOUT)
    await client.close()


async def test_no_encryption_where_it_is_needed() -> None:
    """A server that does not speak TLS on an https address is told as that."""
    server, address = await _raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client = ApiClient(f"https://{address}", timeout_s=5)
    failure = await _failure(client)
    assert (failure.reason, failure.retry) == (Reason.AGENT_TLS, False)
    await client.close()
    server.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("60", 60.0),
        ("999999999999", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        ("٣", None),
        ("Fri, 21 Nov 2025 01:00:30 GMT", 30.0),
        ("Fri, 21 Nov 2025 00:00:00 GMT", 0.0),
        ("Fri, 99 Nov 2025 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_bounded_whatever_it_says(text: str, seconds: float | None) -> None:
    """Seconds or a date by the server's own clock, within an hour; nonsense counts as nothing said."""
    assert retry_after({"Retry-After": text, "Date": "Fri, 21 Nov 2025 01:00:00 GMT"}) == seconds


async def test_more_than_a_hundred_requests_run_at_once(api: Any, client: ApiClient) -> None:
    """The 101st call does not wait for the first to end."""
    everyone = asyncio.Event()
    here = 0

    async def meet(_: web.Request) -> web.Response:
        nonlocal here
        here += 1
        if here == 120:
            everyone.set()
        await everyone.wait()
        return web.json_response({})

    api.answers["GET /x"] = meet
    replies = await asyncio.gather(*(client.request("GET", "/x", headers=HEADERS) for _ in range(120)))
    assert len(replies) == 120
