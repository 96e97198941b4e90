"""An address that swallows connections: no answer and no refusal, as behind a broken IPv6."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self


class BlackHole:
    """A port of ::1 whose queue is full: the kernel drops every further SYN."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sockets: list[socket.socket] = []

    @staticmethod
    def possible() -> bool:
        """Whether there is an IPv6 loopback here."""
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::1", self.port))
        listener.listen(0)
        self._sockets.append(listener)
        for _ in range(4):  # what the queue holds, and more
            filler = socket.socket(socket.AF_INET6)
            filler.setblocking(False)
            filler.connect_ex(("::1", self.port))
            self._sockets.append(filler)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in self._sockets:
            each.close()
