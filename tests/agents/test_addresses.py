"""Which sockets an agent may send us to."""

import pytest

from bridge.agents.addresses import api_base, same_host, socket_url
from bridge.errors import AgentFailure, ConfigurationError, Reason

BASE = "https://api.example.com"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("wss://api.example.com/v1?token=x", []),
        ("wss://API.EXAMPLE.COM:443/v1", []),
        ("wss://api.example.com./v1", []),
        ("wss://media.example.net/x", ["media.example.net"]),
        ("wss://media.example.net:8443/x", ["media.example.net:8443"]),
        ("wss://eu.media.example.net/x", [".media.example.net"]),
        ("wss://eu.media.example.net/x", ["*.media.example.net"]),
    ],
)
def test_sockets_on_the_agents_own_or_named_hosts_are_taken(url: str, hosts: list[str]) -> None:
    """The API's own host and those in websocket_hosts may be dialled, with the URL exactly as granted."""
    assert socket_url(url, base_url=BASE, websocket_hosts=hosts).reveal() == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "https://api.example.com/v1",
        "ws://api.example.com/v1",
        "wss://evil.com/",
        "wss://api.example.com.evil.com/",
        "wss://evilapi.example.com/",
        "wss://x.api.example.com/",
        "wss://example.com/",
        "wss://api.example.com@evil.com/",
        "wss://evil.com\\@api.example.com/",
        "wss://user:pass@api.example.com/",
        "wss://api.example.com:99999/",
        "wss://api.example.com/#x",
        "wss://api.example.com/ x",
        "wss://api.example.com/\r\nx",
        "wss:///v1",
        "wss://\u0430pi.example.com/",
        "wss://localhost/",
        "ws://127.0.0.1/",
        "wss://[::1/",
        "wss://other.net:8443/",
        "wss://suffix.net/",
        "wss://.suffix.net/",
        "wss://./",
        "wss://notsuffix.net/",
        "wss://api.example.com/" + "x" * 9000,
    ],
)
def test_any_other_socket_is_refused_without_repeating_it(url: object) -> None:
    """Foreign hosts, plain text, user information and trickery are refused, and no error repeats the URL."""
    with pytest.raises(AgentFailure) as caught:
        socket_url(url, base_url=BASE, websocket_hosts=[".suffix.net", "other.net:443", ".", "*", ""])
    assert caught.value.reason is Reason.AGENT_BAD_REPLY
    assert caught.value.hint
    assert "evil" not in f"{caught.value} {caught.value.hint}"


def test_plain_sockets_stay_on_this_machine_unless_allowed() -> None:
    """ws:// is for loopback, or where the configuration says so."""
    assert socket_url("ws://localhost:9/x", base_url="http://127.0.0.1:8")
    assert socket_url("ws://host:8080/x", base_url="http://host:8080", allow_insecure=True)
    with pytest.raises(AgentFailure):
        socket_url("ws://localhost:9/x", base_url=BASE, allow_insecure=True)


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "ftp://x", "api.example.com", "https://u:p@x", "https://x?a=b", "", "https://"]
)
def test_an_unusable_base_url_is_a_mistake_of_the_configuration(url: str) -> None:
    """base_url must be an encrypted address without user information; the mistake names its key and remedy."""
    with pytest.raises(ConfigurationError) as caught:
        api_base(url, name="support")
    (mistake,) = caught.value.mistakes
    assert mistake.key == "agents.support.base_url"
    assert mistake.remedy


def test_a_plain_base_url_is_for_loopback_or_by_leave() -> None:
    """http is taken on this machine and with allow_insecure; a trailing slash does not matter."""
    assert api_base("http://127.0.0.1:8/", name="x") == "http://127.0.0.1:8"
    assert api_base("http://host", name="x", allow_insecure=True) == "http://host"


def test_the_key_goes_to_the_same_host_and_scheme_only() -> None:
    """Another host, port or scheme is not the same."""
    assert same_host("https://API.example.com/a.mp3?x=1", BASE)
    for other in (
        "https://api.example.com.evil/a",
        "http://api.example.com/a",
        "https://api.example.com:8/a",
        "https://u@api.example.com/",
    ):
        assert not same_host(other, BASE)
