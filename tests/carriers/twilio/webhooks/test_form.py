"""The body of a webhook, read strictly."""

import pytest

from bridge.carriers.twilio.webhooks.form import (
    MAX_BODY,
    MAX_FIELDS,
    MEDIA_TYPE,
    BadRequest,
    Form,
    TooLarge,
    UnsupportedMedia,
    WebhookRefused,
    is_form,
    parse_form,
    read_pairs,
)


@pytest.mark.parametrize(
    "content_type", [None, "", "multipart/form-data; boundary=x", "application/json", "text/plain"]
)
def test_only_urlencoded_bodies_are_read(content_type: str | None) -> None:
    """A body of another media type is 415."""
    with pytest.raises(UnsupportedMedia) as caught:
        parse_form(b"a=1", content_type)
    assert caught.value.status == 415


@pytest.mark.parametrize("body", [b"a=%FF", b"\xff=1", b"&".join([b"a=1"] * 1001), b"a" * 65537])
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    """Bytes that are no UTF-8, more than a thousand fields, and more than 64 KiB are refused."""
    with pytest.raises(WebhookRefused):
        parse_form(body, "application/x-www-form-urlencoded")


@pytest.mark.parametrize("content_type", [MEDIA_TYPE, MEDIA_TYPE.upper(), f" {MEDIA_TYPE} ; charset=UTF-8"])
def test_a_media_type_is_read_as_http_has_it(content_type: str) -> None:
    """Its case, spaces and parameters mean nothing."""
    assert is_form(content_type)
    assert parse_form(b"a=1", content_type).one("a") == "1"


def test_the_largest_body_is_still_read() -> None:
    """One byte more is 413, and a field more is 400."""
    assert len(parse_form(b"a=" + b"x" * (MAX_BODY - 2), MEDIA_TYPE).one("a")) == MAX_BODY - 2
    with pytest.raises(TooLarge) as large:
        parse_form(b"a=" + b"x" * (MAX_BODY - 1), MEDIA_TYPE)
    assert large.value.status == 413
    assert len(parse_form(b"&".join([b"a=1"] * MAX_FIELDS), MEDIA_TYPE)) == MAX_FIELDS
    with pytest.raises(BadRequest):
        parse_form(b"&".join([b"a=1"] * (MAX_FIELDS + 1)), MEDIA_TYPE)


def test_a_field_that_is_read_is_there_once() -> None:
    """Missing, it may be let be; doubled, never, be it with the same value."""
    form = Form([("a", "1"), ("b", ""), ("c", "x"), ("c", "x")])
    assert (form.one("a"), form.one("b"), form.maybe("d")) == ("1", "", None)
    for name in ("c", "d"):
        with pytest.raises(BadRequest, match=name):
            form.one(name)
    with pytest.raises(BadRequest):
        form.maybe("c")
    assert "c" in form
    assert "d" not in form
    assert len(form) == 4


def test_a_refusal_holds_no_value() -> None:
    """Values are numbers and words of people."""
    form = Form([("From", "+15550123456"), ("From", "+15550123456")])
    with pytest.raises(WebhookRefused) as caught:
        form.one("From")
    assert "+1555" not in f"{caught.value} {caught.value.hint}"


def test_pairs_come_as_they_were_sent() -> None:
    """In their order, doubled and blank ones too: all of them are signed."""
    body = b"b=2&a=&b=1&c=%2B1+2%C3%A9"
    assert read_pairs(body) == [("b", "2"), ("a", ""), ("b", "1"), ("c", "+1 2\u00e9")]
