"""Following TwiML: what each verb does to a call."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from .ids import sid
from .media import MediaStream
from .twiml import Verb

if TYPE_CHECKING:
    from .call import PhoneCall

Document = list[Verb]
AUDIBLE = {"Say", "Play", "Dial", "Gather"}  # the caller hears words, music or ringing meanwhile
MOST_DOCUMENTS = 100  # a call that is sent round in circles ends here


class CallOver(Exception):
    """The call ends with this status, for this reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class DialResult:
    """How the person who is dialled behaves: DialCallStatus, and for how long they talk (s). ``bridged``: whether they were
    connected; None: where they picked up."""

    status: str = "completed"
    seconds: float = 0.0
    bridged: bool | None = None


@dataclass(frozen=True)
class Dialled:
    """A `<Dial>`: who, and how."""

    to: tuple[str, ...]
    verb: Verb
    result: DialResult


@dataclass
class Recording:
    """A recording that was asked for; its callback comes at the call's end."""

    sid: str
    callback: str
    events: tuple[str, ...]
    source: str
    channels: str = "1"
    track: str = "both"
    status: str = "in-progress"


class Follower:
    """Follows documents until the call is over."""

    def __init__(self, call: "PhoneCall") -> None:
        self.call = call
        self.action = ""  # of the verb at hand: asked where the caller hangs up in the middle of it

    async def follow(self, document: Document) -> None:
        """Run to the end; raises CallOver."""
        for _ in range(MOST_DOCUMENTS):
            following = await self._run(document)
            if following is None:
                raise CallOver("completed", "no more verbs")
            document = following
        self.call.violation("TwiML leads round in circles")
        raise CallOver("failed", "application error")

    async def _run(self, document: Document) -> Document | None:
        for verb in document:
            if verb.name not in {"Reject", "Pause", "Redirect", "Hangup"}:
                await self.call.answer()
            self.action = ""
            began = time.monotonic()
            following = await self._perform(verb)
            if verb.name in AUDIBLE:
                self.call.audible.append((began, time.monotonic()))
            if following is not None:
                return following
        return None

    async def _perform(self, verb: Verb) -> Document | None:
        call = self.call
        if verb.name == "Say":
            call.said.append(verb.text)
            call.pulse.beat()
            await asyncio.sleep(call.carrier.say_seconds)
        elif verb.name == "Pause":
            await asyncio.sleep(float(length) if (length := verb.get("length")).isdigit() else 1.0)
        elif verb.name == "Play":
            await self._play(verb)
        elif verb.name == "Hangup":
            raise CallOver("completed", "hung up by TwiML")
        elif verb.name == "Reject":
            raise CallOver("busy" if verb.get("reason") == "busy" else "no-answer", "rejected")
        elif verb.name == "Redirect":
            return await call.fetch("redirect", self._absolute(verb.text), method=verb.get("method", "POST"))
        elif verb.name == "Connect":
            return await self._connect(verb)
        elif verb.name == "Dial":
            return await self._dial(verb)
        elif verb.name == "Gather":
            return await self._gather(verb)
        elif verb.name == "Start" and (noun := verb.child("Recording")) is not None:
            call.record(noun, "StartCallRecordingTwiML")
        else:
            call.violation(f"<{verb.name}> is known, but this stand-in does not act on it")
        return None

    def _absolute(self, url: str) -> str:
        return urljoin(self.call.document_url, url)

    async def _play(self, verb: Verb) -> None:
        self.call.played.append(verb.text or verb.get("digits"))
        if verb.text:
            await self.call.carrier.fetch_sound(self._absolute(verb.text))
        self.call.pulse.beat()

    async def _connect(self, verb: Verb) -> Document | None:
        call, noun = self.call, verb.children[0]
        self.action = self._absolute(verb.get("action")) if verb.get("action") else ""
        parameters = {p.get("name"): p.get("value") for p in noun.children}
        stream = MediaStream(call, self._absolute(noun.get("url")), noun.get("name"), parameters)
        call.streams.append(stream)
        await asyncio.wait({stream.task})
        if stream.error is not None:
            call.errors.append(stream.error)
        if self.action:
            return await call.fetch("action", self.action, method=verb.get("method", "POST"))
        return None

    async def _dial(self, verb: Verb) -> Document | None:
        call = self.call
        names = tuple(c.text for c in verb.children) or (verb.text,)
        result = call.carrier.dial_results.get(names[0], DialResult())
        call.dialled.append(Dialled(names, verb, result))
        if verb.get("record", "do-not-record") != "do-not-record":
            call.record(verb, "DialVerb")
        self.action = self._absolute(verb.get("action")) if verb.get("action") else ""
        call.pulse.beat()
        await asyncio.sleep(result.seconds)
        if not self.action:
            return None
        bridged = result.status == "completed" if result.bridged is None else result.bridged
        extra = [("DialCallStatus", result.status), ("DialCallDuration", str(round(result.seconds)))]
        extra += [("DialCallSid", sid("CA")), ("DialBridged", str(bridged).lower())]
        return await call.fetch("action", self.action, extra, method=verb.get("method", "POST"))

    async def _gather(self, verb: Verb) -> Document | None:
        for inner in verb.children:
            await self._perform(inner)
        keys, most = "", int(verb.get("numDigits") or "100")
        finish = verb.get("finishOnKey", "#")
        try:
            while len(keys) < most:
                key = await asyncio.wait_for(self.call.keys.get(), float(verb.get("timeout") or "5"))
                if key == finish:
                    break
                keys += key
        except TimeoutError:
            pass
        if not keys and verb.get("actionOnEmptyResult") != "true":
            return None
        url = self._absolute(verb.get("action")) if verb.get("action") else self.call.document_url
        return await self.call.fetch("gather", url, [("Digits", keys)])
