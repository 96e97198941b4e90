"""What the carrier is answered: TwiML for the situations a call can be in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bridge.call.plan import Line
from bridge.carriers.twilio.webhooks import twiml
from bridge.carriers.twilio.webhooks.twiml import Twiml

MEDIA_PATH: Final = "/twilio/media"
AFTER_PATH: Final = "/twilio/after"
WHISPER_PATH: Final = "/twilio/whisper"
BUSY: Final = "All our lines are busy at the moment. Please try again in a few minutes."
CLOSING: Final = "We cannot take your call at this moment. Please try again in a few minutes."
TROUBLE: Final = "We are having technical trouble. Please call again later. Goodbye."


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes TwiML with this deployment's addresses."""

    public_url: str
    media_url: str | None = None

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
        return twiml.say(first) + twiml.connect_stream(self.stream_url, self.after_url(counter), {"grant": grant})

    def fallback(self, line: Line | None, *, words: str, counter: int) -> Twiml:
        """The line's fallback; ``words`` where it has none to say."""
        if line is None:
            return twiml.fallback(text=words)
        text = line.fallback_say or ("" if line.fallback_dial else words)
        action = self.after_url(counter, dialled=True) if line.fallback_dial else None
        return twiml.fallback(text=text, number=line.fallback_dial, action_url=action)

    def refusal(self, line: Line, *, words: str) -> Twiml:
        """No room for this call: ``words`` say so, then the line's fallback."""
        action = self.after_url(1, dialled=True) if line.fallback_dial else None
        return twiml.say(words) + twiml.fallback(text=line.fallback_say, number=line.fallback_dial, action_url=action)

    def whisper_url(self, call_id: str) -> str:
        """What the person who takes a warm transfer hears first; asked again where an instance is restarting just then."""
        return twiml.with_retries(f"{self.public_url.rstrip('/')}{WHISPER_PATH}?call={call_id}", connect_ms=1000)
