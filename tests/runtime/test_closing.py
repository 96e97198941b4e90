"""How a WebSocket ends on the wire; whole connections are in tests/runtime/test_sockets_conformance.py."""

import logging
import struct
from types import SimpleNamespace

import picows
import pytest

from bridge.runtime.closing import WireLog, close_answer, close_code


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", 1000),
        (struct.pack("!H", 1001) + b"bye", 1001),
        (struct.pack("!H", 4999), 4999),
        (struct.pack("!H", 1005), 1002),
        (struct.pack("!H", 999), 1002),
        (b"\x03", 1002),
        (struct.pack("!H", 1000) + b"\xff", 1007),
    ],
)
def test_a_close_frame_is_answered_with_its_own_code_where_that_may_be_sent(payload: bytes, answer: int) -> None:
    """Its own, else 1002; 1007 for a reason that is not UTF-8."""
    assert close_answer(payload) == answer


def info(code: int) -> SimpleNamespace:
    """One half of the library's account of a closing handshake."""
    return SimpleNamespace(code=picows.WSCloseCode(code))


@pytest.mark.parametrize(
    ("sent", "received", "theirs_first", "told"),
    [
        (None, info(1000), True, 1000),
        (info(1000), info(1001), True, 1001),
        (info(1009), info(1000), False, 1009),
        (info(1000), info(1011), False, 1011),
        (info(1002), None, False, 1002),
        (info(1000), None, False, 1006),
    ],
)
def test_the_end_is_told_as_who_began_it_has_it(
    sent: SimpleNamespace | None, received: SimpleNamespace | None, theirs_first: bool, told: int
) -> None:
    """The peer's code; ours where we refused what it had sent; 1006 without any of the peer's."""
    assert close_code(SimpleNamespace(sent=sent, recv=received, recv_then_sent=theirs_first)) == told
    assert close_code(None) == 1006


class Transport:
    """The library's side, as far as a close frame is concerned."""

    def __init__(self, received: int | None) -> None:
        self.is_close_frame_sent = False
        self.close_handshake = None if received is None else SimpleNamespace(recv=info(received), sent=None)
        self.sent: list[int] = []

    def send_close(self, code: int) -> None:
        """Only the first one goes out."""
        if not self.is_close_frame_sent:
            self.sent.append(int(code))
        self.is_close_frame_sent = True


@pytest.mark.parametrize(("received", "sent"), [(None, []), (1000, [1000]), (4001, [4001]), (1005, [1000])])
def test_the_peers_close_is_answered_before_anything_behind_it_is_refused(
    received: int | None, sent: list[int]
) -> None:
    """With its own code; where there was none, the refusal stands."""
    log = WireLog()
    log.error("before there is a transport")
    log.transport = transport = Transport(received)
    log.error("WS parser error: %s, initiate disconnect", (1002, "a second one"))
    log.error("again")
    assert transport.sent == sent


def test_the_library_prints_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it says, at any level: a URL of an agent holds a key."""
    log = WireLog()
    for say in (log.debug, log.info, log.warning, log.error, log.exception):
        say("wss://agent.example/?api_key=%s", "secret")
    log.log(9, "%s", "secret")
    assert not log.isEnabledFor(logging.CRITICAL)
    assert caplog.text == ""
