"""A media stream replaced while the agent stays: the carrier does something between two streams of one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.record import CallRecord
from bridge.carriers.twilio.webhooks import twiml
from bridge.carriers.twilio.webhooks.twiml import Twiml
from bridge.errors import CarrierFailure
from bridge.runtime.session import CallSession
from bridge.web.answers import Answers
from bridge.web.grants import GrantOffice

PATIENCE_S: Final = 15.0  # the agent waits so long for the new stream, beyond what the carrier does before
KEY_S: Final = 0.5  # the most that one key takes; w is a pause of as much


class Redirect(Protocol):
    """The carrier gives a live call other TwiML (``TwilioRest.redirect``)."""

    async def __call__(self, call_id: str, *, twiml: str) -> None:
        """Raises CarrierFailure."""
        ...


@dataclass(frozen=True, slots=True)
class StreamChange:
    """Gives live calls other TwiML that ends in a new stream of the same call."""

    account_id: str
    answers: Answers
    grants: GrantOffice
    redirect: Redirect
    saved: Callable[[CallRecord], None]

    async def press(self, session: CallSession, digits: str) -> None:
        """Press keys on the far end's menu. Raises CarrierFailure; ValueError for what are no keys."""
        await self.between(session, twiml.play_digits(digits), seconds=len(digits) * KEY_S)

    async def between(self, session: CallSession, first: Twiml, *, seconds: float) -> None:
        """Let the carrier do ``first``, which takes so many seconds, then stream again. The agent keeps its session, and
        what it said meanwhile, or what was not played before, is heard afterwards. Raises CarrierFailure.
        """
        record = session.record
        carrier_call_id = record.carrier_call_id or ""
        # The counter moves at once: an answer that is asked for with the old one belongs to the stream that goes.
        counter = int(session.facts.get("counter", 1)) + 1
        session.facts["counter"] = record.detail["counter"] = counter
        token = self.grants.token()
        text = str(first + self.answers.stream(token, counter))
        await self.grants.mint(
            token, call_id=record.call_id, carrier_call_id=carrier_call_id, account_id=self.account_id
        )
        # Before the request: the stream's stop comes while it is under way, and must not be taken for a hang-up.
        session.handle(e.StreamPromised(PATIENCE_S + seconds))
        try:
            await self.redirect(carrier_call_id, twiml=text)
        except CarrierFailure:
            self._restore(session)
            raise
        self.saved(record)

    def _restore(self, session: CallSession) -> None:
        """The old stream goes on where it is still there. (Where it is not, the request was carried out after all.)"""
        if session.phone_socket is None:
            return
        session.perform(e.ClearAudio())  # what is queued there is counted as unheard, and is sent again
        session.handle(e.PhoneOpened("", session.record.carrier_call_id or "", self.account_id, TELEPHONE, {}))
