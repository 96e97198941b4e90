"""Outbound calls: how the people who are called behave, and what Twilio then tells the bridge."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .call import PhoneCall

if TYPE_CHECKING:
    from .carrier import Carrier

SIP_CODES = {"busy": "486", "failed": "404", "no-answer": "487"}


@dataclass(frozen=True)
class Person:
    """Who answers a number. `outcome`: answer, busy, no-answer, failed, ring (for ever); `answered_by`: human, machine,
    fax, unknown or one of Twilio's own values; times in seconds."""

    outcome: str = "answer"
    rings: float = 0.05
    answered_by: str = "human"
    detected_after: float = 0.1
    text: str = "delivered"  # what becomes of a message: delivered, undelivered, failed


class Dialler:
    """Places calls at the account's rate; what is over it waits, as with Twilio."""

    def __init__(self, carrier: "Carrier") -> None:
        self.carrier = carrier
        self.people: dict[str, Person] = {}
        self.anyone = Person()
        self.calls_per_second: float | None = None
        self.dialled_at: deque[float] = deque(maxlen=100_000)
        self.peak_live = 0
        self._slot = 0.0

    def person(self, number: str) -> Person:
        """Who has a number."""
        return self.people.get(number, self.anyone)

    @property
    def live(self) -> int:
        """Outbound calls that are not over."""
        return sum(1 for c in self.carrier.calls if c.direction != "inbound" and not c.over)

    def most_within(self, seconds: float = 1.0) -> int:
        """The most calls that were asked for within any such span."""
        times = list(self.dialled_at)
        return max((sum(1 for t in times if start <= t < start + seconds) for start in times), default=0)

    def create(self, form: dict[str, str], events: list[str]) -> PhoneCall:
        """Take a call on; it is dialled in a task of the carrier's."""
        call = PhoneCall(self.carrier, from_=form["From"], to=form["To"], direction="outbound-api")
        call.status_url, call.status_events = form.get("StatusCallback", ""), tuple(events) or ("completed",)
        call.document_url = form.get("Url", "")
        self.carrier.calls.append(call)
        self.dialled_at.append(time.monotonic())
        self.peak_live = max(self.peak_live, self.live)
        self.carrier.spawn(self._dial(call, form))
        return call

    async def _dial(self, call: PhoneCall, form: dict[str, str]) -> None:
        await self._wait_for_slot()
        if call.over:
            return
        person = self.person(call.to)
        await call.tell("initiated", "initiated")
        call.status = "ringing"
        await call.tell("ringing")
        limit = float(form.get("Timeout", "60"))
        patience = limit if person.outcome == "ring" else min(person.rings, limit)
        if not await self._rings_out(call, patience):
            return
        outcome = "no-answer" if person.outcome == "ring" or person.rings > limit else person.outcome
        if outcome != "answer":
            call.extra = [*call.extra, ("SipResponseCode", SIP_CODES[outcome])]
            await call.finish(outcome, "not answered")
            return
        await call.answer()
        await self._talk(call, form, person)

    async def _rings_out(self, call: PhoneCall, seconds: float) -> bool:
        try:
            await call.pulse.until(lambda: call.over, "the call to be canceled", timeout=seconds)
        except AssertionError:
            return True
        return False

    async def _wait_for_slot(self) -> None:
        if self.calls_per_second is None:
            return
        now = time.monotonic()
        self._slot = max(now, self._slot + 1 / self.calls_per_second)
        await asyncio.sleep(self._slot - now)

    async def _talk(self, call: PhoneCall, form: dict[str, str], person: Person) -> None:
        if "SendDigits" in form:
            call.played.append(form["SendDigits"])
        elif "MachineDetection" in form:
            found = [("AnsweredBy", _answered_by(person, form["MachineDetection"]))]
            found.append(("MachineDetectionDuration", str(round(person.detected_after * 1000))))
            if form.get("AsyncAmd") == "true":
                self.carrier.spawn(self._detected(call, form, person, found))
            else:
                await asyncio.sleep(person.detected_after)
                call.extra = [*call.extra, *found]
        if form.get("Record") == "true":
            call.keep_recording(
                form.get("RecordingStatusCallback", ""), "OutboundAPI", form.get("RecordingChannels", "mono")
            )
        if "TimeLimit" in form:
            self.carrier.spawn(self._limit(call, float(form["TimeLimit"])))
        if call.over:
            return
        if "Url" in form and "Twiml" not in form:
            await call.begin("voice", form["Url"])
        else:
            await call.update(twiml=form["Twiml"])

    async def _detected(
        self, call: PhoneCall, form: dict[str, str], person: Person, found: list[tuple[str, str]]
    ) -> None:
        await asyncio.sleep(person.detected_after)
        if call.over:
            return  # the call was over before anything was known: nothing is told
        call.extra = [*call.extra, *found]
        if url := form.get("AsyncAmdStatusCallback"):
            await self.carrier.call_back(
                "amd", url, [("CallSid", call.sid), ("AccountSid", self.carrier.account_sid), *found]
            )

    async def _limit(self, call: PhoneCall, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not call.over:
            await call.update(status="completed")


def _answered_by(person: Person, mode: str) -> str:
    if person.answered_by == "machine":
        return "machine_start" if mode == "Enable" else "machine_end_beep"
    return person.answered_by
