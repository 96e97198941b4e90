"""What is asked of live calls from outside: hang up, transfer, press keys, hold. Here, or on the instance that has the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from bridge.call import events as e
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import CarrierFailure, Reason
from bridge.runtime.session import CallSession
from bridge.runtime.switchboard import Switchboard
from bridge.store.calls import Calls
from bridge.store.commands import Command, Commands
from bridge.store.writer import Writer
from bridge.web.presence import Presence
from bridge.web.streams import StreamChange, left_held

HANGUP: Final = "hangup"
TRANSFER: Final = "transfer"
DIGITS: Final = "digits"
HOLD: Final = "hold"
RESUME: Final = "resume"
SUPERSEDED: Final = "superseded"

Verb = Callable[[CallSession, Mapping[str, Any]], Awaitable[None]]

log = structlog.get_logger("bridge.control")


class NoSuchCall(Exception):
    """Nobody knows a call with this id."""


class NotNow(Exception):
    """The call has ended, or cannot do this as it stands."""


class Carrier(Protocol):
    """The carrier's own means (``carriers.twilio.rest.TwilioRest``)."""

    async def end(self, call_id: str) -> None:
        """End a call."""
        ...

    async def cancel(self, call_id: str) -> bool:
        """Give up a call that was not answered; False where it was."""
        ...


class Moved(Protocol):
    """The calls that are with a person (``web.transfers.Transfers``)."""

    def find(self, carrier_call_id: str) -> CallRecord | None:
        """One of them."""
        ...

    def close(self, record: CallRecord, reason: Reason) -> None:
        """It is over."""
        ...


@dataclass(frozen=True, slots=True)
class Ways:
    """What the control works with. ``alive``: whether an instance is known to run."""

    instance: str
    switchboard: Switchboard
    records: Calls
    waiting: Writer
    mailbox: Commands
    carrier: Carrier
    alive: Callable[[str], Awaitable[bool]]
    streams: StreamChange
    moved: Moved | None = None


class CallControl:
    """One for each process. ``verbs``: what a live call can be told; whoever has another one adds it."""

    def __init__(self, ways: Ways) -> None:
        self.verbs: dict[str, Verb] = {
            HANGUP: self._hang_up,
            TRANSFER: self._transfer,
            DIGITS: self._digits,
            HOLD: self._hold,
            RESUME: self._resume,
            SUPERSEDED: self._superseded,
        }
        self._ways = ways
        self._presence = Presence(ways.switchboard, ways.records, ways.instance)

    async def find(self, any_id: str) -> CallRecord | None:
        """The freshest account of a call, by either id. Raises StoreUnavailable for one that is not here."""
        session = self._ways.switchboard.find(any_id)
        if session is not None:
            return session.record
        return self._ways.waiting.find(any_id) or await self._ways.records.get(any_id)

    async def order(self, any_id: str, verb: str, args: Mapping[str, Any] | None = None) -> CallRecord:
        """Tell a call to do something, wherever it lives; its record as it stood. Raises NoSuchCall, NotNow,
        CarrierFailure, StoreUnavailable.
        """
        ways, args = self._ways, dict(args or {})
        session = await self._presence.find(any_id)
        if session is not None:
            await self.verbs[verb](session, args)
            return session.record
        record = await self.find(any_id)
        if record is None:
            raise NoSuchCall
        if record.status.terminal:
            raise NotNow("The call has ended.")
        if record.instance and record.instance != ways.instance and await ways.alive(record.instance):
            await ways.mailbox.put(Command(record.call_id, verb, args), instance=record.instance)
        else:
            await self._without_session(record, verb)
        return record

    async def obey(self, command: Command) -> None:
        """Do what another instance was asked. Never raises for what is wrong with the call."""
        session = self._ways.switchboard.find(command.call_id)
        try:
            if command.verb not in self.verbs:
                log.warning("unknown_command", verb=command.verb[:40])
            elif session is not None:
                await self.verbs[command.verb](session, command.args)
            elif command.verb != SUPERSEDED and (record := await self.find(command.call_id)) is not None:
                await self._without_session(record, command.verb)
        except (NotNow, CarrierFailure) as error:
            log.warning("command_failed", call_id=command.call_id, verb=command.verb, error=str(error))

    # ------------------------------------------------------------ the verbs

    async def _hang_up(self, session: CallSession, args: Mapping[str, Any]) -> None:
        session.handle(e.EndRequested(Reason.OPERATOR_HANGUP))

    async def _transfer(self, session: CallSession, args: Mapping[str, Any]) -> None:
        if session.record.started_at is None:
            raise NotNow("The call has not been connected yet.")
        if session.record.carrier_call_id is None:  # nobody would dial, and nobody tell how it went
            raise NotNow("The call is not at a carrier, who alone can connect it with somebody.")
        if session.leaving:  # the first decision stands
            raise NotNow("The call is ending, or being transferred, already.")
        if self._ways.streams.held(session):  # the stream leads to the person, and not only when the hold ends
            await self._ways.streams.resume(session)
        session.handle(e.TransferRequested(str(args["to"]), Reason.TRANSFERRED))

    async def _digits(self, session: CallSession, args: Mapping[str, Any]) -> None:
        self._needs_stream(session)
        await self._ways.streams.press(session, str(args["digits"]))

    async def _hold(self, session: CallSession, args: Mapping[str, Any]) -> None:
        self._needs_stream(session)
        await self._ways.streams.hold(session)

    async def _resume(self, session: CallSession, args: Mapping[str, Any]) -> None:
        if not self._ways.streams.held(session):
            raise NotNow("The call is not held.")
        await self._ways.streams.resume(session)

    def _needs_stream(self, session: CallSession) -> None:
        """The old socket may still be there while another stream is on its way."""
        if (
            session.phone_socket is None
            or session.record.carrier_call_id is None
            or session.record.carrier != "twilio"
            or self._ways.streams.away(session)
        ):
            raise NotNow("The call has no media stream of the carrier at this moment.")

    async def _superseded(self, session: CallSession, args: Mapping[str, Any]) -> None:
        session.handle(e.Superseded())

    async def _without_session(self, record: CallRecord, verb: str) -> None:
        """No process holds it: it rings, waits in a queue, or its process is gone."""
        known = record.carrier_call_id
        if verb == RESUME and known is not None and left_held(record):
            await self._ways.streams.take_up(record)
            return
        if verb != HANGUP:
            raise NotNow("The call is not connected at this moment.")
        if known is None or record.carrier != "twilio":
            await self._ways.records.change(record.call_id, _cancel)
        elif record.direction is Direction.INBOUND or not await self._ways.carrier.cancel(known):
            await self._ways.carrier.end(known)
        moved = self._ways.moved
        if moved is not None and known is not None and (handed_over := moved.find(known)) is not None:
            moved.close(handed_over, Reason.OPERATOR_HANGUP)


def _cancel(record: CallRecord) -> None:
    record.finish(Reason.CANCELED, datetime.now(UTC), status=Status.CANCELED)
