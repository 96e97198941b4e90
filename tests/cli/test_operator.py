"""What commands that speak to a running bridge share."""

import argparse

import pytest

from bridge.cli.operator import add_operator, operator_of
from bridge.errors import BridgeError


def parsed(*arguments: str) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    add_operator(parser)
    return parser.parse_args(arguments)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing."""
    for name in ("BRIDGE_URL", "BRIDGE_API_KEY", "PORT"):
        monkeypatch.delenv(name, raising=False)


def test_the_address_is_told_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option before the environment before the port before the usual one."""
    assert operator_of(parsed("--api-key", "k")).url == "http://127.0.0.1:8080"
    monkeypatch.setenv("PORT", "9000")
    assert operator_of(parsed("--api-key", "k")).url == "http://127.0.0.1:9000"
    monkeypatch.setenv("BRIDGE_URL", "https://a.example/")
    assert operator_of(parsed("--api-key", "k")).url == "https://a.example"
    assert operator_of(parsed("--api-key", "k", "--url", "http://b.example//")).url == "http://b.example"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "bridge.example.com", "ftp://a.example"])
def test_only_http_is_spoken(url: str) -> None:
    """The key goes nowhere else."""
    with pytest.raises(BridgeError, match="no address"):
        operator_of(parsed("--api-key", "k", "--url", url))


def test_a_key_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the option or the environment; it does not show itself."""
    with pytest.raises(BridgeError) as caught:
        operator_of(parsed())
    assert "BRIDGE_API_KEY" in caught.value.hint
    monkeypatch.setenv("BRIDGE_API_KEY", "secret-key")
    operator = operator_of(parsed())
    assert operator.key.reveal() == "secret-key"
    assert "secret-key" not in repr(operator)


def test_nobody_there_is_said_with_a_remedy() -> None:
    """And without the key."""
    operator = operator_of(parsed("--api-key", "secret-key", "--url", "http://127.0.0.1:9"))
    with pytest.raises(BridgeError, match="no bridge answers") as caught:
        operator.ask("GET", "/calls")
    assert "--url" in caught.value.hint
    assert "secret-key" not in f"{caught.value}"
