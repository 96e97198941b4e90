"""What the carrier is answered: TwiML for the situations a call can be in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from bridge.call.plan import Line
from bridge.carriers.twilio.webhooks import twiml
from bridge.carriers.twilio.webhooks.twiml import Twiml

MEDIA_PATH: Final = "/twilio/media"
AFTER_PATH: Final = "/twilio/after"
WHISPER_PATH: Final = "/twilio/whisper"
CARRIERS_LANGUAGE: Final = "en-US"  # in which Twilio speaks where it is not told another


@dataclass(frozen=True, slots=True)
class Words:
    """What the bridge says itself in the carrier's voice, and in which language."""

    hold: str = "One moment, please."
    busy: str = "All our lines are busy at the moment. Please try again later."
    draining: str = "We cannot take your call at this moment. Please try again in a few minutes."
    failed: str = "We are having technical trouble. Please call again later. Goodbye."  # nobody could be had
    language: str = CARRIERS_LANGUAGE


class Parties(Protocol):
    """Of a call: its record, or what the carrier asks about it."""

    @property
    def person(self) -> str:
        """Number or address, "" where withheld."""
        ...

    @property
    def line(self) -> str:
        """Our own number."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes TwiML with this deployment's addresses."""

    public_url: str
    media_url: str | None = None
    words: Words = Words()

    @property
    def stream_url(self) -> str:
        """Where the carrier opens media sockets."""
        if self.media_url:
            return self.media_url.rstrip("/") + MEDIA_PATH
        parts = urlsplit(self.public_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{MEDIA_PATH}"

    def after_url(self, counter: int, *, dialled: bool = False) -> str:
        """Where the carrier asks what follows; with retries, since an instance may be restarting just then."""
        base = f"{self.public_url.rstrip('/')}{AFTER_PATH}?n={counter}{'&dial=1' if dialled else ''}"
        return twiml.with_retries(base, connect_ms=1000, read_ms=5000, total_ms=15000, retries=5, policy="all")

    def stream(self, grant: str, counter: int, *, first: str = "") -> Twiml:
        """Open a media stream; ``first`` is said before it."""
        return self.say(first) + twiml.connect_stream(self.stream_url, self.after_url(counter), {"grant": grant})

    def say(self, text: str) -> Twiml:
        """Speak, in our language; nothing where the text is empty."""
        language = self.words.language
        return twiml.say(text, language=None if language == CARRIERS_LANGUAGE else language)

    def voicemail(self, text: str) -> Twiml:
        """Leave a message on a machine, and end the call. It fits into a request: ``outbound.wanted`` has seen to it."""
        return self.say(text) + twiml.hangup()

    def fallback(self, line: Line | None, call: Parties, *, counter: int) -> Twiml:
        """The line's fallback; that nobody could be had where it has none."""
        if line is None or not (line.fallback_say or line.fallback_dial):
            return self.nobody()
        return self._fallback(line, call, counter)

    def refusal(self, line: Line, call: Parties, *, draining: bool) -> Twiml:
        """No room for this call, or no more calls: we say so, then the line's fallback."""
        return self.say(self.words.draining if draining else self.words.busy) + self._fallback(line, call, 1)

    def nobody(self) -> Twiml:
        """Nobody could be had, neither an agent nor a person: we say so, and that is the end."""
        return self.say(self.words.failed) + twiml.hangup()

    def _fallback(self, line: Line, call: Parties, counter: int) -> Twiml:
        action = self.after_url(counter, dialled=True) if line.fallback_dial else None
        dialled = twiml.fallback(number=line.fallback_dial, caller_id=caller_id_of(call), action_url=action)
        return self.say(line.fallback_say) + dialled

    def whisper_url(self, call_id: str) -> str:
        """What the person who takes a warm transfer hears first; asked again where an instance is restarting just then."""
        return twiml.with_retries(f"{self.public_url.rstrip('/')}{WHISPER_PATH}?call={call_id}", connect_ms=1000)


def caller_id_of(call: Parties) -> str | None:
    """None: the carrier shows the caller's own. A browser or a SIP phone has none that it could show (13214), so the line's."""
    address = call.person and not call.person.startswith("+")
    return call.line if address and call.line.startswith("+") else None
