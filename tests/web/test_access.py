"""Keys, roles, addresses, and the slowing down of those who guess."""

import pytest
from starlette.requests import Request

from bridge.call.ports import Secret
from bridge.web.access import Access, Denied, Key, Visitor
from bridge.web.proxies import Proxies

OPERATOR, VIEWER = "operator-key-0123456789", "viewer-key-0123456789"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def request(*, key: str | None = None, peer: str = "192.0.2.1", headers: dict[str, str] | None = None) -> Request:
    """A request from an address."""
    sent = {**({} if key is None else {"authorization": f"Bearer {key}"}), **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    return Request(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw, "client": (peer, 1)}
    )


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    """Two keys, and one trusted proxy."""
    keys = [Key(Secret(OPERATOR), name="ops"), Key(Secret(VIEWER), "viewer")]
    return Access(keys, Proxies(["10.0.0.0/8"]), clock=clock)


def status(access: Access, asked: Request, role: str = "viewer") -> int:
    """What it is refused with; 200 where it is let in."""
    try:
        access.admit(asked, role)  # type: ignore[arg-type]
    except Denied as error:
        return error.status
    return 200


def test_a_key_opens_what_its_role_may_do(access: Access) -> None:
    """An operator may do all, a viewer may look, nobody else anything."""
    assert access.admit(request(key=OPERATOR), "operator") == Visitor("ops", "operator")
    assert status(access, request(key=VIEWER)) == 200
    assert status(access, request(key=VIEWER), "operator") == 403
    for wrong in (None, "", OPERATOR[:-1], OPERATOR + "x", OPERATOR.upper(), "é" * 20, "x" * 100_000):
        assert status(access, request(key=wrong)) == 401
    assert status(access, request(headers={"authorization": f"Basic {OPERATOR}"})) == 401


def test_without_keys_there_is_nothing_to_find() -> None:
    """No keys configured: 404, whatever is sent."""
    assert status(Access([]), request(key=OPERATOR)) == 404


def test_guessing_is_slowed_down(access: Access, clock: Clock) -> None:
    """Of 1000 tries in a minute at most a dozen are looked at; even a right key has to wait then, and others need not."""
    answers = []
    for number in range(1000):
        answers.append(status(access, request(key=f"guess-{number}")))
        clock.now += 0.01
    assert answers.count(401) <= 12
    assert answers.count(429) == 1000 - answers.count(401)
    assert status(access, request(key=OPERATOR)) == 429
    with pytest.raises(Denied) as refused:
        access.admit(request(key=OPERATOR))
    assert int(refused.value.headers["Retry-After"]) >= 1
    assert status(access, request(key=OPERATOR, peer="192.0.2.2")) == 200
    clock.now += 60
    assert status(access, request(key=OPERATOR)) == 200


def test_a_forged_forwarding_header_does_not_evade_the_limit(access: Access) -> None:
    """X-Forwarded-For of a stranger is not believed, nor what stands left of a proxy's own entry."""
    direct = [
        status(access, request(key="no", headers={"x-forwarded-for": f"203.0.113.{number % 250}"}))
        for number in range(1000)
    ]
    assert direct.count(401) <= 10
    proxied = [
        status(
            access,
            request(key="no", peer="10.1.1.1", headers={"x-forwarded-for": f"203.0.113.{number % 250}, 198.51.100.7"}),
        )
        for number in range(1000)
    ]
    assert proxied.count(401) <= 10


def test_callers_behind_a_trusted_proxy_are_told_apart(access: Access) -> None:
    """One who guesses does not lock out another behind the same proxy."""
    for _ in range(50):
        status(access, request(key="no", peer="10.1.1.1", headers={"x-forwarded-for": "203.0.113.1"}))
    assert status(access, request(key=OPERATOR, peer="10.1.1.1", headers={"x-forwarded-for": "203.0.113.2"})) == 200


def test_a_whole_ipv6_network_counts_as_one(access: Access) -> None:
    """Whoever has a /64 has 2^64 addresses, and one allowance."""
    answers = [status(access, request(key="no", peer=f"2001:db8::{number:x}")) for number in range(1, 101)]
    assert answers.count(401) <= 10


@pytest.mark.parametrize(
    ("peer", "headers", "local"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.1", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.1"}, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=192.0.2.1"}, False),
        ("192.0.2.1", {"x-forwarded-for": "127.0.0.1"}, False),
    ],
)
def test_only_this_machine_itself_is_local(peer: str, headers: dict[str, str], local: bool) -> None:
    """A request that came through a proxy on this machine is not from this machine."""
    assert Proxies(["127.0.0.1"]).is_local(request(peer=peer, headers=headers)) is local


def test_another_proof_than_a_key_counts_where_there_is_none(access: Access) -> None:
    """What a dashboard's session proves is asked where no key is sent, and a wrong key is not healed by it."""
    access.recognised_by.append(lambda asked: Visitor("anna", "viewer") if "cookie" in asked.headers else None)
    assert access.admit(request(headers={"cookie": "x"})).name == "anna"
    assert status(access, request(key="wrong", headers={"cookie": "x"})) == 401
