"""Finding sound in a message."""

import pytest

from bridge.bench.wire import value


@pytest.mark.parametrize("message", [b'{"a":1,"payload":"/w=="}', b'{"payload" : "/w==","b":"x"}'])
def test_the_text_behind_a_key_is_found(message: bytes) -> None:
    """However the message is spaced."""
    assert value(message, b'"payload"') == b"/w=="


def test_a_message_without_the_key_holds_nothing() -> None:
    """And an empty text is empty."""
    assert value(b'{"event":"mark"}', b'"payload"') == b""
    assert value(b'{"payload":""}', b'"payload"') == b""
