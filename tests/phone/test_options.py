"""Where a bridge is reached, and what it is told."""

import pytest

from bridge.phone.options import PhoneOptions

LOCAL = PhoneOptions(url="http://127.0.0.1:8080", public_url="https://bridge.example.com")


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ("https://bridge.example.com/twilio/after?n=1", "http://127.0.0.1:8080/twilio/after?n=1"),
        ("wss://bridge.example.com/twilio/media", "ws://127.0.0.1:8080/twilio/media"),
        ("wss://bridge.example.com.evil.test/m", "wss://bridge.example.com.evil.test/m"),
        ("wss://elsewhere.test/m", "wss://elsewhere.test/m"),
    ],
)
def test_the_public_address_is_reached_at_the_local_one(given: str, reached: str) -> None:
    """URLs of the public address lead to the local one, as HTTP or as WebSocket; others are left alone."""
    assert LOCAL.reach(given) == reached


def test_signatures_are_made_over_the_public_address() -> None:
    """What is signed is the public address where there is one."""
    assert LOCAL.signed_origin == "https://bridge.example.com"
    assert PhoneOptions(url="http://h/").signed_origin == "http://h"


def test_the_token_is_not_shown() -> None:
    """The auth token does not appear when options are printed."""
    assert "hunter2" not in repr(PhoneOptions(auth_token="hunter2"))
