"""bridge/web/answers.py: what the carrier is answered."""

import pytest

from bridge.call.plan import Line
from bridge.web.answers import Answers
from tests.standins.twilio.twiml import parse

ANSWERS = Answers("https://bridge.example.com")


@pytest.mark.parametrize(
    ("public", "media", "expected"),
    [
        ("https://b.example.com", None, "wss://b.example.com/twilio/media"),
        ("https://b.example.com/base/", None, "wss://b.example.com/base/twilio/media"),
        ("http://127.0.0.1:8080", None, "ws://127.0.0.1:8080/twilio/media"),
        ("https://b.example.com", "wss://i-7.example.com/", "wss://i-7.example.com/twilio/media"),
    ],
)
def test_the_stream_goes_where_the_configuration_says(public: str, media: str | None, expected: str) -> None:
    """media_url pins the instance; else the public address, as a socket."""
    assert Answers(public, media).stream_url == expected


def test_a_stream_carries_its_grant_and_never_leaves_the_line_open() -> None:
    """The grant is a <Parameter> and no query; the document is one that a strict carrier takes, and it asks what follows."""
    text = str(ANSWERS.stream("secret", 3))
    verbs, problems = parse(text)
    assert problems == []
    connect = verbs[0]
    stream = connect.children[0]
    assert "?" not in stream.get("url")
    assert [(each.get("name"), each.get("value")) for each in stream.children] == [("grant", "secret")]
    assert "/twilio/after?n=3#" in connect.get("action")
    assert verbs[-1].name == "Hangup"


def test_a_fallback_says_and_dials_what_the_line_has() -> None:
    """Its own words and number; the bridge's words where it has neither."""
    both, problems = parse(
        str(ANSWERS.fallback(Line("+1", ("a",), "Hold <on> & wait", "+15550999"), words="W", counter=2))
    )
    assert problems == []
    assert [verb.name for verb in both][:2] == ["Say", "Dial"]
    assert both[0].text == "Hold <on> & wait"
    none, problems = parse(str(ANSWERS.fallback(Line("+1", ("a",)), words="Sorry.", counter=2)))
    assert problems == []
    assert none[0].text == "Sorry."
    unknown, _ = parse(str(ANSWERS.fallback(None, words="Sorry.", counter=2)))
    assert unknown[0].text == "Sorry."
