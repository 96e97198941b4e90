"""How a WebSocket ends on the wire: what a close frame is answered with, and what the end is told as."""

from __future__ import annotations

from typing import Any, Final

import picows

WIRE_CODES: Final = frozenset((*range(1000, 1004), *range(1007, 1015)))  # RFC 6455, 7.4.1, and IANA's registry
NO_CODE: Final = 1005  # stands for a close frame without any; never on the wire


def close_answer(payload: bytes) -> int:
    """The code with which a close frame is answered (RFC 6455, 5.5.1 and 7.4): its own where it may be on the wire."""
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in WIRE_CODES or 3000 <= code < 5000):
        return 1002
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return 1007
    return code


def close_code(handshake: Any) -> int:
    """Why it ended: what the peer said; where we refused its messages first, what we said, whatever it answered to that."""
    if handshake is None:
        return 1006
    sent, received = handshake.sent, handshake.recv
    if sent is not None and not handshake.recv_then_sent and int(sent.code.value) != 1000:
        return int(sent.code.value)
    return 1006 if received is None else (int(received.code.value) or 1005)


class WireLog:
    """What the library takes for its log. Nothing is printed, for it would print URLs; and one thing is learnt.

    It reads one frame ahead, so that it refuses what follows a close frame before the close frame itself is handled. It
    tells its log of the refusal before it sends it, and only the first close frame that is sent counts: here the peer's
    own is answered first, for nothing behind it is heard (RFC 6455, 5.5.1).
    """

    def __init__(self) -> None:
        self.transport: Any = None

    def error(self, message: str, *more: object) -> None:
        """The library is about to refuse a frame."""
        del message, more
        transport = self.transport
        if transport is None or transport.is_close_frame_sent or transport.close_handshake is None:
            return
        received = transport.close_handshake.recv
        if received is not None:
            code = int(received.code.value)
            transport.send_close(picows.WSCloseCode(1000 if code in (0, NO_CODE) else code))

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - as logging has it
        """Nothing is."""
        del level
        return False

    def _nothing(self, *_: object, **__: object) -> None: ...

    log = debug = info = warning = exception = _nothing
