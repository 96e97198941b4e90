"""Session cookies: what proves a visitor, and what does not any more."""

from collections.abc import Mapping

import pytest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from bridge.call.ports import Secret
from bridge.errors import StoreUnavailable
from bridge.web.access import Key
from bridge.web.dashboard.sessions import Sessions
from bridge.web.proxies import Proxies

PUBLIC = "https://bridge.example.com"
OPERATOR, VIEWER = "operator-key-0123456789", "viewer-key-0123456789"
KEYS = [Key(Secret(OPERATOR)), Key(Secret(VIEWER), "viewer", "ann")]
NAME = "__Host-callbridge"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One."""
    return Clock()


def sessions(clock: Clock, keys: list[Key] = KEYS, *, open_here: bool = False) -> Sessions:
    """Of an instance with these keys."""
    return Sessions(keys, Proxies(), public_url=PUBLIC, life_s=3600.0, open_here=open_here, clock=clock)


def request(
    cookie: str = "",
    *,
    method: str = "GET",
    kind: str = "http",
    peer: str = "192.0.2.1",
    host: str = "bridge.example.com",
    **headers: str,
) -> HTTPConnection:
    """What a browser sends."""
    sent = {"host": host} | ({"cookie": cookie} if cookie else {}) | headers
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    return HTTPConnection({"type": kind, "method": method, "path": "/", "headers": raw, "client": (peer, 1)})


def logged_in(one: Sessions, key: str = OPERATOR, **where: str) -> str:
    """The cookie that the browser keeps, as it sends it."""
    response = Response()
    one.log_in(key, request(**where), response)
    return response.headers["set-cookie"].split(";")[0]


def test_a_key_becomes_a_cookie_of_its_role_on_every_instance(clock: Clock) -> None:
    """Another process with the same keys knows it without having been told."""
    here, there = sessions(clock), sessions(clock)
    for key, role, name in ((OPERATOR, "operator", "key 1"), (VIEWER, "viewer", "ann")):
        visitor = there.recognise(request(logged_in(here, key)))
        assert visitor is not None
        assert (visitor.role, visitor.name) == (role, name)


def test_the_cookie_is_the_browsers_own(clock: Clock) -> None:
    """Over TLS to this host alone, not for scripts, not for other sites; plain only where no TLS can be: on this machine."""
    response = Response()
    sessions(clock).log_in(OPERATOR, request(), response)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"{NAME}=")
    for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=3600"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert OPERATOR not in cookie
    plain = logged_in(sessions(clock), peer="127.0.0.1", host="127.0.0.1:8080")
    assert plain.startswith("callbridge=")


@pytest.mark.parametrize("spoil", [str.upper, lambda value: value[:-1], lambda value: value.replace(".", ".9", 1)])
def test_a_cookie_that_was_changed_proves_nothing(clock: Clock, spoil: object) -> None:
    """Its signature, its expiry, a letter of it."""
    one = sessions(clock)
    name, _, value = logged_in(one).partition("=")
    assert one.recognise(request(f"{name}={value}")) is not None
    assert one.recognise(request(f"{name}={spoil(value)}")) is None  # type: ignore[operator]


@pytest.mark.parametrize("value", ["", ".", "...", "1.x.y.z", "2.9999999999.n.s", "1.\u0663.n.s", "1." + "9" * 5000])
def test_what_is_no_cookie_of_ours_proves_nothing(clock: Clock, value: str) -> None:
    """And breaks nothing."""
    raw = [(b"host", b"bridge.example.com"), (b"cookie", f"{NAME}={value}".encode())]
    asked = HTTPConnection({"type": "http", "method": "GET", "path": "/", "headers": raw, "client": ("192.0.2.1", 1)})
    assert sessions(clock).recognise(asked) is None


def test_a_session_ends_with_its_time_its_logout_or_its_key(clock: Clock) -> None:
    """Whoever kept a copy of the cookie has nothing."""
    one = sessions(clock)
    cookie = logged_in(one)
    assert sessions(clock, KEYS[1:]).recognise(request(cookie)) is None  # the key was taken out
    other = logged_in(one)
    one.log_out(request(cookie), Response())
    assert one.recognise(request(cookie)) is None
    assert one.recognise(request(other)) is not None
    clock.now += 3600.0
    assert one.recognise(request(other)) is None


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"origin": PUBLIC}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": f"{PUBLIC}.evil.example"}, False),
        ({"origin": f"{PUBLIC}:444"}, False),
        ({"origin": "http://bridge.example.com"}, False),
        ({"origin": "https://[", "sec_fetch_site": "same-origin"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
    ],
)
def test_another_sites_page_cannot_act_with_the_cookie(clock: Clock, headers: dict[str, str], ours: bool) -> None:
    """What changes something, and every socket, is believed only of a page of ours."""
    one = sessions(clock)
    cookie = logged_in(one)
    assert (one.recognise(request(cookie, method="POST", **headers)) is not None) is ours
    assert one.recognise(request(cookie, **headers)) is not None  # looking is harmless: nobody else can read the answer
    socket = ours and "origin" in headers  # browsers always send it with a socket
    assert (one.recognise(request(cookie, kind="websocket", **headers)) is not None) is socket


@pytest.mark.parametrize(
    ("peer", "host", "known"),
    [
        ("127.0.0.1", "localhost:8080", True),
        ("127.0.0.1", "bridge.example.com", False),  # a name that leads here: rebinding, or a proxy in front
        ("192.0.2.1", "127.0.0.1:8080", False),
        ("127.0.0.1", "[::1", False),
    ],
)
def test_the_demo_is_open_to_this_machines_own_browser_alone(clock: Clock, peer: str, host: str, known: bool) -> None:
    """And to nobody else, whatever name they ask for."""
    asked = request(peer=peer, host=host)
    assert (sessions(clock, open_here=True).recognise(asked) is not None) is known
    assert sessions(clock).recognise(asked) is None


class Shared:
    """What the store does for all instances; away when told to be."""

    def __init__(self) -> None:
        self.away = False
        self.ended: dict[str, float] = {}

    async def exchange(self, ended: Mapping[str, float], now: float) -> dict[str, float]:
        """As ``Logouts.exchange``."""
        if self.away:
            raise StoreUnavailable("away", hint="wait")
        self.ended |= ended
        return {name: expires for name, expires in self.ended.items() if expires > now}


async def test_a_logout_holds_on_every_instance_and_after_a_restart(clock: Clock) -> None:
    """Another process refuses the cookie as soon as it has asked, and so does one that starts later; others' cookies count on."""
    shared, here, there = Shared(), sessions(clock), sessions(clock)
    cookie, other = logged_in(here), logged_in(here)
    here.log_out(request(cookie), Response())
    await here.tell(shared.exchange)
    assert there.recognise(request(cookie)) is not None  # it has not asked yet
    restarted = sessions(clock)
    for each in (there, restarted):
        await each.tell(shared.exchange)
        assert each.recognise(request(cookie)) is None
        assert each.recognise(request(other)) is not None


async def test_a_logout_while_the_store_is_away_is_told_when_it_is_back(clock: Clock) -> None:
    """It holds here at once, and is not forgotten."""
    shared, here, there = Shared(), sessions(clock), sessions(clock)
    cookie = logged_in(here)
    shared.away = True
    here.log_out(request(cookie), Response())
    with pytest.raises(StoreUnavailable):
        await here.tell(shared.exchange)
    assert here.recognise(request(cookie)) is None
    shared.away = False
    await here.tell(shared.exchange)
    await there.tell(shared.exchange)
    assert there.recognise(request(cookie)) is None
