"""X-Twilio-Signature."""

import base64
import hashlib
import hmac
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from bridge.call.ports import Secret
from bridge.carriers.twilio.webhooks import Signature, TooLarge, Unsigned, UnsupportedMedia
from bridge.carriers.twilio.webhooks.form import MEDIA_TYPE, BadRequest

TOKEN = "12345"
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
PAIRS = st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=8)


def signed(url: str, fields: str = "", token: str = TOKEN) -> str:
    """The signature over a text, made by hand."""
    return base64.b64encode(hmac.digest(token.encode(), (url + fields).encode(), hashlib.sha1)).decode()


def checker(public_url: str = "https://mycompany.com", media_url: str | None = None, *tokens: str) -> Signature:
    """A verifier for the usual token, or the given ones."""
    return Signature(tokens=[Secret(token) for token in tokens or (TOKEN,)], public_url=public_url, media_url=media_url)


class Fields(dict[str, list[str]]):
    """A mapping of doubled fields as Twilio's own library wants it."""

    def getlist(self, name: str) -> list[str]:
        """Every value of a field."""
        return self[name]


@pytest.mark.parametrize(
    ("pairs", "header"),
    [
        (
            [
                ("CallSid", "CA1234567890ABCDE"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
                ("To", "+18005551212"),
                ("Caller", "+14158675309"),
            ],
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
)
def test_the_documented_vectors_are_signed(pairs: list[tuple[str, str]], header: str) -> None:
    """The requests whose signatures Twilio publishes are taken, and not with a byte changed."""
    check = checker()
    body = urlencode(pairs).encode()
    assert check.verify(header, path=b"/myapp.php", query=b"foo=1&bar=2", body=body)
    assert not check.verify(header, path=b"/myapp.php", query=b"bar=2&foo=1", body=body)
    assert not check.verify(header, path=b"/myapp.php/", query=b"foo=1&bar=2", body=body)
    assert not check.verify(header, path=b"/myapp.php", query=b"foo=1&bar=2", body=body + b"0")
    assert not check.verify(header.swapcase(), path=b"/myapp.php", query=b"foo=1&bar=2", body=body)


@given(
    pairs=PAIRS,
    port=st.sampled_from(["", ":443", ":8443"]),
    path=TEXT.map(lambda text: "/" + quote(text)),
    query=st.sampled_from(["", "a=1&b=%20", "x"]),
    other=st.booleans(),
)
def test_what_twilios_own_library_says_is_what_we_say(
    pairs: list[tuple[str, str]], port: str, path: str, query: str, *, other: bool
) -> None:
    """For any form, path and query the verdict is that of Twilio's own validator, right or wrong."""
    fields = Fields()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    url = f"https://bridge.example.com{port}{path}" + (f"?{query}" if query else "")
    header = RequestValidator("other" if other else TOKEN).compute_signature(url, fields)
    ours = checker(f"https://bridge.example.com{port}").verify(
        header, path=path.encode(), query=query.encode(), body=urlencode(pairs).encode()
    )
    assert ours is not other
    assert ours == RequestValidator(TOKEN).validate(url, fields, header)


@pytest.mark.parametrize("header", [None, "", " ", "x", "=", "\u00e9", "\ud800", "A" * 100_000, "RSOY"])
def test_a_missing_or_broken_signature_is_refused(header: str | None) -> None:
    """Whatever stands in the header, or nothing, the answer is no and never an error."""
    check = checker()
    assert not check.verify(header, path=b"/", body=b"")
    assert not check.verify_upgrade(header, path=b"/twilio/media")


@pytest.mark.parametrize("tokens", [[], [""], ["good", " "]], ids=["none", "blank", "one of two blank"])
def test_a_blank_token_is_no_token(tokens: list[str]) -> None:
    """A verifier cannot be made with a token that anybody can guess."""
    with pytest.raises(ValueError):
        Signature(tokens=[Secret(token) for token in tokens], public_url="https://a.example")


def test_every_token_of_a_rotation_counts() -> None:
    """While tokens are rotated both are right, and no third."""
    check = checker("https://a.example", None, "old", "new")
    for token, verdict in (("old", True), ("new", True), ("newer", False)):
        assert check.verify(signed("https://a.example/x", token=token), path=b"/x") is verdict


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("https://a.example/twilio/voice", True),
        ("https://a.example:443/twilio/voice", True),
        ("https://a.example:80/twilio/voice", False),
        ("https://a.example:8443/twilio/voice", False),
        ("http://a.example/twilio/voice", False),
        ("https://evil.example/twilio/voice", False),
        ("https://a.example@evil.example/twilio/voice", False),
        ("https://a.example/twilio/voice/", False),
        ("https://a.example//twilio/voice", False),
        ("https://a.example/twilio/%76oice", False),
        ("https://a.example/twilio/voice?", False),
    ],
)
def test_a_webhook_is_signed_over_the_configured_address_only(url: str, *, verdict: bool) -> None:
    """The default port may stand in the signed address; anything else must be the configured one to the letter."""
    assert checker("https://a.example/").verify(signed(url), path=b"/twilio/voice") is verdict


def test_an_address_with_a_path_and_an_ipv6_host_can_be_signed() -> None:
    """Base paths and IPv6 literals are no trap."""
    check = checker("http://[::1]:8080/base/")
    assert check.verify(signed("http://[::1]:8080/base/twilio/voice"), path=b"/twilio/voice")


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("wss://a.example/twilio/media", True),
        ("wss://a.example/twilio/media/", True),
        ("wss://a.example:443/twilio/media", True),
        ("ws://a.example/twilio/media", True),
        ("wss://i-7.a.example/twilio/media", True),
        ("wss://i-7.a.example:443/twilio/media/", True),
        ("https://a.example/twilio/media", False),
        ("wss://b.example/twilio/media", False),
        ("wss://a.example/twilio/medium", False),
        ("wss://a.example/twilio/media//", False),
    ],
)
@pytest.mark.parametrize("path", [b"/twilio/media", b"/twilio/media/"])
def test_an_upgrade_is_signed_over_a_socket_address(path: bytes, url: str, *, verdict: bool) -> None:
    """Media sockets are signed as ws(s), over either address, with or without slash and default port; nothing else."""
    check = checker("https://a.example", "wss://i-7.a.example")
    assert check.verify_upgrade(signed(url), path=path) is verdict


