"""bridge/web/answers.py: what the carrier is answered."""

import pytest

from bridge.call.plan import Line
from bridge.web.answers import Answers, Words
from tests.standins.twilio.twiml import parse
from tests.web.desk import OURS, PERSON, kept

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
    """Its own words and number; that nobody could be had where it has neither."""
    both, problems = parse(
        str(ANSWERS.fallback(Line("+1", ("a",), "Hold <on> & wait", "+15550999"), kept(), counter=2))
    )
    assert problems == []
    assert [verb.name for verb in both][:2] == ["Say", "Dial"]
    assert both[0].text == "Hold <on> & wait"
    none, problems = parse(str(ANSWERS.fallback(Line("+1", ("a",)), kept(), counter=2)))
    assert problems == []
    assert [verb.name for verb in none] == ["Say", "Hangup"]
    assert none[0].text == ANSWERS.words.failed
    unknown, _ = parse(str(ANSWERS.fallback(None, kept(), counter=2)))
    assert unknown[0].text == ANSWERS.words.failed


@pytest.mark.parametrize(
    ("caller", "line", "shown"),
    [
        (PERSON, OURS, None),
        ("", OURS, None),
        ("client:ada", OURS, OURS),
        ("sip:ada@example.com", OURS, OURS),
        ("client:ada", "app", None),
    ],
)
def test_whose_number_the_fallbacks_person_sees(caller: str, line: str, shown: str | None) -> None:
    """The caller's own where there is one, by the carrier's own default; a browser or a SIP phone calls as the line."""
    call = kept(from_number=caller, line=line)
    verbs, problems = parse(str(ANSWERS.fallback(Line("*", ("a",), "", "+15550999"), call, counter=2)))
    assert problems == []
    assert verbs[0].get("callerId") == (shown or "")


def test_words_of_our_own_are_said_in_their_language() -> None:
    """Everything that the bridge says is in the operator's words, and the carrier's voice is told their language."""
    german = Words(
        busy="Alle Leitungen sind belegt.", draining="Gleich wieder.", failed="Leider nein.", language="de-DE"
    )
    answers = Answers("https://bridge.example.com", words=german)
    line = Line("+1", ("a",), "Bitte warten.", "+15550999")
    full, problems = parse(str(answers.refusal(line, kept(), draining=False)))
    assert problems == []
    assert [(verb.text, verb.get("language")) for verb in full[:2]] == [
        ("Alle Leitungen sind belegt.", "de-DE"),
        ("Bitte warten.", "de-DE"),
    ]
    drained, _ = parse(str(answers.refusal(line, kept(), draining=True)))
    assert drained[0].text == "Gleich wieder."
    nobody, _ = parse(str(answers.nobody()))
    assert [(verb.name, verb.text) for verb in nobody] == [("Say", "Leider nein."), ("Hangup", "")]


def test_a_message_is_left_in_the_houses_language() -> None:
    """Word for word, and that is the end; nothing is said where there is no message."""
    answers = Answers("https://bridge.example.com", words=Words(language="de-DE"))
    (said, end), problems = parse(str(answers.voicemail("Bitte <zurück>rufen & fragen.")))
    assert problems == []
    assert (said.name, said.text, said.get("language")) == ("Say", "Bitte <zurück>rufen & fragen.", "de-DE")
    assert end.name == "Hangup"
    nothing, _ = parse(str(answers.voicemail("")))
    assert [verb.name for verb in nothing] == ["Hangup"]
