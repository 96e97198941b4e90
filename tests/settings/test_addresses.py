"""URLs: well-formed, encrypted, and never an address that nobody may call."""

import pytest

from bridge.settings.addresses import Address, DatabaseUrl, Network, is_forbidden, is_loopback

PUBLIC = Address(schemes=("https", "http"))
SOCKET = Address(schemes=("wss", "ws"))
CALLED = Address(schemes=("https", "http"), plain="anywhere", query=True, public_only=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example:8443/base",
        "http://localhost:80",
        "http://127.0.0.1:1",
        "http://[::1]:8080/x",
    ],
)
def test_public_urls(url: str) -> None:
    """https anywhere and http on loopback, each with a port and a path."""
    assert PUBLIC.complain(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "a.example", "//a.example", "https://", "https:///x", "ftp://a.example", "wss://a.example"),
        *("http://a.example", "http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com"),
        *("https://u:p@a.example", "https://u@a.example", "https://a.example?x=1", "https://a.example/#x"),
        *("https://a.example:99999", "https://a.example:x", "https://a b.example", "https://a.example\\@b.example"),
        *("https://a.example\n", "https://[::1", "https://ä.example", "https://%61.example", "https://[nonsense]/"),
    ],
)
def test_what_no_public_url_is(url: str) -> None:
    """Everything else is complained of, without quoting it."""
    complaint = PUBLIC.complain(url)
    assert complaint is not None
    assert not url.strip() or url not in str(complaint)


def test_media_urls() -> None:
    """Media sockets speak wss, and ws on loopback only."""
    assert SOCKET.complain("wss://a.example") is None
    assert SOCKET.complain("ws://127.0.0.1:8080") is None
    assert SOCKET.complain("ws://a.example") is not None
    assert SOCKET.complain("https://a.example") is not None


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.0.1", "0xA9FEA9FE", "2852039166", "169.254.43518", "0251.0376.0251.0376"),
        *("fe80::1", "febf::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254"),
        *("64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "fe80::1%eth0"),
        *("metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data.ec2.internal"),
        *("0.0.0.0", "0", "::", "224.0.0.1", "ff02::1", "100.100.100.200", "168.63.129.16"),
    ],
)
def test_forbidden_hosts(host: str) -> None:
    """Link-local and metadata addresses are known in every spelling."""
    assert is_forbidden(host)
    bracketed = f"[{host}]" if ":" in host else host
    assert CALLED.complain(f"http://{bracketed}/x") is not None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://crm.example.com/hook?token=1",
            "http://crm.example.com",
            "http://10.0.0.5:8000/x",
            "http://192.168.1.2",
        ),
        *(
            "http://127.0.0.1:9000/",
            "http://localhost:9000",
            "http://crm.internal",
            "http://[fd12::1]/",
            "https://1.1.1.1",
        ),
    ],
)
def test_business_systems(url: str) -> None:
    """A private address that is named may be called, encrypted or not."""
    assert CALLED.complain(url) is None


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
)
def test_loopback(host: str) -> None:
    """This machine, in every spelling."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "10.0.0.1", "example.com", "::2", "128.0.0.1", "::ffff:10.0.0.1"]
)
def test_not_loopback(host: str) -> None:
    """Nothing else is this machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url", ["sqlite:///var/a.db", "sqlite:////abs/a.db", "postgresql://u:p@h:5432/db", "postgresql:///db?host=/tmp"]
)
def test_databases(url: str) -> None:
    """Files and servers, also over a local socket."""
    assert DatabaseUrl().complain(url) is None


@pytest.mark.parametrize(
    "url", ["", "var/a.db", "sqlite://", "sqlite:///", "mysql://h/db", "postgresql://h", "postgresql://h:x/db"]
)
def test_what_no_database_is(url: str) -> None:
    """Other systems, and URLs without a file or a name, are complained of."""
    assert DatabaseUrl().complain(url) is not None


def test_networks() -> None:
    """A proxy is an address or a network without bits beyond it."""
    assert [text for text in ("10.0.0.5", "10.0.0.0/8", "fd00::/8") if Network().complain(text)] == []
    assert [text for text in ("", "10.0.0.1/8", "proxy", "10.0.0.0/33") if not Network().complain(text)] == []
