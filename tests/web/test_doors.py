"""Every door is locked: the routes there are, walked."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.routing import Route

from tests.support.deployment import VIEWER, Deployment, deployed
from tests.support.house import API_KEY, configuration, running

OPEN = {"/healthz", "/readyz", "/metrics"}  # metrics: on loopback
BEFORE_LOGIN = {("GET", "/login"), ("HEAD", "/login"), ("GET", "/static/x"), ("HEAD", "/static/x")}
PROOFS = [
    {},
    {"X-Twilio-Signature": ""},
    {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {"X-Twilio-Signature": "\u00e9"},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong-key-wrong-key-wrong"},
    {"Authorization": "Basic YWRtaW46YWRtaW4="},
    {"Cookie": "session=forged"},
]


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment."""
    async with deployed(tmp_path, agent='tools_key = "tools-key-0123456789"') as deployment:
        yield deployment


def routes(deployment: Deployment) -> list[tuple[str, str]]:
    """(method, path) of everything that the house answers, filled in."""
    found = []
    for route in deployment.house.routes():
        assert isinstance(route, Route), f"{route} is no plain route: teach this test to walk it"
        path = route.path.replace("{rest:path}", "secret")
        for name in route.param_convertors:
            path = path.replace("{" + name + "}", "support" if name == "agent" else "x")
        found += [(method, path) for method in sorted(route.methods or {"GET"}) if method != "TRACE"]
    return found


async def test_every_route_refuses_without_proof(all_: Deployment) -> None:
    """Whatever route there is or will be: without a right signature or key it answers 401, 403 or 429 and does nothing."""
    walked = 0
    for method, path in routes(all_):
        if path in OPEN or (method, path) in BEFORE_LOGIN:
            continue
        for proof in PROOFS:
            reply = await all_.ask(method, path, key=None, headers=proof, body=None)
            expected = {403} if path.startswith("/twilio/") else {401, 403, 429}
            if method in {"GET", "HEAD"} and not path.startswith(("/api/", "/twilio/")):
                expected.add(303)  # a page sends to the login
            assert reply.status in expected, f"{method} {path} with {proof} answered {reply.status}"
            assert reply.status != 303 or reply.headers["Location"].startswith("/login"), path
            walked += 1
    assert walked > 100
    assert all_.house.switchboard.admitted == 0
    assert not all_.xuna.requests
    assert not all_.rest.requests
    page = await all_.house.calls.list()
    assert page.calls == []


async def test_who_breaks_off_leaves_no_trace(all_: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    """Half a body and a closed connection, at every door, with a key and as a page of ours: nobody is to fill the log so."""
    port, origin = all_.house.port, f"http://127.0.0.1:{all_.house.port}"
    for method, path in routes(all_):
        if method not in {"POST", "PUT", "PATCH", "DELETE"}:
            continue
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\nAuthorization: Bearer {API_KEY}\r\n"
        kind = "application/json" if "/api/" in path else "application/x-www-form-urlencoded"
        writer.write(f"{head}Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
    assert (await all_.ask("GET", "/healthz")).status == 200
    for task in asyncio.all_tasks():
        if "run_asgi" in repr(task):
            await asyncio.wait({task}, timeout=5)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_without_keys_the_api_cannot_be_found(tmp_path: Path) -> None:
    """No keys configured: every route below /api is 404, with or without something that looks like a key."""
    demo = '[agents.demo]\nprovider = "demo"\n'
    text = configuration(tmp_path, demo).replace(f'keys = ["{API_KEY}"]', "keys = []")
    async with running(tmp_path, text) as house, deployed_client() as http:
        for route in house.routes():
            assert isinstance(route, Route)
            if not route.path.startswith("/api"):
                continue
            url = f"http://127.0.0.1:{house.port}{route.path.replace('{', '').replace('}', '').replace(':path', '')}"
            for headers in ({}, {"Authorization": f"Bearer {API_KEY}"}):
                for method in ("GET", "POST", "DELETE"):
                    async with http.request(method, url, headers=headers) as response:
                        assert response.status == 404
        # What is asked through a proxy is not from this machine: metrics need a key, and there is none.
        url = f"http://127.0.0.1:{house.port}/metrics"
        async with http.get(url, headers={"X-Forwarded-For": "192.0.2.1"}) as response:
            assert response.status == 404


def deployed_client():  # type: ignore[no-untyped-def]
    """A client without a deployment."""
    import aiohttp

    return aiohttp.ClientSession()


async def test_a_viewer_changes_nothing(all_: Deployment) -> None:
    """With a viewer's key every request that is no GET is refused with 403."""
    for endpoint in all_.house.operations.api.endpoints:  # type: ignore[union-attr]
        path = "/api/v1" + endpoint.path.replace("{id}", "x").replace("{name}", "support")
        reply = await all_.ask(endpoint.method, path, key=VIEWER)
        if endpoint.method != "GET" or endpoint.path.startswith("/agents"):
            assert reply.status == 403, endpoint
        else:
            assert reply.status in {200, 404}, endpoint


async def test_metrics_are_for_this_machine_or_an_operator(all_: Deployment) -> None:
    """/metrics answers on loopback; through a proxy only with an operator's key."""
    through = {"X-Forwarded-For": "192.0.2.1"}
    assert (await all_.ask("GET", "/metrics", key=None)).status == 200
    assert (await all_.ask("GET", "/metrics", key=None, headers=through)).status == 401
    assert (await all_.ask("GET", "/metrics", key=VIEWER, headers=through)).status == 403
    assert (await all_.ask("GET", "/metrics", headers=through)).status == 200


async def upgrade(port: int, headers: dict[str, str]) -> bytes:
    """The first line of the answer to a media socket's upgrade."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = ["GET /twilio/media HTTP/1.1", "Host: bridge.example.com", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    async with asyncio.timeout(5):
        first = await reader.readline()
    writer.close()
    return first


async def test_a_media_socket_with_a_wrong_signature_is_refused_before_it_opens(all_: Deployment) -> None:
    """A signature that is there must be right, or the upgrade is answered 403; without one the agent is not asked."""
    for wrong in ("", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="):
        assert b" 403 " in await upgrade(all_.house.port, {"X-Twilio-Signature": wrong})
    assert b" 101 " in await upgrade(all_.house.port, {})
    assert not all_.xuna.requests


async def test_nothing_is_told_to_those_who_crawl(all_: Deployment) -> None:
    """Unknown paths, wrong methods and the open routes tell neither version nor traceback nor path of a file."""
    for method in ("GET", "POST", "DELETE"):
        for path in (
            "/",
            "/x",
            "/docs",
            "/openapi.json",
            "/.env",
            "/healthz",
            "/readyz",
            "/twilio",
            "/api",
            "/%2e%2e/etc",
        ):
            reply = await all_.ask(method, path, key=None)
            told = (reply.text + str(reply.headers)).lower()
            for word in ("uvicorn", "starlette", "python", "traceback", "callbridge/", "/work", "site-packages"):
                assert word not in told, (path, word)
