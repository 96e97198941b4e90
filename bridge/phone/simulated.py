"""A carrier and a caller in one: places a call at a bridge and follows its TwiML to the end. Source: Twilio "Voice webhooks"."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import aiohttp

from bridge.phone.handset import TICK_S, Handset
from bridge.phone.line import Line, Script
from bridge.phone.media import MediaSocket
from bridge.phone.options import PhoneFailure, PhoneOptions
from bridge.phone.report import Kind, Moment, PhoneReport
from bridge.phone.signature import sign
from bridge.phone.twiml import Verb, parse, stream_of

WEBHOOK_S: Final = 15.0  # the carrier's read time-out
MAX_DOCUMENTS: Final = 50  # of one call: a loop of redirects ends
WORD_S: Final = 0.35  # a spoken word, where nobody is there to speak it
LATE_S: Final = 0.04  # a frame this late is counted


class SimulatedPhone:
    """One call. ``script``: what the caller does; ``watch``: told of each moment as it happens."""

    def __init__(
        self, options: PhoneOptions, script: Script, *, watch: Callable[[Moment], None] = lambda moment: None
    ) -> None:
        self._options = options
        self._script = script
        self.report = PhoneReport(options.call_sid)
        self._handset = Handset(self.report, watch)
        self._line = Line(self._handset, self._digit)
        self._hung_up = asyncio.Event()
        self._media: MediaSocket | None = None

    async def call(self) -> PhoneReport:
        """Place the call and see it to its end. Raises PhoneFailure where the bridge does not answer as one."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WEBHOOK_S)) as http:
            began = time.monotonic()
            url = f"{self._options.signed_origin}/twilio/voice"
            verbs = await self._fetch(http, url, {"CallStatus": "ringing"})
            self.report.answer_ms = round((time.monotonic() - began) * 1000, 1)
            if verbs and verbs[0].name == "Reject":
                self._handset.note(Kind.ENDED, f"rejected ({verbs[0].attributes.get('reason', 'rejected')})")
                self.report.ended_by = "bridge"
                await self._completed(http, "busy")
                return self.report
            self.report.answered = True
            text = f"TwiML after {self.report.answer_ms:.0f} ms: {', '.join(verb.name for verb in verbs) or 'nothing'}"
            self._handset.note(Kind.ANSWERED, text, self.report.answer_ms)
            try:
                await self._live(http, verbs, url)
            finally:
                self.report.heard = self._handset.heard
            await self._completed(http, "completed")
        return self.report

    def hang_up(self) -> None:
        """The caller puts the receiver down; ``call`` returns soon after."""
        self._hung_up.set()
        self._line.hang_up()

    async def _live(self, http: aiohttp.ClientSession, verbs: tuple[Verb, ...], url: str) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (self._clock(), self._act(), self._patience())]
            try:
                await self._follow(http, verbs, url)
            except PhoneFailure as error:
                self.report.ended_by = "carrier"
                self._handset.note(Kind.FAULT, str(error))
            self._handset.note(Kind.ENDED, f"by the {self.report.ended_by}")
            self._line.hang_up()
            for task in tasks:
                task.cancel()

    async def _clock(self) -> None:
        origin = time.monotonic()
        while True:
            # from one origin, so that a late tick is caught up with and the clock never drifts
            delay = origin + self._handset.ticks * TICK_S - time.monotonic()
            await asyncio.sleep(max(delay, 0))
            self.report.late_ticks += delay < -LATE_S
            said, marks = self._handset.tick()
            if self._media is not None:
                self._media.audio(said)
                self._media.marks(marks)
            self._line.tick()

    async def _act(self) -> None:
        await self._script(self._line)
        self.hang_up()

    async def _patience(self) -> None:
        await asyncio.sleep(self._options.max_duration_s)
        self._handset.note(Kind.CARRIER, f"the caller hangs up after {self._options.max_duration_s:.0f} s")
        self.hang_up()

    def _digit(self, digit: str) -> None:
        if self._media is not None:
            self._media.digit(digit)

    async def _follow(self, http: aiohttp.ClientSession, verbs: tuple[Verb, ...], url: str) -> None:
        """Do what documents say, one after the other, until one ends the call."""
        for _ in range(MAX_DOCUMENTS):
            following: tuple[str, dict[str, str]] | None = None
            for verb in verbs:
                following = await self._obey(http, verb, url)
                if self._hung_up.is_set():
                    self.report.ended_by = "caller"
                    if following is not None:
                        await self._fetch(http, following[0], {**following[1], "CallStatus": "completed"})
                    return
                if verb.name == "Hangup":
                    self.report.ended_by = "bridge"
                    return
                if following is not None:
                    break
            if following is None:
                self.report.ended_by = "carrier"
                self._handset.note(Kind.CARRIER, "the TwiML has nothing more: the carrier hangs up")
                return
            url, fields = following
            verbs = await self._fetch(http, url, {"CallStatus": "in-progress", **fields})
        raise PhoneFailure(f"more than {MAX_DOCUMENTS} TwiML documents in one call")

    async def _obey(self, http: aiohttp.ClientSession, verb: Verb, base: str) -> tuple[str, dict[str, str]] | None:
        """One verb; where to go next and with which further fields, None for the next verb."""
        match verb.name:
            case "Connect":
                return await self._connect(verb, base)
            case "Redirect":
                return Verb("", {"url": verb.text}).url("url", base) or base, {}
            case "Say":
                self._handset.note(Kind.CARRIER, f'says "{verb.text}"')
                await self._pass(WORD_S * len(verb.text.split()))
            case "Pause":
                await self._pass(_seconds(verb.attributes.get("length", "1")))
            case "Dial":
                self._handset.note(Kind.CARRIER, f"would dial someone ({self._options.dial_status})")
                action = verb.url("action", base)
                return None if action is None else (action, {"DialCallStatus": self._options.dial_status})
            case "Hangup":
                self._handset.note(Kind.CARRIER, "told to hang up")
            case _:
                self._handset.note(Kind.CARRIER, f"<{verb.name}> is not simulated")
        return None

    async def _connect(self, verb: Verb, base: str) -> tuple[str, dict[str, str]] | None:
        url, parameters = stream_of(verb)
        await self._pass(self._options.stream_delay_s)
        media = MediaSocket(self._options, self._handset, self.report, signed_url=url)
        self._media = media
        try:
            await media.run(parameters, self._hung_up)
        except PhoneFailure as error:
            self._handset.note(Kind.FAULT, f"31920: {error}")
        finally:
            self._media = None
        action = verb.url("action", base)
        return None if action is None else (action, {"StreamSid": media.stream_sid})

    async def _pass(self, seconds: float) -> None:
        """Let time pass, or the caller hang up."""
        try:
            async with asyncio.timeout(seconds):
                await self._hung_up.wait()
        except TimeoutError:
            return

    async def _completed(self, http: aiohttp.ClientSession, status: str) -> None:
        if not self._options.status_callback:
            return
        fields = {
            "CallStatus": status,
            "CallDuration": str(round(self.report.duration_s)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        try:
            await self._post(http, f"{self._options.signed_origin}/twilio/status", fields)
        except PhoneFailure as error:
            self._handset.note(Kind.FAULT, f"status callback: {error}")

    async def _fetch(self, http: aiohttp.ClientSession, url: str, fields: dict[str, str]) -> tuple[Verb, ...]:
        return parse(await self._post(http, url, fields))

    async def _post(self, http: aiohttp.ClientSession, url: str, more: dict[str, str]) -> bytes:
        """A signed webhook. Raises PhoneFailure for every answer but 2xx."""
        options = self._options
        fields = {
            "CallSid": options.call_sid,
            "AccountSid": options.account_sid,
            "From": options.from_number,
            "To": options.to_number,
            "Caller": options.from_number,
            "Called": options.to_number,
            "ApiVersion": "2010-04-01",
            "Direction": "inbound",
            "FromCountry": "US",
            "ToCountry": "US",
            **more,
        }
        # connection overrides ride in the fragment, which is neither sent nor signed
        url = url.partition("#")[0]
        headers = {"X-Twilio-Signature": sign(options.auth_token, url, fields), "User-Agent": "TwilioProxy/1.1"}
        try:
            async with http.post(options.reach(url), data=fields, headers=headers, allow_redirects=False) as answer:
                body = await answer.content.read(1 << 20)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            hint = "Is the bridge running? Start it with: callbridge serve"
            raise PhoneFailure(f"the bridge cannot be reached at {options.url}", hint=hint) from error
        if status == 403:
            hint = "Use the bridge's account_sid and auth_token, and its public_url as --public-url."
            raise PhoneFailure("the bridge refuses the signature (403)", hint=hint)
        if not 200 <= status < 300:
            raise PhoneFailure(f"the bridge answers {status}", hint="Its log says why.")
        return body


def _seconds(text: str) -> float:
    return min(float(text), 600.0) if text.isdigit() else 1.0
