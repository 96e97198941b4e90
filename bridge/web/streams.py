"""A media stream replaced while the agent stays: the carrier does something between two streams of one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.audio.formats import TELEPHONE
from bridge.call import events as e
from bridge.call.record import CallRecord
from bridge.call.state import Leg
from bridge.carriers.twilio.webhooks import twiml
from bridge.carriers.twilio.webhooks.twiml import Twiml
from bridge.errors import CarrierFailure
from bridge.runtime.session import CallSession
from bridge.web.answers import Answers
from bridge.web.grants import GrantOffice

PATIENCE_S: Final = 15.0  # the agent waits so long for the new stream, beyond what the carrier does before
KEY_S: Final = 0.5  # the most that one key takes; w is a pause of as much
SILENCE_S: Final = 28  # between the words, so that nobody takes the line for dead
WORDS_S: Final = 2.0  # about what they take to say
HOLD_ROUNDS: Final = 4
HOLD_S: Final = HOLD_ROUNDS * (SILENCE_S + WORDS_S)  # then a call that was forgotten comes back by itself
STREAMS: Final = ("stream_started", "stream_replaced")
HELD_UNTIL: Final = "held_until"  # a fact of the session, on its own clock


class Redirect(Protocol):
    """The carrier gives a live call other TwiML (``TwilioRest.redirect``)."""

    async def __call__(self, call_id: str, *, twiml: str | None = None, url: str | None = None) -> None:
        """As text, or from an address. Raises CarrierFailure."""
        ...


def left_held(record: CallRecord) -> bool:
    """By its record alone, the caller waits: nothing is known of a stream since the last hold."""
    told = (event["type"] for event in reversed(record.events))
    return next((each for each in told if each in {"held", *STREAMS}), "") == "held"


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

    async def hold(self, session: CallSession) -> None:
        """Let the caller wait, HOLD_S at most; then the call streams again by itself. Raises CarrierFailure."""
        waiting = Twiml()
        for _ in range(HOLD_ROUNDS):
            waiting += self.answers.say(self.answers.words.hold) + twiml.pause(SILENCE_S)
        until = session.now + HOLD_S
        await self.between(session, waiting, seconds=HOLD_S)
        session.facts[HELD_UNTIL] = until
        session.record.add_event("held", int(session.now * 1000))
        self.saved(session.record)

    async def resume(self, session: CallSession) -> None:
        """End the hold now. Raises CarrierFailure: then the call is held as before."""
        until = session.facts.pop(HELD_UNTIL, 0.0)
        try:
            await self.between(session, Twiml(), seconds=0.0)
        except CarrierFailure:
            # The agent would be let go after the short wait for the stream that was asked for in vain.
            left = max(until - session.now, 0.0)
            if self.away(session):
                session.facts[HELD_UNTIL] = until
                session.handle(e.StreamPromised(PATIENCE_S + left, ours=True))
            raise

    async def take_up(self, record: CallRecord) -> None:
        """End the hold of a call that no process has: the carrier asks now what follows, and whoever is asked takes the call.
        Raises CarrierFailure.
        """
        counter = int(record.detail.get("counter", 1))
        await self.redirect(record.carrier_call_id or "", url=self.answers.after_url(counter))

    def held(self, session: CallSession) -> bool:
        """The caller waits, and has not come back by itself."""
        return self.away(session) and session.now < session.facts.get(HELD_UNTIL, 0.0)

    def away(self, session: CallSession) -> bool:
        """The stream is being replaced."""
        return session.machine.call.phone is Leg.AWAY

    async def between(self, session: CallSession, first: Twiml, *, seconds: float) -> None:
        """Let the carrier do ``first``, which takes so many seconds, then stream again. The agent keeps its session, and
        what it said meanwhile, or what was not played before, is heard afterwards. Raises CarrierFailure.
        """
        record, streaming, socket = session.record, not self.away(session), session.phone_socket
        carrier_call_id = record.carrier_call_id or ""
        # The counter moves at once: an answer that is asked for with the old one belongs to the stream that goes.
        counter = int(session.facts.get("counter", 1)) + 1
        session.facts["counter"] = record.detail["counter"] = counter
        token = self.grants.token()
        text = str(first + self.answers.stream(token, counter))
        await self.grants.mint(
            token,
            call_id=record.call_id,
            carrier_call_id=carrier_call_id,
            account_id=self.account_id,
            after_s=seconds,
        )
        # Before the request: the stream's stop comes while it is under way, and must not be taken for a hang-up.
        session.handle(e.StreamPromised(PATIENCE_S + seconds, ours=True))
        session.awaited = (token, PATIENCE_S + seconds)
        try:
            await self.redirect(carrier_call_id, twiml=text)
        except CarrierFailure:
            if streaming or session.phone_socket is not socket:  # or a stream promised earlier has opened meanwhile
                self._restore(session)
            session.awaited = None
            raise
        self.saved(record)

    def _restore(self, session: CallSession) -> None:
        """The old stream goes on where it is still there. (Where it is not, the request was carried out after all.)"""
        if session.phone_socket is None:
            return
        session.perform(e.ClearAudio())  # what is queued there is counted as unheard, and is sent again
        session.handle(e.PhoneOpened("", session.record.carrier_call_id or "", self.account_id, TELEPHONE, {}))