def test_an_upgrade_without_a_signature_is_told_from_a_wrong_one() -> None:
    """The query counts as it stands on the request line; what is not there cannot be wrong."""
    check = checker("https://a.example")
    header = signed("wss://a.example/twilio/media?x=%41")
    assert check.judge_upgrade("/twilio/media?x=%41", header) is True
    assert check.judge_upgrade("/twilio/media?x=A", header) is False
    assert check.judge_upgrade("/twilio/media", "") is False
    assert check.judge_upgrade("/twilio/media", None) is None


def test_a_flood_of_fields_is_not_even_signed() -> None:
    """More than a thousand fields are no request of Twilio's, whatever the signature."""
    assert not checker().verify(signed("https://mycompany.com/x", "a"), path=b"/x", body=b"&".join([b"a="] * 1001))


def admitted(header: str | None, body: bytes, content_type: str | None = MEDIA_TYPE) -> int:
    """How many fields the one door lets in."""
    return len(checker("https://a.example").admit(header, path=b"/x", content_type=content_type, body=body))


def test_the_door_lets_in_what_is_signed() -> None:
    """A signed form comes in with its fields, blank ones included, whatever parameters its media type has."""
    header = signed("https://a.example/x", "AB1Ctwo words+")
    assert admitted(header, b"B=1&A=&C=two+words%2B") == 3
    assert admitted(header, b"B=1&A=&C=two+words%2B", "Application/X-WWW-Form-Urlencoded; charset=UTF-8") == 3


def test_the_door_says_why_it_stays_shut() -> None:
    """Unsigned is 403, another media type 415, too large 413, and a signed body that is no UTF-8 400."""
    right = signed("https://a.example/x", "A1")
    with pytest.raises(Unsigned):
        admitted(None, b"A=1", "multipart/form-data; boundary=x")
    with pytest.raises(Unsigned):
        admitted(right, b"A=2")
    with pytest.raises(UnsupportedMedia):
        admitted(right, b"A=1", "multipart/form-data; boundary=x")
    with pytest.raises(UnsupportedMedia):
        admitted(right, b"A=1", None)
    with pytest.raises(TooLarge):
        admitted(right, b"A=1" + b"&" * 65536)
    raw = base64.b64encode(hmac.digest(TOKEN.encode(), b"https://a.example/xA\xff", hashlib.sha1)).decode()
    with pytest.raises(BadRequest):
        admitted(raw, b"A=%FF")
    with pytest.raises(Unsigned):
        admitted(right, b"A=%FF")
