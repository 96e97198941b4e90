"""What the load generator shares between its two sides: a socket that costs little, and finding sound in a message."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import picows

TEXT: Final = picows.WSMsgType.TEXT


class Wire(picows.WSListener):
    """One WebSocket, on either side. ``hear`` is called with every text message."""

    def __init__(
        self, hear: Callable[[bytes], None], gone: Callable[[], None], opened: Callable[[], None] | None = None
    ) -> None:
        self._hear = hear
        self._gone = gone
        self._opened = opened
        self._transport: Any = None
        self.open = False

    def on_ws_connected(self, transport: Any) -> None:
        """The handshake is done."""
        self._transport = transport
        self.open = True
        if self._opened is not None:
            self._opened()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Bridges send whole messages."""
        kind = frame.msg_type
        if kind is TEXT:
            self._hear(frame.get_payload_as_bytes())
        elif kind is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif kind is picows.WSMsgType.PING:  # picows answers by itself only where it pings by itself
            transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: Any) -> None:
        """It is gone."""
        del transport
        self.open = False
        self._gone()

    def send(self, message: bytes) -> None:
        """One text message."""
        if self.open:
            self._transport.send(TEXT, message)

    def close(self) -> None:
        """Say goodbye."""
        if self.open:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()


def silent() -> logging.Logger:
    """A logger that says nothing."""
    logger = logging.getLogger("bridge.bench.wire")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    return logger


def value(message: bytes, key: bytes) -> bytes:
    """The string that follows ``key`` (with its quotes), b"" where there is none. It must hold no escapes."""
    at = message.find(key)
    if at < 0:
        return b""
    start = message.index(b'"', at + len(key)) + 1
    return message[start : message.index(b'"', start)]
