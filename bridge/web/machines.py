"""Who picked up a call that we placed: told beside the conversation, which never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.handover import transferring
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import MachineResult
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.session import CallSession
from bridge.store.commands import Command
from bridge.web.answers import Answers
from bridge.web.call_store import CallStore
from bridge.web.presence import Presence

LEAVE: Final = "leave_message"
MACHINE: Final = "machine"  # the verb by which the instance that has the call is told

SETTLE_S: Final = 3.0  # what another instance has taken over it has written by then
LOOK_S: Final = 0.05

log = structlog.get_logger("bridge.machines")


class Redirect(Protocol):
    """The carrier's own means (``carriers.twilio.rest.TwilioRest``)."""

    async def redirect(self, call_id: str, *, twiml: str | None = None) -> None:
        """Give a live call other TwiML."""
        ...

    async def end(self, call_id: str) -> None:
        """End a call."""
        ...


class Mailbox(Protocol):
    """``store.commands.Commands``."""

    async def put(self, command: Command, *, instance: str) -> None:
        """Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Machines:
    """The callback of answering-machine detection. ``alive``: whether an instance gives a sign of life; ``find``: the record
    of a call by what this process knows, else by the store.
    """

    presence: Presence
    calls: CallStore
    carrier: Redirect
    mailbox: Mailbox
    instance: str
    alive: Callable[[str], Awaitable[bool]]
    answers: Answers
    find: Callable[[str], Awaitable[CallRecord | None]]
    settle_s: float = SETTLE_S

    async def told(self, found: object) -> None:
        """A person: nothing changes. A machine: the agent goes, and a message is left where one was asked for. Raises
        StoreUnavailable: then the carrier asks again.
        """
        if not isinstance(found, MachineResult):
            return
        until = asyncio.get_running_loop().time() + self.settle_s
        while True:
            session = await self.presence.find(found.call_sid)
            if session is not None:
                _judge(session, found)
                return
            record = await self.find(found.call_sid)
            if record is None or record.status.terminal:
                return
            # What is ours by the store, and has no session here, is being taken over just now, or it is over.
            if record.instance != self.instance or asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(LOOK_S)
        if record.instance not in ("", self.instance) and await self.alive(record.instance):
            await self.mailbox.put(Command(record.call_id, MACHINE, asdict(found)), instance=record.instance)
        else:
            await self._alone(found)

    async def obey(self, session: CallSession, args: Mapping[str, Any]) -> None:
        """Another instance was told who picked up this call of ours."""
        _judge(session, MachineResult(**args))

    async def _alone(self, found: MachineResult) -> None:
        """No process has the call: what the carrier agrees to is the outcome."""
        record = await self.calls.change(found.call_sid, lambda record: _note(record, found))
        if record is None or not found.machine or record.status.terminal or transferring(record):
            return
        reason = verdict(record, found)
        try:
            if reason is Reason.MESSAGE_LEFT:
                words = str(record.detail.get("voicemail_message", ""))
                await self.carrier.redirect(found.call_sid, twiml=str(self.answers.voicemail(words)))
            else:
                await self.carrier.end(found.call_sid)
        except CarrierFailure as error:
            log.warning("machine_not_told", call_id=record.call_id, code=error.code)
            return
        await self.calls.change(found.call_sid, lambda record: record.finish(reason, datetime.now(UTC)))


def _judge(session: CallSession, found: MachineResult) -> None:
    record = session.record
    _note(record, found)
    if found.machine:
        reason = verdict(record, found)
        then = "message" if reason is Reason.MESSAGE_LEFT else "hangup"
        session.handle(e.EndRequested(reason, then=then))


def verdict(record: CallRecord, found: MachineResult) -> Reason:
    """What becomes of a call that a machine has taken."""
    wanted = record.detail.get("machine_detection") == LEAVE and record.detail.get("voicemail_message")
    return Reason.MESSAGE_LEFT if wanted and found.ready_for_message else Reason.MACHINE_HANGUP


def _note(record: CallRecord, found: MachineResult) -> None:
    at = max(0, int((datetime.now(UTC) - record.created_at).total_seconds() * 1000))
    record.detail["answered_by"] = found.answered_by
    record.add_event("answered_by", at, answered_by=found.answered_by, detection_ms=found.duration_ms)
