"""Whether a call is here: with several instances its stream may have gone to another one, of which we are told only later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.handover import times
from bridge.call.record import CallRecord
from bridge.errors import StoreUnavailable
from bridge.runtime.session import CallSession
from bridge.web.patience import Patience

LOOK_S: Final = 0.7  # the carrier waits: without the store, what this process knows counts

log = structlog.get_logger("bridge.presence")


class Sessions(Protocol):
    """``runtime.switchboard.Switchboard``."""

    def find(self, any_id: str) -> CallSession | None:
        """The session of a call."""
        ...


class Records(Protocol):
    """``store.calls.Calls``."""

    async def get(self, any_id: str) -> CallRecord | None:
        """The record."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """Finds the sessions of calls that are ours. One for each process."""

    sessions: Sessions
    records: Records
    instance: str
    _patience: Patience = field(default_factory=Patience)

    async def find(self, any_id: str, *, ours: bool = False) -> CallSession | None:
        """The session of a call that we have. One whose stream is elsewhere by the store is let go of here and now: what it
        would answer the carrier, that a stream is to come, is no longer so. Without the store it counts as ours. ``ours``:
        so it does without asking, since what led here cannot have been meant for another instance, or changes nothing.
        """
        session = self.sessions.find(any_id)
        if session is None or session.streaming or ours:
            return session
        try:
            stored = await self._patience.wait(self.records.get(session.record.call_id), LOOK_S)
        except StoreUnavailable:
            return session
        if stored is None or not self._elsewhere(session, stored.instance):
            return self.sessions.find(any_id)
        log.info("call_has_moved", call_id=stored.call_id, to_instance=stored.instance)
        session.handle(e.Superseded())
        return None

    async def stands(self, known: CallRecord) -> bool:
        """What we know of a call that has no session here, and is not over, is still how it stands: no other instance has taken
        it over, or handed it to a person, since. Without the store it is taken to be so.
        """
        try:
            stored = await self._patience.wait(self.records.get(known.call_id), LOOK_S)
        except StoreUnavailable:
            return True
        if stored is None:
            return True
        elsewhere = stored.instance not in ("", self.instance)
        return not elsewhere and times(stored) <= times(known)

    def _elsewhere(self, session: CallSession, instance: str) -> bool:
        # Whom we have it from is in the store until our first account of it is.
        return not session.streaming and instance not in ("", self.instance, session.facts.get("former"))
