"""TwiML: whatever goes in, only our own verbs come out."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.twilio.webhooks import twiml
from bridge.carriers.twilio.webhooks.twiml import Twiml

ACTION = "https://a.example/twilio/after?n=1&x=2"
STREAM = "wss://a.example/twilio/media"
VERBS = {
    *("Response", "Connect", "Stream", "Parameter", "Redirect", "Hangup", "Reject", "Say", "Pause"),
    *("Dial", "Number", "Sip", "Conference", "Play", "Message"),
}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates and controls too


def allowed(text: str) -> str:
    """What XML 1.0 lets through of a text, by its own definition of a character."""

    def legal(code: int) -> bool:
        return code in {0x9, 0xA} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF

    return "".join(letter for letter in text if legal(ord(letter)))


def parse(document: Twiml) -> ET.Element:
    """The document as Twilio would read it."""
    return ET.fromstring(document.encode())


def tags(document: Twiml) -> list[str]:
    """The verbs on the first level."""
    return [verb.tag for verb in parse(document)]


def test_a_stream_is_opened_and_nobody_is_left_hanging() -> None:
    """Connect, then the same question by Redirect where no stream could be opened, then the end of the call."""
    root = parse(twiml.connect_stream(STREAM, ACTION, {"grant": "abc"}))
    assert [verb.tag for verb in root] == ["Connect", "Redirect", "Hangup"]
    connect, redirect, _ = root
    assert connect.attrib == {"action": ACTION, "method": "POST"}
    assert [stream.attrib for stream in connect] == [{"url": STREAM}]
    assert [parameter.attrib for parameter in connect[0]] == [{"name": "grant", "value": "abc"}]
    assert redirect.text == ACTION
    assert redirect.attrib == {"method": "POST"}


def test_what_follows_a_stream_stands_before_the_end() -> None:
    """Further verbs come between the Redirect and the Hangup."""
    document = twiml.connect_stream(STREAM, ACTION, {}, then=twiml.say("Sorry."))
    assert tags(document) == ["Connect", "Redirect", "Say", "Hangup"]


@pytest.mark.parametrize("url", ["https://a.example/m", "wss://a.example/m?x=1", "wss:///m", "", "wss://a.example/m#f"])
def test_a_stream_that_twilio_would_not_open_is_refused(url: str) -> None:
    """No stream without a ws(s) address, and none with a query, which Twilio strips."""
    with pytest.raises(ValueError):
        twiml.connect_stream(url, ACTION, {})


def test_a_parameter_is_shorter_than_500_characters() -> None:
    """Name and value of a parameter are at most 499 characters together."""
    assert parse(twiml.connect_stream(STREAM, ACTION, {"n": "v" * 498})) is not None
    with pytest.raises(ValueError):
        twiml.connect_stream(STREAM, ACTION, {"n": "v" * 499})


@given(text=ANY_TEXT, name=ANY_TEXT)
def test_any_text_stays_text(text: str, name: str) -> None:
    """Any unicode parses back to itself, less what XML forbids, and brings no verb of its own."""
    document = (
        twiml.say(text, language=name)
        + twiml.message(text)
        + twiml.connect_stream(STREAM, ACTION, {name: text})
        + twiml.fallback(text=text, number="+15550100")
        + twiml.conference("room", label=text)
    )
    root = parse(document)
    assert {element.tag for element in root.iter()} <= VERBS
    for verb in root.iter():
        if verb.tag in {"Say", "Message"}:
            assert verb.text == allowed(text)
        if verb.tag == "Parameter":
            assert (verb.get("name"), verb.get("value")) == (allowed(name), allowed(text))
        if verb.tag == "Conference":
            assert verb.get("participantLabel") == allowed(text)


@pytest.mark.parametrize("text", ['"/></Stream></Connect><Dial>+1</Dial>', "]]>", "<!--", "&amp;", "<![CDATA[x]]>"])
def test_markup_in_a_text_is_spoken_not_obeyed(text: str) -> None:
    """Markup arrives as words."""
    root = parse(twiml.say(text))
    assert [(verb.tag, verb.text) for verb in root] == [("Say", text)]


def test_nothing_to_say_is_no_verb() -> None:
    """An empty text, or one of forbidden characters only, leaves no empty verb behind."""
    assert not list(parse(twiml.say(" \x00") + twiml.message("")))
    assert str(Twiml()).endswith("<Response></Response>")


def test_long_words_are_cut_to_what_twilio_takes() -> None:
    """A text longer than Twilio takes is cut, not refused by it."""
    assert len(parse(twiml.say("<" * 9000))[0].text or "") == twiml.MAX_SAY


@pytest.mark.parametrize(
    ("number", "tag"), [("+15550100", "Number"), ("sip:desk@example.com", "Sip"), ("sips:desk@example.com:5061", "Sip")]
)
def test_a_transfer_rings_a_number_or_a_sip_address(number: str, tag: str) -> None:
    """The target is named as what it is, with the caller id, the ring time and what follows."""
    (verb,) = parse(twiml.dial(number, caller_id="+15550199", action_url=ACTION, timeout_s=20, time_limit_s=600))
    assert [(noun.tag, noun.text) for noun in verb] == [(tag, number)]
    assert verb.attrib == {
        "answerOnBridge": "true",
        "callerId": "+15550199",
        "timeout": "20",
        "timeLimit": "600",
        "action": ACTION,
        "method": "POST",
    }


@pytest.mark.parametrize(
    "number",
    [
        *("", "15550100", "+0", "+1555,123", "+1555;ext=1", "+1555w9", "+15550100\n", "+" + "1" * 16),
        *("sip:", "sip:a@b?X-H=1", "sip:a@b;transport=x", "<sip:a@b>", "client:a", "tel:+1555"),
    ],
)
def test_nothing_else_can_be_dialled(number: str) -> None:
    """Dial strings with pauses, extensions, headers or other schemes are refused, as target and as caller id."""
    with pytest.raises(ValueError):
        twiml.dial(number)
    with pytest.raises(ValueError):
        twiml.dial("+15550100", caller_id=number)


def test_a_fallback_speaks_rings_and_ends() -> None:
    """Words, then a person where there is one, then the end; each only where configured."""
    assert tags(twiml.fallback(text="One moment.", number="+15550999")) == ["Say", "Dial", "Hangup"]
    assert tags(twiml.fallback(text="Goodbye.")) == ["Say", "Hangup"]
    assert tags(twiml.fallback()) == ["Hangup"]


@pytest.mark.parametrize("reason", ["rejected", "busy"])
def test_a_call_can_be_refused(reason: str) -> None:
    """A refusal is the first and only verb: so the call is neither answered nor billed."""
    (verb,) = parse(twiml.reject(reason))
    assert (verb.tag, verb.attrib) == ("Reject", {"reason": reason})


def test_keys_are_pressed_before_what_follows() -> None:
    """Digits are played, then the stream is opened anew."""
    document = twiml.play_digits("ww12#", then=twiml.connect_stream(STREAM, ACTION, {}))
    assert tags(document) == ["Play", "Connect", "Redirect", "Hangup"]
    assert parse(document)[0].attrib == {"digits": "ww12#"}


@pytest.mark.parametrize("bad", ["", "1,2", "A", "1" * 33, "1 2", "https://a.example/x.mp3", "1\n"])
def test_only_keys_can_be_pressed(bad: str) -> None:
    """What is no key and no pause is refused."""
    with pytest.raises(ValueError):
        twiml.play_digits(bad)


def test_a_room_has_a_plain_name() -> None:
    """A conference is a Dial into a room without beeps; odd names are refused."""
    (verb,) = parse(twiml.conference("call_1", status_url=ACTION, end_on_exit=False))
    assert (verb[0].tag, verb[0].text) == ("Conference", "call_1")
    assert verb[0].get("endConferenceOnExit") == "false"
    with pytest.raises(ValueError):
        twiml.conference("a b")


@pytest.mark.parametrize(
    "build",
    [
        lambda url: twiml.redirect(url),
        lambda url: twiml.dial("+15550100", action_url=url),
        lambda url: twiml.connect_stream(STREAM, url, {}),
    ],
)
@pytest.mark.parametrize("url", ["", "/after", "javascript:x", "ftp://a/b", "https://"])
def test_twilio_is_sent_to_http_addresses_only(build: Callable[[str], Twiml], url: str) -> None:
    """An address to ask at is http or https and has a host."""
    with pytest.raises(ValueError):
        build(url)


def test_pauses_have_a_length_twilio_takes() -> None:
    """A pause is 1 to 60 seconds."""
    assert [verb.get("length") for verb in parse(twiml.pause(0) + twiml.pause(2) + twiml.pause(600))] == [
        "1",
        "2",
        "60",
    ]


def test_retries_ride_in_the_fragment() -> None:
    """Connection overrides are a fragment, so that they are neither sent nor signed."""
    url = twiml.with_retries(ACTION, connect_ms=2000, read_ms=5000, total_ms=15000)
    assert urlsplit(url).fragment == "ct=2000&rt=5000&tt=15000&rc=5&rp=all"
    assert url.startswith(ACTION + "#")
    assert re.search(r"#ct=\d+&rt=\d+&rc=5&rp=all$", twiml.with_retries(ACTION))


@pytest.mark.parametrize(
    "changes",
    [
        {"connect_ms": 99},
        {"connect_ms": 10001},
        {"read_ms": 15001},
        {"total_ms": 15001},
        {"retries": 6},
        {"retries": -1},
        {"policy": "never"},
        {"policy": ""},
    ],
)
def test_overrides_that_twilio_would_ignore_are_refused(changes: dict[str, int]) -> None:
    """An override beyond the documented limits is our mistake, not a silent default."""
    with pytest.raises(ValueError):
        twiml.with_retries(ACTION, **changes)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        twiml.with_retries(ACTION + "#x")
