"""Settings as a whole: what they hold, whom they know, and what is secret in them."""

import json
from collections.abc import Callable

import pytest

from bridge.settings import Settings

LINES = """
[[lines]]
number = "*"
agent = "demo"
[[lines]]
number = "+15550101"
agent = "booking"
"""
SECRETS = {
    "database": "pg-word-3f1c",
    "twilio": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "old twilio": "1f1e2d3c4b5a69788796a5b4c3d2e1f1",
    "xuna": "xk-74c1b2",
    "kura": "kura_live_5f0e9d",
    "tools": "tk-0a9b8c7d6e5f4a3b",
    "operator": "operator-key-55aa55aa",
    "tool": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTA=",
    "events": "whsec_ZXZlbnRzLWV2ZW50cy1ldmVudHMtZXZlbnRzLTA=",
}


def test_a_line_is_found_by_its_number_and_the_star_takes_the_rest(load: Callable[..., Settings], good: str) -> None:
    """The exact number wins wherever it stands; without a star other numbers have no line."""
    settings = load(good + LINES)
    lines = [settings.line_for(number) for number in ("+15550100", "+15550101", "+15550199")]
    assert [line.agent for line in lines if line is not None] == ["support", "booking", "demo"]
    assert load(good).line_for("+15550199") is None


def test_every_secret_is_known_and_none_shows(load: Callable[..., Settings], good: str) -> None:
    """Whoever redacts the log is told of all of them, and no text made of the settings holds one."""
    text = f'database_url = "postgresql://bridge:{SECRETS["database"]}@db/bridge"\n' + good.replace(
        f'auth_token = "{SECRETS["twilio"]}"', f'auth_token = ["{SECRETS["twilio"]}", "{SECRETS["old twilio"]}"]'
    ).replace("[agents.booking]", f'tools_key = "{SECRETS["tools"]}"\n[agents.booking]')
    text += f"""
[api]
keys = ["{SECRETS["operator"]}"]
[tools.book]
url = "https://crm.example.com/book"
secret = "{SECRETS["tool"]}"
[events.crm]
url = "https://crm.example.com/events"
secret = "{SECRETS["events"]}"
"""
    settings = load(text)
    known = [secret.reveal() for secret in settings.secrets()]
    for name, secret in SECRETS.items():
        assert any(secret in each for each in known), name
        assert secret not in repr(settings), name
        assert secret not in str(settings), name


def test_settings_cannot_be_changed(load: Callable[..., Settings], good: str) -> None:
    """A call in progress keeps what it began with: a new configuration is a new object."""
    settings = load(good)
    with pytest.raises(AttributeError):
        settings.max_calls = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        json.dumps(settings)  # and nobody writes it somewhere by accident
