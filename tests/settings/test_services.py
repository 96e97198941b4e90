"""The tables of the server itself: what they say when nobody says anything, and what they refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import Mistake
from bridge.settings import Settings

Mistakes = Callable[..., list[Mistake]]


def test_what_is_left_out_is_closed_and_small(load: Callable[..., Settings], good: str) -> None:
    """On loopback, no API, no widget, no recording folder elsewhere, no caller limit that a company's one number meets."""
    settings = load(good)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.server.trusted_proxies == ()
    assert settings.api.keys == ()
    assert settings.chat.agents == ()
    assert settings.chat.origins == ()
    assert settings.events == {}
    assert settings.tools == {}
    assert settings.limits.calls_per_caller == 0
    assert 0 < settings.limits.pending_sockets_per_address <= settings.limits.pending_sockets


def test_a_key_written_short_is_an_operators(load: Callable[..., Settings], good: str) -> None:
    """Written long it may be a viewer's, with a name for the log."""
    keys = load(
        good
        + '[api]\nkeys = ["operator-key-0123456789", { key = "viewer-key-0123456789", role = "viewer", name = "ann" }]'
    ).api.keys
    assert [(key.role, key.name) for key in keys] == [("operator", None), ("viewer", "ann")]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[api]\nkeys = ["x"]', "api.keys[0].key"),
        ('[api]\nkeys = ["your_api_key"]', "api.keys[0].key"),
        ("[server]\nport = 70000", "server.port"),
        ('[server]\ntrusted_proxies = ["10.0.0.0/33"]', "server.trusted_proxies[0]"),
        ('[tools.book]\nurl = "ftp://crm.example.com"', "tools.book.url"),
        ('[tools.book]\nurl = "https://user:word@crm.example.com"', "tools.book.url"),
        ('[tools.book]\nurl = "http://169.254.169.254/latest"', "tools.book.url"),
        ('[tools.book]\nurl = "https://crm.example.com"\nsecret = "whsec_"', "tools.book.secret[0]"),
        ('[tools.book]\nurl = "https://crm.example.com"\ntimeout_s = 0', "tools.book.timeout_s"),
        ('[events.crm]\nurl = "https://crm.example.com"', "events.crm.secret"),
        ('[logging]\nlevel = "loud"', "logging.level"),
        ('[recording]\nformat = "mp3"', "recording.format"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(mistakes: Mistakes, good: str, text: str, key: str) -> None:
    """Of the key that is wrong, and of no other."""
    assert [mistake.key for mistake in mistakes(good + text)] == [key]


def test_a_short_key_is_taken_and_warned_of(load: Callable[..., Settings], good: str) -> None:
    """Whoever sets one may try the bridge with it; the log says that it can be guessed, and never what it is."""
    (warning,) = load(good + '[api]\nkeys = ["ab-9"]').warnings
    assert warning.startswith("api.keys[0] can be guessed")
    assert "ab-9" not in warning
    assert load(good + '[api]\nkeys = ["operator-key-0123456789"]').warnings == ()


def test_the_first_token_signs_and_all_prove(load: Callable[..., Settings], good: str) -> None:
    """While a token is being rotated both count; one alone may be written without a list."""

    def tokens(text: str) -> Any:
        twilio = load(text).carriers.twilio
        assert twilio is not None
        return [token.reveal() for token in twilio.auth_token]

    one = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    assert tokens(good) == [one]
    both = good.replace(f'"{one}"', f'["1f1e2d3c4b5a69788796a5b4c3d2e1f1", "{one}"]')
    assert tokens(both) == ["1f1e2d3c4b5a69788796a5b4c3d2e1f1", one]
