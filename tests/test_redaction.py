"""What is taken out of log lines."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.ports import Secret
from bridge.redaction import MASK, MAX_VALUE, Redactor

KEY = "kura_live_9f8e7d6c5b4a39281706"


def redacted(text: str, *secrets: str) -> str:
    """One text, as it would be logged."""
    return str(Redactor([Secret(each) for each in secrets])(None, "info", {"event": text})["event"])


@given(prefix=st.text(max_size=7), suffix=st.text(max_size=7))
def test_a_secret_is_hidden_however_it_is_written(prefix: str, suffix: str) -> None:
    """As it is, cut off after its beginning, percent-encoded, or within any base64, nothing of it is left."""
    plain = prefix + KEY + suffix
    raw = plain.encode(errors="replace")
    forms = {
        plain,
        prefix + KEY[:15],
        quote(plain, safe="", errors="replace"),
        "%" + "%".join(f"{byte:02x}" for byte in KEY.encode()),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }
    for form in forms:
        line = redacted(f"before {form} after", KEY)
        assert KEY[:12] not in line
        assert MASK in line
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + KEY.encode()).decode()[4:24]
            assert coded not in line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("wss://api.example.com/ws?api_key=abc123&session=7", "wss://api.example.com/ws?api_key=***&session=7"),
        ("GET /tools/support?key=s3cret HTTP/1.1", "GET /tools/support?key=*** HTTP/1.1"),
        ("token=abc", "token=***"),
        ("conversation_signature=cvtkn_1234", "conversation_signature=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'xi-api-key': 'abcdef'}", "{'xi-api-key': '***'}"),
        ('{"api_key": "abcdef"}', '{"api_key": "***"}'),
        ("postgresql://bridge:hunter2@db/calls", "postgresql://bridge:***@db/calls"),
        ("called +15550123456 twice", "called ***56 twice"),
        ("From=%2B15550123456&To=x", "From=***56&To=x"),
        ("2026-11-21T01:00:00+00:00", "2026-11-21T01:00:00+00:00"),
        ("a line\r\nanother \x1b[31m red \u2028 \u202e", "a line\\x0d\\x0aanother \\x1b[31m red \\u2028 \\u202e"),
    ],
)
def test_credentials_numbers_and_controls_are_hidden(text: str, kept: str) -> None:
    """Values of credentials and all but two digits of phone numbers go, control characters are written out."""
    assert redacted(text) == kept


def test_values_are_cut_and_deep_ones_too() -> None:
    """A megabyte, a thousand entries or endless nesting make a line of bounded length, and secrets in them are hidden."""
    deep: object = KEY
    for _ in range(50):
        deep = {"inner": deep, KEY: [KEY, b"x" + KEY.encode()]}
    event = {"event": "x", "long": "y" * 1_000_000, "many": list(range(1000)), "deep": deep, "huge": 10**400}
    line = json.dumps(Redactor([Secret(KEY)])(None, "info", event))
    assert KEY[:12] not in line
    assert len(line) < 20 * MAX_VALUE


def test_named_credentials_are_hidden_whatever_they_hold() -> None:
    """What stands under the name of a credential is never shown."""
    event = {"event": "x", "headers": {"Authorization": "unknown scheme", "Accept": "*/*"}, "grant": "abc"}
    shown = Redactor()(None, "info", event)
    assert shown["headers"] == {"Authorization": MASK, "Accept": "*/*"}
    assert shown["grant"] == MASK


def test_an_object_that_cannot_be_shown_is_named() -> None:
    """A broken ``__str__`` costs its value and not the line."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert Redactor()(None, "info", {"event": "x", "it": Broken()})["it"] == "<Broken>"


@given(st.text())
def test_any_text_becomes_one_line(text: str) -> None:
    """Whatever is logged, the result has no line break and no control character, and can be encoded."""
    line = redacted(text, KEY)
    assert not any(ord(each) < 32 or 0x7F <= ord(each) < 0xA0 for each in line)
    line.encode()


def test_of_a_databases_address_the_password_is_secret() -> None:
    """It is hidden wherever it stands, as written and decoded; addresses of that kind stay readable."""
    url = "postgresql://bridge:hunter%2Ftwo@db/calls"
    assert redacted("hunter/two hunter%2Ftwo", url).replace(MASK, "").strip() == ""
    assert redacted("postgresql://other/calls", url) == "postgresql://other/calls"
    assert redacted("sqlite:///var/calls.db", "sqlite:///var/callbridge.db") == "sqlite:///var/calls.db"


def test_a_secret_that_is_learnt_later_is_hidden_beside_the_first() -> None:
    """A configuration that was read again has new ones; the former may still be in use."""
    redactor = Redactor([Secret(KEY)])
    redactor.learn([Secret("another-secret-0001")])
    assert redactor.text(f"{KEY} another-secret-0001") == f"{MASK} {MASK}"
