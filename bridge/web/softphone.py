"""A call from a browser: admitted at the upgrade by origin and login, and offered when its ``start`` comes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from starlette.requests import HTTPConnection

from bridge.call import events as e
from bridge.call.plan import Line
from bridge.call.ports import PhoneStream
from bridge.call.record import CallRecord, Direction, Status
from bridge.runtime.factory import SessionFactory
from bridge.runtime.session import CallSession
from bridge.runtime.sockets import Socket
from bridge.runtime.switchboard import Switchboard
from bridge.web.access import Visitor
from bridge.web.media import MediaDoor, MediaRules

SOFTPHONE_MEDIA: Final = "/softphone/media"
NAME: Final = "softphone"

log = structlog.get_logger("bridge.softphone")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a softphone's calls need of the house."""

    instance: str
    lines: Mapping[str, Line]
    agents: Callable[[], list[str]]
    switchboard: Switchboard
    factory: SessionFactory
    recognise: Callable[[HTTPConnection], Visitor | None]  # judges origin and login
    open_stream: Callable[[], PhoneStream]
    attach: Callable[[CallSession, PhoneStream], PhoneStream] | None = None


class Softphone:
    """The door of browsers that call."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        rules = MediaRules(
            verify=lambda target, header: True,
            require_signature=False,
            open_stream=exchange.open_stream,
            redeem=self.redeem,
            attach=exchange.attach,
        )
        self._door = MediaDoor(rules, exchange.switchboard.spawn)

    def admit(self, request: Any, peer: str) -> Socket | int:
        """Judge an upgrade before it is answered: operators only, and only from our own page."""
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        visitor = self._exchange.recognise(
            HTTPConnection({"type": "websocket", "headers": headers, "client": (peer, 0), "path": SOFTPHONE_MEDIA})
        )
        if visitor is None or not visitor.may("operator"):
            log.warning("softphone_refused", peer=peer)
            return 403
        return self._door.admit(request, peer)

    async def redeem(self, opened: e.PhoneOpened) -> CallSession | None:
        """Offer the call that the page wants to make; None where it cannot be taken."""
        exchange = self._exchange
        line = exchange.lines.get(opened.parameters["line"])
        agent = opened.parameters["agent"] or (line.agents[0] if line else "")
        if line is None or agent not in exchange.agents():
            return None
        refusal = exchange.switchboard.refusal("")
        if refusal is not None:
            log.warning("softphone_turned_away", reason=refusal)
            return None
        record = CallRecord(
            call_id="call_" + secrets.token_hex(12),
            direction=Direction.INBOUND,
            from_number="",
            to_number="" if line.number == "*" else line.number,
            line=line.number,
            agent=agent,
            created_at=datetime.now(UTC),
            carrier=NAME,
            status=Status.RINGING,
            instance=exchange.instance,
            detail={NAME: opened.stream_id},
        )
        session = exchange.factory.make(record, line, agent=agent)
        session.facts["line"] = line
        exchange.switchboard.take(session)
        await asyncio.sleep(0)  # the session must run before its stream is attached
        return session
