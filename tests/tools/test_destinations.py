"""bridge/tools/destinations.py."""

import pytest

from bridge.tools.destinations import Forbidden, Guard, Standing, standing

PUBLIC, PRIVATE, NEVER = Standing.PUBLIC, Standing.PRIVATE, Standing.NEVER


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("93.184.216.34", PUBLIC),
        ("2606:2800:220:1::1", PUBLIC),
        ("10.0.0.1", PRIVATE),
        ("172.16.0.1", PRIVATE),
        ("192.168.1.1", PRIVATE),
        ("127.0.0.1", PRIVATE),
        ("::1", PRIVATE),
        ("100.64.0.1", PRIVATE),  # RFC 6598, carrier-grade NAT
        ("198.18.0.1", PRIVATE),
        ("fd12:3456::1", PRIVATE),
        ("169.254.169.254", NEVER),
        ("100.100.100.200", NEVER),
        ("168.63.129.16", NEVER),
        ("fd00:ec2::254", NEVER),
        ("fe80::1", NEVER),
        ("fe80::1%eth0", NEVER),
        ("0.0.0.0", NEVER),
        ("::", NEVER),
        ("224.0.0.1", NEVER),
        ("255.255.255.255", NEVER),
        ("::ffff:93.184.216.34", PUBLIC),
        ("::ffff:10.0.0.1", PRIVATE),
        ("::ffff:169.254.169.254", NEVER),
        ("::10.0.0.1", PRIVATE),
        ("64:ff9b::5db8:d822", PUBLIC),
        ("64:ff9b::a00:1", PRIVATE),
        ("64:ff9b::a9fe:a9fe", NEVER),
        ("2002:a00:1::1", PRIVATE),
        ("2002:a9fe:a9fe::1", NEVER),
    ],
)
def test_every_kind_of_address_is_known(address: str, verdict: Standing) -> None:
    """An address is judged by itself and by the IPv4 address that it carries."""
    assert standing(address) is verdict


async def resolved(url: str, *addresses: str, allow_private: bool = False) -> list[str] | None:
    """What may be connected to; None where the guard refuses."""

    async def lookup(name: str, port: int) -> list[str]:
        return list(addresses)

    guard = Guard(url, allow_private=allow_private, lookup=lookup)
    try:
        guard.check()
        return [found["host"] for found in await guard.resolve(url.split("/")[2].split(":", maxsplit=1)[0], 443)]
    except Forbidden:
        return None


async def test_a_public_name_is_pinned_to_what_was_judged() -> None:
    """All addresses of one answer are handed on, as numbers that nobody resolves again."""
    assert await resolved("https://crm.example.com/x", "93.184.216.34", "2606:2800:220:1::1") == [
        "93.184.216.34",
        "2606:2800:220:1::1",
    ]


@pytest.mark.parametrize("bad", ["10.0.0.5", "127.0.0.1", "100.64.0.1", "::ffff:10.0.0.1", "169.254.169.254"])
async def test_one_bad_address_among_good_ones_refuses_the_name(bad: str) -> None:
    """A name that also leads inside is not called at all."""
    assert await resolved("https://crm.example.com/x", "93.184.216.34", bad) is None


async def test_private_addresses_must_be_named() -> None:
    """localhost in the url, or allow_private, opens private addresses, and never a metadata service."""
    assert await resolved("http://localhost:80/x", "127.0.0.1") == ["127.0.0.1"]
    assert await resolved("http://crm.internal/x", "10.0.0.5") is None
    assert await resolved("http://crm.internal/x", "10.0.0.5", allow_private=True) == ["10.0.0.5"]
    assert await resolved("http://crm.internal/x", "169.254.169.254", allow_private=True) is None
    assert await resolved("http://localhost/x", "169.254.169.254") is None


async def test_no_other_host_is_resolved() -> None:
    """Whatever leads a request elsewhere finds no address there."""
    with pytest.raises(Forbidden):
        await Guard("https://crm.example.com/x").resolve("evil.example.com", 443)


def test_a_literal_metadata_address_is_never_called() -> None:
    """Not even where the url names it."""
    for url in ("http://169.254.169.254/x", "http://[::ffff:169.254.169.254]/x", "http://[fe80::1]/x"):
        with pytest.raises(Forbidden):
            Guard(url, allow_private=True).check()
    Guard("http://10.0.0.5/x").check()
