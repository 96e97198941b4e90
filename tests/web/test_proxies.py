"""Who asks, behind proxies that may lie."""

import pytest

from bridge.web.proxies import FORWARDED, MAX_HOPS, Proxies
from tests.web.asking import request

PROXY = "10.0.0.1"


def client(forwarded: str | None, *, peer: str = PROXY, trusted: tuple[str, ...] = ("10.0.0.0/8", "fd00::/8")) -> str:
    """The address that counts."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return Proxies(trusted).client(request(headers=headers, peer=peer))


def test_who_is_no_proxy_of_ours_is_not_believed() -> None:
    """A client that names another address is counted by its own."""
    assert client("198.51.100.1", peer="192.0.2.1") == "192.0.2.1"
    assert client("198.51.100.1", trusted=()) == PROXY


def test_a_proxy_of_ours_is_believed_up_to_the_first_stranger() -> None:
    """From right to left: what a client wrote into the header itself stands further left."""
    assert client("198.51.100.1") == "198.51.100.1"
    assert client("1.1.1.1, 198.51.100.1") == "198.51.100.1"
    assert client("1.1.1.1, 198.51.100.1, 10.2.2.2") == "198.51.100.1"
    assert client("10.3.3.3, 10.2.2.2") == "10.3.3.3"
    assert client(None) == PROXY


@pytest.mark.parametrize("junk", ["", "unknown", "1.2.3", "<script>", "198.51.100.1:80", "999.1.1.1"])
def test_what_is_no_address_ends_the_belief(junk: str) -> None:
    """The last address that is one counts."""
    assert client(f"198.51.100.1, {junk}") == PROXY
    assert client(f"{junk}, 198.51.100.1") == "198.51.100.1"


def test_only_so_many_hops_are_looked_at() -> None:
    """A header of thousands costs no more than one of twenty."""
    assert client(", ".join(["198.51.100.1"] + ["10.0.0.2"] * (MAX_HOPS - 1))) == "198.51.100.1"
    assert client(", ".join(["198.51.100.1"] + ["10.0.0.2"] * MAX_HOPS)) == "10.0.0.2"


def test_an_ipv6_client_counts_as_its_network() -> None:
    """It has 2^64 addresses of its own; an IPv4 address in IPv6's clothes is an IPv4 address."""
    assert client("2001:db8:1:2::aaaa", peer="fd00::1") == "2001:db8:1:2::/64"
    assert client("2001:db8:1:2::bbbb", peer="fd00::1") == "2001:db8:1:2::/64"
    assert client("::ffff:198.51.100.1") == "198.51.100.1"
    assert client("198.51.100.1", peer="::ffff:10.0.0.1") == "198.51.100.1"


def test_a_transport_without_an_address_has_none() -> None:
    """As a Unix socket; nothing fails."""
    asked = request(headers={"X-Forwarded-For": "198.51.100.1"})
    asked.scope["client"] = None
    assert Proxies(["0.0.0.0/0"]).client(asked) == ""
    assert not Proxies().is_local(asked)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_local_is_who_comes_from_here_and_through_nobody(peer: str) -> None:
    """Any sign of a proxy, known or not, and it is not local."""
    assert Proxies().is_local(request(peer=peer))
    for name in FORWARDED:
        assert not Proxies().is_local(request(peer=peer, headers={name: "127.0.0.1"}))
    assert not Proxies().is_local(request(peer="192.0.2.1"))
    assert not Proxies(["127.0.0.0/8"]).is_local(request(peer="10.0.0.1", headers={"X-Forwarded-For": "127.0.0.1"}))
