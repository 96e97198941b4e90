"""A phone call as the person on the line has it: what a test does with it, and what it remembers."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from .. import sound
from ..ledger import Pulse
from .hooks import Exchange
from .ids import rfc2822, sid
from .media import MediaStream
from .mouth import Mouth
from .signature import Form
from .twiml import TwimlError, Verb, parse
from .verbs import CallOver, Dialled, Document, Follower, Recording

if TYPE_CHECKING:
    from .carrier import Carrier

XML_TYPES = ("text/xml", "application/xml")
TERMINAL = ("completed", "busy", "no-answer", "failed", "canceled")


class PhoneCall:
    """One call. `said`, `played`, `dialled`, `streams`, `documents` and `errors` tell what became of it."""

    def __init__(
        self, carrier: "Carrier", *, from_: str, to: str, direction: str = "inbound", extra: Form = ()
    ) -> None:
        self.carrier, self.from_, self.to, self.direction, self.extra = carrier, from_, to, direction, extra
        self.sid = sid("CA")
        self.status = "ringing" if direction == "inbound" else "queued"
        self.reason = ""  # why it ended
        self.pulse = Pulse()
        self.mouth = Mouth()
        self.keys: asyncio.Queue[str] = asyncio.Queue(100)
        self.streams: list[MediaStream] = []
        self.documents: list[tuple[str, str]] = []  # (kind of webhook, TwiML)
        self.document_url = carrier.voice_url
        self.said: list[str] = []
        self.played: list[str] = []
        self.audible: list[tuple[float, float]] = []  # (from, until) on the monotonic clock: verbs that can be heard
        self.dialled: list[Dialled] = []
        self.recordings: list[Recording] = []
        self.errors: list[str] = []
        self.status_url = carrier.status_url if direction == "inbound" else ""
        self.status_events: tuple[str, ...] = ("completed",)
        self.created_at = time.monotonic()
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.times = {"created": rfc2822()}
        self._sequence = 0
        self._loud_mark = 0
        self._follower = Follower(self)
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    def violation(self, words: str) -> None:
        """Record a violation under this call's name."""
        self.carrier.violation(f"{self.sid[:8]}: {words}")

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None

    @property
    def stream(self) -> MediaStream | None:
        """The newest stream."""
        return self.streams[-1] if self.streams else None

    @property
    def heard(self) -> bytes:
        """mu-law of all streams, one after another."""
        return b"".join(s.heard for s in self.streams)

    @property
    def duration(self) -> int:
        """Whole seconds since it was answered."""
        return 0 if self.answered_at is None else round((self.ended_at or time.monotonic()) - self.answered_at)

    # ---- webhooks

    def form(self, extra: Form = ()) -> list[tuple[str, str]]:
        """The standard parameters."""
        base = {
            "CallSid": self.sid,
            "AccountSid": self.carrier.account_sid,
            "From": self.from_,
            "To": self.to,
            "Caller": self.from_,
            "Called": self.to,
            "CallStatus": self.status,
            "ApiVersion": "2010-04-01",
            "Direction": self.direction,
            "FromCity": "",
            "FromCountry": "US",
        }
        return [*base.items(), *self.extra, *extra]

    async def fetch(self, kind: str, url: str, extra: Form = (), *, method: str = "POST") -> Document:
        """Ask for TwiML, then the fallback URL; CallOver with "application error" where neither has any."""
        exchange = await self.carrier.hooks.ask(kind, url, self.form(extra), method=method)
        document = self._judge(exchange)
        if document is None and self.carrier.fallback_url and kind != "fallback":
            failed = [("ErrorCode", "11205" if exchange.failure == "ct" else "11200"), ("ErrorUrl", url)]
            return await self.fetch("fallback", self.carrier.fallback_url, failed)
        if document is None:
            raise CallOver("failed" if self.answered_at is None else "completed", "application error")
        self.document_url = url.partition("#")[0]
        return document

    def _judge(self, exchange: Exchange) -> Document | None:
        name = f"{exchange.kind} webhook"
        if exchange.failure in ("ct", "rt"):
            self.errors.append(f"{'11205' if exchange.failure == 'ct' else '11200'} {exchange.kind}: {exchange.body}")
            return None
        if exchange.signing != "right":
            if exchange.status != 403:
                self.violation(f"{name} without a right signature was answered {exchange.status}, not 403")
            return None
        if exchange.status != 200:
            self.violation(f"{name} was answered {exchange.status}: {exchange.body[:120]}")
            return None
        if exchange.content_type.partition(";")[0].strip().lower() not in XML_TYPES:
            self.violation(f"{name} was answered as {exchange.content_type!r}, not XML (12300)")
        return self.read(exchange.kind, exchange.body)

    def read(self, kind: str, text: str) -> Document | None:
        """Read a document strictly; None where it is none."""
        self.documents.append((kind, text))
        try:
            document, problems = parse(text)
        except TwimlError as error:
            self.violation(f"TwiML of {kind}: {error} (12100)")
            return None
        for problem in problems:
            self.violation(f"TwiML of {kind}: {problem} (12200)")
        if document and document[0].name == "Reject" and self.answered_at is not None:
            self.violation(f"TwiML of {kind}: <Reject> on an answered call")
        return document

    async def tell(self, event: str, status: str | None = None, extra: Form = ()) -> None:
        """A status callback, where it was asked for."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        if not self.status_url or event not in self.status_events:
            return
        fields: dict[str, str] = {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(sequence),
            "Timestamp": rfc2822(),
        }
        if event == "completed":
            fields |= {"CallDuration": str(self.duration), "Duration": str(-(-self.duration // 60))}
        form = [(k, v) for k, v in self.form() if k != "CallStatus"]
        form += [("CallStatus", status or self.status), *fields.items(), *extra]
        await self.carrier.call_back("status", self.status_url, form)

    # ---- its life

    async def answer(self) -> None:
        """Picked up."""
        if self.answered_at is None:
            self.answered_at = time.monotonic()
            self.times["start"] = rfc2822()
            self.status = "in-progress"
            self.pulse.beat()
            if self.direction != "inbound":
                await self.tell("answered")

    async def begin(self, kind: str, url: str) -> None:
        """Ask for the first TwiML, then follow it in a task of its own."""
        try:
            document = await self.fetch(kind, url)
        except CallOver as over:
            await self.finish(over.status, over.reason)
            return
        self.run(document)

    def run(self, document: Document) -> None:
        """Follow a document in place of what was followed before."""
        if self.over:
            return  # hung up while the document was fetched
        self._follower = Follower(self)
        self._task = self.carrier.spawn(self._follow(self._follower, document))

    async def _follow(self, follower: Follower, document: Document) -> None:
        try:
            await follower.follow(document)
        except CallOver as over:
            await self.finish(over.status, over.reason)
        except Exception:
            await self.finish("failed", "the stand-in failed")
            raise

    async def leave(self) -> str:
        """Stop following and end the stream; the action URL of the verb that was broken off."""
        task, action = self._task, self._follower.action
        self._task = None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait({task}, timeout=5)
        if self.stream is not None and not self.stream.task.done():
            await self.stream.stop()
            await self.stream.done()
        return action

    async def finish(self, status: str, reason: str, *, action: str = "") -> None:
        """The end: the status callback, the recordings' callbacks, and the action URL where one was left."""
        async with self._lock:
            if self.over:
                return
            self.ended_at = time.monotonic()
            self.status, self.reason = status, reason
            self.times["end"] = rfc2822()
        self.pulse.beat()
        last = [self.tell("completed")]
        if action and self.carrier.action_after_hangup:
            last.append(self._last_action(action))
        last += [self._tell_recording(r) for r in self.recordings if "completed" in r.events]
        await asyncio.gather(*last)
        self.carrier.pulse.beat()

    async def _last_action(self, url: str) -> None:
        self._judge(await self.carrier.hooks.ask("action", url, self.form()))

    def record(self, verb: Verb, source: str) -> Recording:
        """A recording starts by TwiML."""
        url, events = verb.get("recordingStatusCallback"), verb.get("recordingStatusCallbackEvent", "completed")
        return self.keep_recording(url, source, verb.get("channels", "mono"), events=events)

    def keep_recording(self, url: str, source: str, channels: str, *, events: str = "completed") -> Recording:
        """A recording starts; its callback comes at the end of the call."""
        recording = Recording(sid("RE"), url, tuple(events.split()), source, "2" if channels == "dual" else "1")
        self.recordings.append(recording)
        return recording

    async def _tell_recording(self, recording: Recording) -> None:
        if not recording.callback:
            return
        fields = {
            "AccountSid": self.carrier.account_sid,
            "CallSid": self.sid,
            "RecordingSid": recording.sid,
            "RecordingUrl": f"{self.carrier.api_url}/2010-04-01/Accounts/{self.carrier.account_sid}/Recordings/{recording.sid}",
            "RecordingStatus": "completed",
            "RecordingDuration": str(self.duration),
            "RecordingChannels": recording.channels,
            "RecordingStartTime": self.times.get("start", self.times["created"]),
            "RecordingSource": recording.source,
            "RecordingTrack": recording.track,
        }
        await self.carrier.call_back("recording", recording.callback, list(fields.items()))

    async def update(self, *, twiml: str | None = None, url: str | None = None, status: str | None = None) -> None:
        """What REST does to a live call: what runs is torn down at once, `stop` included."""
        await self.leave()
        if status is not None:
            await self.finish(status, "ended by REST")
        elif twiml is not None:
            document = self.read("update", twiml)
            if document is None:
                await self.finish("completed", "application error")
            else:
                self.run(document)
        elif url is not None:
            await self.begin("update", url)

    # ---- what the test may do

    async def streaming(self, *, count: int = 1, timeout: float = 5.0) -> MediaStream:
        """Wait until the `count`th stream has sent its `start`; return it."""

        def up() -> bool:
            return self.over or (len(self.streams) >= count and self.streams[count - 1].started_at is not None)

        await self.pulse.until(
            up, f"stream {count} of a call (so far: {self.documents}, {self.errors})", timeout=timeout
        )
        if len(self.streams) < count or self.streams[count - 1].started_at is None:
            raise AssertionError(
                f"the call ended ({self.reason}) without stream {count}: {self.documents} {self.errors}"
            )
        return self.streams[count - 1]

    async def speak(
        self, what: float | bytes | sound.Pcm, *, frequency: float = 440.0, level: float = 0.5, timeout: float = 60.0
    ) -> None:
        """Say seconds of a tone, int16 at 8 kHz or mu-law, and return once it is out. `mouth.say` does not wait."""
        self.mouth.say(what, frequency=frequency, level=level)
        await self.pulse.until(
            lambda: not self.mouth.waiting or self.over, "the caller to finish speaking", timeout=timeout
        )

    def _loud(self) -> int:
        return sum(s.playout.loud for s in self.streams)

    def sounds(self) -> list[tuple[float, float]]:
        """When the caller heard anything, on the monotonic clock: sound of the streams, and verbs that speak."""
        found = [
            (stream.playout.origin + first / 8000, stream.playout.origin + (first + length) / 8000)
            for stream in self.streams
            for first, length in stream.playout.spans
        ]
        return sorted(found + self.audible)

    def longest_silence(self) -> float:
        """Seconds that an answered caller heard nothing at all, at the longest, up to the end or to now."""
        if self.answered_at is None:
            return 0.0
        longest, quiet_since = 0.0, self.answered_at
        for began, until in [*self.sounds(), (self.ended_at or time.monotonic(),) * 2]:
            longest = max(longest, began - quiet_since)
            quiet_since = max(quiet_since, until)
        return longest

    async def hears(self, seconds: float, *, timeout: float = 5.0) -> None:
        """Wait until that much more sound (not silence) has been heard than when this was last asked."""
        wanted = self._loud_mark + round(seconds * 8000 * 0.9)  # a tone, too, crosses zero
        await self.pulse.until(lambda: self._loud() >= wanted, f"{seconds:g} s of sound on the phone", timeout=timeout)
        self._loud_mark = self._loud()

    async def silent_for(self, seconds: float, *, timeout: float = 10.0) -> None:
        """Wait until the newest stream has been silent for that long."""
        stream = self.stream
        assert stream is not None

        def silent() -> bool:
            return (
                stream.ended_at is not None
                or len(stream.playout.heard) - max(stream.playout.last_loud, 0) >= seconds * 8000
            )

        await self.pulse.until(silent, f"{seconds:g} s of silence", timeout=timeout)

    async def press(self, keys: str, *, gap: float = 0.05) -> None:
        """Press keys: DTMF on a stream, or for a `<Gather>`."""
        for key in keys:
            if self.stream is not None and self.stream.live:
                await self.stream.press(key)
            else:
                self.keys.put_nowait(key)
            await asyncio.sleep(gap)

    async def hang_up(self) -> None:
        """The person hangs up: stop and close, then the callbacks and the action with CallStatus=completed."""
        if not self.over:
            action = await self.leave()
            unanswered = self.answered_at is None
            await self.finish("no-answer" if unanswered else "completed", "hung up by the caller", action=action)

    def lose_socket(self) -> None:
        """The stream's connection is reset; the call lives and its action URL is asked."""
        assert self.stream is not None
        self.stream.lose()

    async def ended(self, *, timeout: float = 10.0) -> str:
        """Wait for the end of the call; its status."""
        await self.pulse.until(lambda: self.over, "the call to end", timeout=timeout)
        return self.status

    def webhooks(self, kind: str | None = None) -> list[Exchange]:
        """What was asked for this call, in order, of a kind or all."""
        mine = [e for e in self.carrier.hooks.exchanges if ("CallSid", self.sid) in e.form]
        return [e for e in mine if kind in (None, e.kind)]

    def summary(self) -> dict[str, Any]:
        """For people and for JSON."""
        return {
            "sid": self.sid,
            "status": self.status,
            "reason": self.reason,
            "said": self.said,
            "dialled": [d.to for d in self.dialled],
            "streams": [{"sid": s.sid, "heard_s": round(s.playout.seconds, 3), "error": s.error} for s in self.streams],
            "errors": self.errors,
        }
