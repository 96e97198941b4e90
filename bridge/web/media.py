"""The door of the media socket: nobody passes without the one-time grant, and nobody waits in it for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bridge.call import events as e
from bridge.call.ports import PhoneStream
from bridge.errors import ProtocolError, Reason
from bridge.runtime.session import CallSession
from bridge.runtime.sockets import MAX_PHONE_MESSAGE, Socket

START_S: Final = 5.0  # from the upgrade to an accepted start
MAX_PENDING_SIGNED: Final = (
    512  # sockets that have not started: callers behind one proxy share an address, and are signed
)
MAX_EARLY: Final = 100  # messages before and while the grant is looked up: 2 s of sound

log = structlog.get_logger("bridge.media")


@dataclass(frozen=True, slots=True)
class MediaRules:
    """How the upgrade of a media socket is judged."""

    verify: Callable[
        [str, str | None], bool | None
    ]  # (raw path and query, signature) -> right, wrong, or missing (None)
    require_signature: bool
    open_stream: Callable[[], PhoneStream]
    redeem: Callable[[e.PhoneOpened], Awaitable[CallSession | None]]  # the grant of a start message -> its call
    attach: Callable[[CallSession, PhoneStream], PhoneStream] | None = (
        None  # the stream to use: its own, or one recorded
    )
    pending: int = 32  # sockets without a signature that have not started
    pending_per_address: int = 4  # of them


class MediaDoor:
    """Admits media sockets. ``spawn`` runs the look-up of a grant."""

    def __init__(self, rules: MediaRules, spawn: Callable[..., object]) -> None:
        self.refused: dict[str, int] = {}
        self._rules = rules
        self._spawn = spawn
        self._pending: dict[Waiting, tuple[str, bool]] = {}

    def admit(self, request: Any, peer: str) -> Socket | int:
        """Judge an upgrade before it is answered: the socket to use, or an HTTP status."""
        header = request.headers.get("X-Twilio-Signature")
        right = self._rules.verify(request.path.decode("latin-1"), header)
        if right is False or (right is None and self._rules.require_signature):
            return self._refuse("signature", 403, peer)
        signed = right is True
        waiting = [(address, proven) for address, proven in self._pending.values() if proven is signed]
        if len(waiting) >= (MAX_PENDING_SIGNED if signed else self._rules.pending):
            return self._refuse("pending", 503, peer)
        if not signed and sum(address == peer for address, _ in waiting) >= self._rules.pending_per_address:
            return self._refuse("pending_address", 429, peer)
        socket = Socket(max_message=MAX_PHONE_MESSAGE)
        place = Waiting(socket, self._rules, self)
        socket.receiver = place
        self._pending[place] = (peer, signed)
        return socket

    def _refuse(self, why: str, status: int, peer: str) -> int:
        self.refused[why] = self.refused.get(why, 0) + 1
        log.warning("media_refused", why=why, status=status, peer=peer)
        return status

    def leave(self, place: Waiting) -> None:
        """A socket has started, or is gone."""
        self._pending.pop(place, None)

    def count(self, why: str) -> None:
        """A socket was turned away after its upgrade."""
        self.refused[why] = self.refused.get(why, 0) + 1
        log.warning("media_refused", why=why)

    def look_up(self, work: Any) -> None:
        """Run the look-up of a grant."""
        self._spawn(work, name="grant")


class Waiting:
    """A media socket between its upgrade and an accepted start."""

    def __init__(self, socket: Socket, rules: MediaRules, door: MediaDoor) -> None:
        self._socket = socket
        self._rules = rules
        self._door = door
        self._stream = rules.open_stream()
        self._early: list[bytes] = []
        self._messages = 0
        self._opened: e.PhoneOpened | None = None
        self._gone = False  # turned away, or it went by itself
        self._end: tuple[int, str] | None = None  # it went by itself: how
        self._deadline = asyncio.get_running_loop().call_later(START_S, self._turn_away, "no_start")

    def received(self, message: bytes) -> None:
        """Everything but start is skipped before it and kept after it."""
        if self._gone:
            return
        self._messages += 1
        if self._messages > MAX_EARLY:
            self._turn_away("too_many_before_start")
            return
        if self._opened is not None:
            self._early.append(message)
            return
        try:
            events = self._stream.receive(message)
        except ProtocolError as error:
            opened: e.PhoneOpened | None = getattr(error, "opened", None)
            if opened is not None:
                self._opened = opened
                self._door.look_up(self._end_call(opened, error.reason))
            elif getattr(error, "fatal", False):
                self._turn_away(str(error.reason))
            return
        for event in events:
            if isinstance(event, e.PhoneOpened):
                self._opened = event
                self._door.look_up(self._enter(event))
            elif isinstance(event, e.PhoneClosed):
                self._turn_away("stopped")

    async def _enter(self, opened: e.PhoneOpened) -> None:
        session = await self._rules.redeem(opened)
        if self._gone and (session is None or self._end is None):
            return
        if session is None:
            self._turn_away("grant")
            return
        self._leave()
        attach = self._rules.attach
        stream = self._stream if attach is None else attach(session, self._stream)
        session.attach_phone(self._socket, stream, opened)
        receiver = self._socket.receiver
        if receiver is not None and receiver is not self:
            for message in self._early:
                receiver.received(message)
            if self._end is not None:  # who hangs up this early has been here all the same
                receiver.closed(*self._end)

    async def _end_call(self, opened: e.PhoneOpened, reason: Reason) -> None:
        """Nothing can be said over this stream: the carrier says the words, and whatever the line has for such a case."""
        session = await self._rules.redeem(opened)
        if session is not None:
            session.handle(e.EndRequested(reason, then="fallback"))
        if not self._gone:
            self._turn_away("grant" if session is None else str(reason))

    def received_binary(self, size: int) -> None:
        """No carrier sends any."""
        if not self._gone:
            self._turn_away("binary")

    def answered(self) -> None:
        """Nobody pinged."""

    def closed(self, code: int, detail: str) -> None:
        """It went by itself."""
        self._gone = True
        self._end = (code, detail)
        self._leave()

    def _leave(self) -> None:
        self._deadline.cancel()
        self._door.leave(self)

    def _turn_away(self, why: str) -> None:
        self._gone = True
        self._leave()
        self._door.count(why)
        self._socket.close(1008, why)
