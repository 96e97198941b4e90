"""The bridge's own ear on a call: does the caller speak over what the phone plays?"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.audio.echo import Downlink
from bridge.audio.speech import Sensitivity, SpeechDetector, SpeechStarted
from bridge.call.events import ClearAudio, Order, PlayAudio


class Ear:
    """One call's detector, and what it must know of the agent's echo. Times are seconds of the call's own clock."""

    def __init__(self, sensitivity: Sensitivity | str) -> None:
        self._detector = SpeechDetector(sensitivity)
        self._downlink = Downlink()

    def sent(self, orders: Iterable[Order], now: float) -> None:
        """What goes to the phone: its echo may come back."""
        for order in orders:
            kind = type(order)
            if kind is PlayAudio:
                self._downlink.queued(order.payload, now)  # type: ignore[attr-defined]
            elif kind is ClearAudio:
                self._downlink.cleared(now)

    def hears(self, payload: bytes, now: float, *, listening: bool) -> SpeechStarted | None:
        """The caller's sound. Not ``listening``: only the noise of the line is learned."""
        if not listening:
            self._detector.track(payload)
            return None
        told = self._detector.process(payload, self._downlink.level(now))
        return told if isinstance(told, SpeechStarted) else None
