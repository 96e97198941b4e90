"""What the doctor's own requests find at an address, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qsl

import pytest
from aiohttp import WSCloseCode, web

from bridge.doctor.probe import Prober, Unreachable
from bridge.phone.signature import sign

TOKEN = "0123456789abcdef0123456789abcdef"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Somebody answers everything so; the address is given."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_webhook_is_signed_as_the_carrier_signs() -> None:
    """Over the address as it is written, query and all, with our token and a form that starts no call."""
    seen: list[tuple[str, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode()))
        seen.append((request.headers["X-Twilio-Signature"], form))
        return web.json_response({}, status=400, content_type="application/problem+json")

    async with serving(handler) as origin, Prober() as prober:
        url = f"{origin}/twilio/voice?of=this"
        answer = await prober.webhook(url, TOKEN)
    ((signature, form),) = seen
    assert signature == sign(TOKEN, url, form)
    assert "CallSid" not in form
    assert (answer.status, answer.ours) == (400, True)
    assert answer.seconds > 0


async def test_an_answer_that_is_not_the_bridges_is_told_from_it() -> None:
    """A proxy's own page of an error has the same status, and another shape."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=400, text="<html>", content_type="text/html")

    async with serving(handler) as origin, Prober() as prober:
        assert not (await prober.webhook(f"{origin}/", TOKEN)).ours


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://elsewhere.example.com/twilio/voice?token=secret", "https://elsewhere.example.com"),
        ("/login", "/login"),
        ("/" + "x" * 200, "/" + "x" * 59),
    ],
)
async def test_a_redirect_is_told_and_not_followed(location: str, told: str) -> None:
    """A carrier's POST would lose its body; what is shown of it holds no query, and no more than a line."""
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": location})

    async with serving(handler) as origin, Prober() as prober:
        answer = await prober.webhook(f"{origin}/twilio/voice", TOKEN)
    assert (answer.status, answer.location) == (302, told)
    assert asked == ["/twilio/voice"]


async def test_where_nobody_listens_that_is_said() -> None:
    """Of webhooks and of sockets, in words."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with Prober() as prober:
        with pytest.raises(Unreachable, match="nothing listens there"):
            await prober.webhook(f"http://127.0.0.1:{port}/", TOKEN)
        with pytest.raises(Unreachable, match="nothing listens there"):
            await prober.upgrade(f"ws://127.0.0.1:{port}/", TOKEN)


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    """Within the time limit, which is told."""
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with serving(handler) as origin, Prober(time_limit_s=0.2) as prober:
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await prober.webhook(f"{origin}/", TOKEN)
        over.set()


async def test_what_speaks_no_http_is_said_to() -> None:
    """Another service has the port."""

    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    async with server, Prober() as prober:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="no HTTP answer"):
            await prober.webhook(f"http://127.0.0.1:{port}/", TOKEN)


async def test_a_plain_port_behind_https_is_a_failed_handshake() -> None:
    """The address says TLS, and whoever is there does not speak it."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async with serving(handler) as origin, Prober() as prober:
        with pytest.raises(Unreachable, match="TLS"):
            await prober.webhook(origin.replace("http:", "https:"), TOKEN)


@pytest.mark.parametrize("url", ["http://", "not an address"])
async def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    """No traceback: the next check goes on."""
    async with Prober() as prober:
        with pytest.raises(Unreachable):
            await prober.webhook(url, TOKEN)


@pytest.mark.parametrize("status", [403, 404, 502])
async def test_a_refused_upgrade_is_an_answer(status: int) -> None:
    """With the status of whoever refused it."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(handler) as origin, Prober() as prober:
        found = await prober.upgrade(f"{origin}/media", TOKEN)
    assert (found.status, found.close_code) == (status, None)


@pytest.mark.parametrize("compress", [True, False])
async def test_whether_somebody_takes_the_offer_to_compress_is_told(compress: bool) -> None:
    """Compressed sound costs time and gains nothing: a proxy that takes the offer is found."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=compress)
        await response.prepare(request)
        await response.receive()
        return response

    async with serving(handler) as origin, Prober() as prober:
        found = await prober.upgrade(f"{origin}/media", TOKEN)
    assert (found.status, found.deflate, found.close_code) == (101, compress, None)


@pytest.mark.parametrize(("code", "told"), [(WSCloseCode.POLICY_VIOLATION, 1008), (None, 1006)])
async def test_a_socket_that_is_closed_on_us_is_told_with_its_code(code: WSCloseCode | None, told: int) -> None:
    """1006 where the connection ended without a word."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        if code is None:
            assert request.transport is not None
            request.transport.abort()
        else:
            await response.close(code=code)
        return response

    async with serving(handler) as origin, Prober() as prober:
        found = await prober.upgrade(f"{origin}/media", TOKEN, patience_s=30.0)
    assert (found.status, found.close_code) == (101, told)
    assert found.lived_s < 30.0
