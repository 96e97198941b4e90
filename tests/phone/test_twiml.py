"""TwiML as a telephone follows it."""

import pytest

from bridge.phone.options import PhoneFailure
from bridge.phone.twiml import parse, stream_of


def test_a_stream_and_its_parameters() -> None:
    """The socket's URL comes without its query, which a carrier strips, and with every parameter."""
    (connect,) = parse(
        b'<?xml version="1.0"?><Response><Connect action="/after?n=1"><Stream url="wss://h/m?secret=1">'
        b'<Parameter name="grant" value="a&amp;b"/></Stream></Connect></Response>'
    )
    assert stream_of(connect) == ("wss://h/m", {"grant": "a&b"})
    assert connect.url("action", "https://h/twilio/voice") == "https://h/after?n=1"
    assert connect.url("nothing", "https://h/") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"<html/>", b"<Response>", b"<Response>" + b" " * 70000 + b"</Response>"],
)
def test_what_is_no_twiml_is_refused(body: bytes) -> None:
    """Anything but a complete document of bearable size is an error."""
    with pytest.raises(PhoneFailure):
        parse(body)


@pytest.mark.parametrize(
    "inner",
    [
        "",
        '<Stream url="https://h/m"/>',
        f'<Stream url="wss://h/m"><Parameter name="n" value="{"x" * 499}"/></Stream>',
    ],
)
def test_a_stream_that_no_carrier_would_open(inner: str) -> None:
    """No stream, a URL that is no WebSocket, a parameter of 500 characters: each is an error."""
    (connect,) = parse(f"<Response><Connect>{inner}</Connect></Response>".encode())
    with pytest.raises(PhoneFailure):
        stream_of(connect)
