"""What a peer said last: its close frame, and what it said just before it cut the connection.

A peer that closes its socket while sound of ours is unread there resets the connection (RFC 1122, 4.2.2.13). Where our
next write meets the reset first, the event loop gives the connection up without reading what had arrived: the last sound,
and the close frame that makes an orderly end of a loss. The kernel still has it. (Not behind TLS, where it is enciphered.)
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Final, Protocol

MOST: Final = 1 << 20  # bytes that are looked at
TEXT, CLOSE = 0x81, 0x88  # whole messages, unmasked as a server's are (RFC 6455, 5.2)
CONTROLS: Final = (0x89, 0x8A)


class Connection(Protocol):
    """A socket, as an event loop shows it."""

    def fileno(self) -> int:
        """Its number; -1 once it is closed."""
        ...


@dataclass(slots=True)
class LastWords:
    """Whole text messages in their order, and the code of the close frame behind them; None where there was none."""

    messages: list[bytes] = field(default_factory=list)
    code: int | None = None


def unread(connection: Connection) -> bytes:
    """What has arrived on a socket and was not read; b"" where it cannot be had. Never blocks."""
    parts: list[bytes] = []
    try:
        with socket.socket(fileno=socket.dup(connection.fileno())) as copy:
            copy.setblocking(False)
            while (part := copy.recv(65536)) and len(parts) * 65536 < MOST:
                parts.append(part)
    except OSError:
        return b"".join(parts)  # all that was there; the reset comes behind it
    return b"".join(parts)


def last_words(data: bytes) -> LastWords:
    """The frames of ``data``, as far as they are whole and begin where it begins."""
    words = LastWords()
    at = 0
    while at + 2 <= len(data):
        first, size = data[at], data[at + 1]
        start = at + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = start + size
        if data[at + 1] & 0x80 or end > len(data):
            break  # masked: no server's frame; or only the beginning of one
        if first == TEXT:
            words.messages.append(data[start:end])
        elif first == CLOSE:
            words.code = int.from_bytes(data[start : start + 2], "big") if size >= 2 else 1005
            break
        elif first not in CONTROLS:
            break
        at = end
    return words
