"""In and out of the dashboard, its files, its live updates and the softphone's page."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from bridge.call.plan import Line
from bridge.call.ports import Secret
from bridge.web.access import Access, Key
from bridge.web.dashboard.doorway import MAX_FORM, Doorway, read_form
from bridge.web.dashboard.guard import Guard
from bridge.web.dashboard.live import LiveBus
from bridge.web.dashboard.sessions import Sessions
from bridge.web.proxies import Proxies

KEY = "operator-key-0123456789"
HERE = "https://bridge.example.com"


class Answer:
    """What an app answered."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""


class Door:
    """The doorway as an app, asked as a browser asks."""

    def __init__(self, keys: list[Key] | None = None) -> None:
        keys = [Key(Secret(KEY))] if keys is None else keys
        proxies = Proxies()
        sessions = Sessions(keys, proxies, public_url=HERE, life_s=3600.0)
        access = Access(keys, proxies)
        access.recognised_by.append(sessions.recognise)
        self.told = 0
        doorway = Doorway(
            Guard(access, sessions),
            LiveBus("here"),
            lines={"+15550100": Line("+15550100", ("support",))},
            agents=lambda: ["support"],
            tell_logouts=self._tell,
        )
        self._app = Starlette(routes=doorway.routes())

    async def _tell(self) -> None:
        self.told += 1

    async def ask(
        self, path: str, form: dict[str, str] | bytes | None = None, *, query: str = "", **headers: str
    ) -> Answer:
        """One request; with ``form`` it is a POST."""
        body = urlencode(form).encode() if isinstance(form, dict) else form or b""
        sent = {"host": "bridge.example.com", "content-type": "application/x-www-form-urlencoded", **headers}
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET" if form is None else "POST",
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
            "client": ("192.0.2.1", 1),
            "scheme": "https",
        }
        answer = Answer()

        bodies = [body]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()  # the browser stays
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self._app(scope, receive, send)
        return answer

    async def log_in(self, key: str = KEY, next_: str = "/calls", **headers: str) -> Answer:
        """As the form does it."""
        return await self.ask("/login", {"key": key, "next": next_}, **({"origin": HERE} | headers))


async def test_a_key_becomes_a_cookie_and_the_page_that_was_asked_for() -> None:
    """The cookie opens what the key opens, and no script reads it."""
    door = Door()
    answer = await door.log_in()
    assert (answer.status, answer.headers["location"]) == (303, "/calls")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert KEY not in cookie
    page = await door.ask("/softphone", cookie=cookie.split(";")[0])
    assert page.status == 200
    assert b"+15550100" in page.body


@pytest.mark.parametrize("next_", ["//evil.example", "/\\evil.example", "https://evil.example", "/\r\nx: y", ""])
async def test_nobody_is_sent_elsewhere_after_the_login(next_: str) -> None:
    """Whatever a link to the login asked for."""
    assert (await Door().log_in(next_=next_)).headers["location"] == "/"


async def test_a_wrong_key_is_told_so_on_the_form() -> None:
    """With the page it led to kept, and without a cookie; guessing is slowed down."""
    door = Door()
    answer = await door.log_in("wrong-key-000000000")
    assert answer.status == 401
    assert b"not one of the keys" in answer.body
    assert b'value="/calls"' in answer.body
    assert "set-cookie" not in answer.headers
    for _ in range(12):
        answer = await door.log_in("wrong-key-000000000")
    assert answer.status == 429
    assert (await door.log_in()).status == 429


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_no_other_site_logs_anybody_in_or_out(origin: str) -> None:
    """A form that is not ours is refused, before its key is looked at."""
    door = Door()
    assert (await door.log_in(origin=origin)).status == 403
    cookie = (await door.log_in()).headers["set-cookie"].split(";")[0]
    assert (await door.ask("/logout", {}, cookie=cookie, origin=origin)).status == 403
    assert (await door.ask("/softphone", cookie=cookie)).status == 200
    assert door.told == 0


async def test_a_logout_ends_the_session_and_is_told_to_the_others() -> None:
    """The same cookie opens nothing any more."""
    door = Door()
    cookie = (await door.log_in()).headers["set-cookie"].split(";")[0]
    answer = await door.ask("/logout", {}, cookie=cookie, origin=HERE)
    assert (answer.status, answer.headers["location"], door.told) == (303, "/login", 1)
    assert (await door.ask("/softphone", cookie=cookie)).status == 303


@pytest.mark.parametrize("body", [b"key=" + b"x" * MAX_FORM, b"&".join(b"a=b" for _ in range(50))])
async def test_a_form_has_its_bounds(body: bytes) -> None:
    """In bytes and in fields."""
    assert (await Door().ask("/login", body, origin=HERE)).status == 413


async def test_without_keys_nobody_logs_in() -> None:
    """The dashboard is off."""
    assert (await Door([]).ask("/login")).status == 404


@pytest.mark.parametrize("name", ["..", "guard.py", "..%2fguard.py", "nothing.js"])
async def test_only_our_own_files_are_given_out(name: str) -> None:
    """By their names alone."""
    assert (await Door().ask(f"/static/{name}")).status == 404


async def test_a_file_comes_with_its_kind_and_is_asked_for_again() -> None:
    """After an update no browser goes on with the old one."""
    answer = await Door().ask("/static/style.css")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_live_updates_are_for_those_who_are_in() -> None:
    """A script is told so, and not sent to a login page."""
    assert (await Door().ask("/live")).status == 401


async def test_a_form_that_is_no_text_is_read_as_far_as_it_is() -> None:
    """A stray byte costs one character, and no error stands in the log for it."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"key=%ff\xff&next=", "more_body": False}

    request = Request({"type": "http", "method": "POST", "path": "/login", "headers": []}, receive)
    assert await read_form(request) == {"key": "\ufffd\ufffd", "next": ""}
