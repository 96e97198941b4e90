"""Callers whose stream is being replaced (held, or keys are pressed for them): is anybody there still?

Meanwhile no socket tells that the caller has hung up, and a number without a status callback tells nothing at all. The
carrier is asked, every few seconds, so that no agent waits for a caller who has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from bridge.call import events as e
from bridge.call.record import Status
from bridge.call.state import Leg
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.reconciler import Carrier
from bridge.runtime.session import CallSession

ASK_S: Final = 3.0
ASKED: Final = 20  # calls that one look asks the carrier about

log = structlog.get_logger("bridge.absentees")


class Absentees:
    """``look`` is a chore of every instance, for the calls that it has itself."""

    def __init__(self, sessions: Callable[[], Iterable[CallSession]], carrier: Carrier) -> None:
        self._sessions = sessions
        self._carrier = carrier
        self._asked: dict[str, int] = {}  # how many looks have asked about a call that is away

    async def look(self) -> None:
        """Ask once about every call whose stream is away; where they are too many, first about those asked about least."""
        away = {each.record.call_id: each for each in self._sessions() if _away(each)}
        self._asked = {call_id: self._asked.get(call_id, 0) for call_id in away}
        for call_id in sorted(away, key=self._asked.__getitem__)[:ASKED]:
            self._asked[call_id] += 1
            try:
                await self._ask(away[call_id])
            except CarrierFailure as failure:
                log.warning("carrier_not_asked", call_id=call_id, error=str(failure))
                return

    async def _ask(self, session: CallSession) -> None:
        facts = await self._carrier.fetch(session.record.carrier_call_id or "")
        status = None if facts is None else facts.status
        if status is None or not status.terminal or not _away(session):  # it may have come back meanwhile
            return
        log.info("gone_while_away", call_id=session.record.call_id)
        reason = Reason.CALLER_HANGUP if status is Status.COMPLETED else Reason.CARRIER_FAILED
        session.handle(e.CarrierEnded(reason, status))


def _away(session: CallSession) -> bool:
    """Browsers are not asked about: they have no carrier who would know."""
    record = session.record
    return session.machine.call.phone is Leg.AWAY and record.carrier == "twilio" and record.carrier_call_id is not None
