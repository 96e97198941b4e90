"""The HTTP under Twilio's own library."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bridge.carriers.twilio.transport import MAX_RESPONSE, Transport
from bridge.errors import CarrierFailure


class Api:
    """An API on loopback that answers as told."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str, str, list[tuple[str, Any]]]] = []
        self.answer: tuple[int, str, dict[str, str]] = (200, "{}", {})
        self.torn = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        form = list((await request.post()).items())
        self.seen.append((request.method, request.path_qs, request.headers.get("Authorization", ""), form))
        if self.torn and request.transport is not None:
            request.transport.abort()
        status, text, headers = self.answer
        return web.Response(status=status, text=text, headers=headers)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A running one."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """The subject."""
    transport = Transport(timeout_s=5)
    yield transport
    await transport.close()


async def test_a_request_is_sent_as_twilio_wants_it(api: Api, transport: Transport) -> None:
    """Lists as repeated names, truth values in small letters, the credentials in their header."""
    api.answer = (201, '{"sid": "CA1"}', {})
    answer = await transport.request(
        "POST", f"{api.url}/Calls.json", data={"To": "+1 5", "Event": ["a", "b"], "Trim": True}, auth=("AC", "secret")
    )
    ((method, path, authorization, form),) = api.seen
    assert (method, path, authorization) == ("POST", "/Calls.json", "Basic QUM6c2VjcmV0")
    assert form == [("To", "+1 5"), ("Event", "a"), ("Event", "b"), ("Trim", "true")]
    assert (answer.status_code, answer.text) == (201, '{"sid": "CA1"}')


async def test_a_query_is_sent_with_a_look(api: Api, transport: Transport) -> None:
    """Encoded, without a body."""
    await transport.request("GET", f"{api.url}/Calls.json", params={"To": "+1", "PageSize": 20})
    assert api.seen[0][1] == "/Calls.json?To=%2B1&PageSize=20"


async def test_a_redirect_is_not_followed(api: Api, transport: Transport) -> None:
    """Its target would get our credentials."""
    api.answer = (307, "", {"Location": f"{api.url}/elsewhere"})
    with pytest.raises(CarrierFailure) as caught:
        await transport.request("POST", f"{api.url}/Calls.json", data={"a": "b"}, auth=("AC", "x"))
    assert caught.value.status == 307
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("method", "status", "retry", "unsure"),
    [
        ("GET", 429, True, False),
        ("POST", 429, True, False),
        ("GET", 500, True, False),
        ("POST", 500, False, True),
        ("POST", 400, False, False),
        ("GET", 404, False, False),
    ],
)
async def test_a_failure_says_whether_to_try_again(
    api: Api, transport: Transport, method: str, status: int, *, retry: bool, unsure: bool
) -> None:
    """What may have been carried out is unsure, and never simply repeated."""
    api.answer = (status, "oops", {})
    with pytest.raises(CarrierFailure) as caught:
        await transport.request(method, f"{api.url}/Calls.json")
    assert (caught.value.retry, caught.value.unsure, caught.value.status) == (retry, unsure, status)


async def test_a_refusal_is_told_by_its_code_and_not_in_twilios_words(api: Api, transport: Transport) -> None:
    """Their sentence repeats phone numbers."""
    api.answer = (400, '{"code": 21211, "message": "+15550123456 is not valid"}', {})
    with pytest.raises(CarrierFailure) as caught:
        await transport.request("POST", f"{api.url}/Calls.json")
    assert caught.value.code == 21211
    assert "+1555" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize(("method", "retry", "unsure"), [("GET", True, False), ("POST", False, True)])
async def test_an_answer_that_is_lost_leaves_a_request_unsure(
    api: Api, transport: Transport, method: str, *, retry: bool, unsure: bool
) -> None:
    """A look may be repeated, a dial may not."""
    api.torn = True
    with pytest.raises(CarrierFailure) as caught:
        await transport.request(method, f"{api.url}/Calls.json")
    assert (caught.value.retry, caught.value.unsure) == (retry, unsure)


async def test_an_endless_answer_is_cut(api: Api, transport: Transport) -> None:
    """Memory is bounded."""
    api.answer = (200, "x" * (MAX_RESPONSE + 1), {})
    with pytest.raises(CarrierFailure):
        await transport.request("GET", f"{api.url}/Calls.json")


async def test_what_never_left_is_surely_not_carried_out(transport: Transport) -> None:
    """Nobody listens: even a dial may be repeated."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CarrierFailure) as caught:
        await transport.request("POST", f"http://127.0.0.1:{port}/Calls.json", data={"a": "b"})
    assert (caught.value.retry, caught.value.unsure) == (True, False)


async def test_it_may_be_closed_and_used_again(api: Api, transport: Transport) -> None:
    """Twice, before the first request too."""
    await transport.close()
    for _ in range(2):
        assert (await transport.request("GET", f"{api.url}/")).status_code == 200
        await transport.close()
