"""What stands before every page of the dashboard."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bridge.call.ports import Secret
from bridge.web.access import Access, Key, Role, Visitor
from bridge.web.dashboard.guard import Guard, secured
from bridge.web.dashboard.sessions import Sessions
from bridge.web.proxies import Proxies

OPERATOR, VIEWER = "operator-key-0123456789", "viewer-key-0123456789"
KEYS = [Key(Secret(OPERATOR), name="ops"), Key(Secret(VIEWER), "viewer", "ann")]


def guard(keys: list[Key] = KEYS, *, open_here: bool = False) -> Guard:
    """Of a house with these keys; ``open_here``: its demo."""
    proxies = Proxies()
    sessions = Sessions(keys, proxies, public_url="https://bridge.example.com", life_s=3600.0, open_here=open_here)
    access = Access(keys, proxies)
    access.recognised_by.append(sessions.recognise)
    return Guard(access, sessions)


def request(key: str = "", *, path: str = "/calls", query: str = "", method: str = "GET", **headers: str) -> Request:
    """What a browser, or a script with a key, asks."""
    sent = {"host": "bridge.example.com", **headers} | ({"authorization": f"Bearer {key}"} if key else {})
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in sent.items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    return Request(scope | {"headers": raw, "client": ("192.0.2.1", 1)})


async def ask(one: Guard, asked: Request, role: Role = "viewer", *, page: bool = True) -> Response:
    """The answer of a page that says who came in."""

    async def endpoint(request: Request, visitor: Visitor) -> Response:
        return PlainTextResponse(visitor.name)

    return await one.wants(role, page=page)(endpoint)(asked)


@pytest.mark.parametrize(
    ("key", "role", "status"),
    [(OPERATOR, "operator", 200), (OPERATOR, "viewer", 200), (VIEWER, "viewer", 200), (VIEWER, "operator", 403)],
)
async def test_a_role_opens_what_is_its_own(key: str, role: Role, status: int) -> None:
    """An operator may look, a viewer may only look; the refusal says what would help."""
    answer = await ask(guard(), request(key), role)
    assert answer.status_code == status
    if status == 403:
        assert "operator" in json.loads(bytes(answer.body))["remedy"]


async def test_a_stranger_is_sent_to_the_login_and_back() -> None:
    """To the very page that was asked for, its query included; nothing of it is an address elsewhere."""
    answer = await ask(guard(), request(path="/calls", query="status=failed&x=//evil"))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/calls%3Fstatus%3Dfailed%26x%3D//evil"


@pytest.mark.parametrize(("method", "page"), [("POST", True), ("GET", False)])
async def test_what_is_no_page_is_told_and_not_sent(method: str, page: bool) -> None:
    """A form or a script would not know what to do with a login page."""
    answer = await ask(guard(), request(method=method), page=page)
    assert answer.status_code == 401
    assert "/login" in json.loads(bytes(answer.body))["remedy"]


async def test_without_keys_there_is_no_dashboard() -> None:
    """And it is said how there would be one."""
    answer = await ask(guard([]), request())
    assert answer.status_code == 404
    assert "keys" in json.loads(bytes(answer.body))["remedy"]


async def test_who_guesses_keys_is_slowed_down() -> None:
    """With the header that says for how long, at pages as at the API."""
    one = guard()
    answers = [await ask(one, request("wrong-key-000000000")) for _ in range(12)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_page_shows_text_as_text() -> None:
    """What a caller or an agent said is never markup; its style sheet alone may bring its own style, by a fresh nonce."""
    one = guard()
    pages = [one.page(request(), "login.html", None, problem="<script>alert(1)</script>", next="/") for _ in range(2)]
    assert "<script>alert(1)" not in bytes(pages[0].body).decode()
    assert "&lt;script&gt;alert(1)" in bytes(pages[0].body).decode()
    policies = [page.headers["content-security-policy"] for page in pages]
    assert "'unsafe-inline'" not in policies[0]
    assert "nonce-" in policies[0]
    assert policies[0] != policies[1]


async def test_nobody_frames_sniffs_or_stores_a_page() -> None:
    """Whatever the answer was."""
    for answer in (await ask(guard(), request(OPERATOR)), await ask(guard(), request())):
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "microphone=(self)" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(
    ("host", "named"),
    [("bridge.example.com", True), ("[::1]:8080", True), ("x; script-src *", False), ("", False)],
)
def test_a_host_that_is_none_gets_into_no_header(host: str, named: bool) -> None:
    """The socket's address in the policy is the request's own, as far as it is one."""
    policy = secured(request(host=host), PlainTextResponse("")).headers["content-security-policy"]
    assert (f"ws://{host} wss://{host}" in policy) == named
    assert "script-src *" not in policy
