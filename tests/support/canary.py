"""S5: a call that has no fault, beside one that has. Both of its tones must arrive whole, whatever befalls the other."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.standins import sound
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession

if TYPE_CHECKING:
    from tests.standins.twilio import Carrier

NUMBER = "+15550199"
LINE = f'[[lines]]\nnumber = "{NUMBER}"\nagent = "canary"\n'
SINGS_HZ, LISTENS_HZ = 997, 613  # neither repeats itself within a frame or a chunk: a lost one shows
LONGEST_S = 60.0
CHUNK_S = 0.1
LEAST_S = 0.4  # both have been heard so long before the fault, or their tones prove nothing
LEAD_S = 0.5  # the phone has so much in hand: what it hears has no gap because this machine has other work
RATE = 8000


class Canary:
    """The call: its agent speaks all the time, its caller too."""

    def __init__(self, call: PhoneCall, session: XunaSession) -> None:
        self.call, self.session = call, session
        self._song = asyncio.create_task(self._sing())
        call.mouth.say(LONGEST_S, frequency=LISTENS_HZ)

    async def _sing(self) -> None:
        origin = time.monotonic() - LEAD_S
        for number in range(round(LONGEST_S / CHUNK_S)):
            await asyncio.sleep(max(0.0, origin + number * CHUNK_S - time.monotonic()))
            rate = 2 * RATE
            pcm = sound.tone(CHUNK_S, frequency=SINGS_HZ, rate=rate, start=round(number * CHUNK_S * rate))
            await self.session.say(pcm)

    @classmethod
    async def placed(cls, carrier: Carrier, agent: Xuna) -> Canary:
        """Call, and begin to sing."""
        call = await carrier.call(to=NUMBER, from_="+15550129999")
        session = await agent.session()
        await call.streaming()
        carrier.calls.remove(call)  # a test counts its own
        one = cls(call, session)
        async with asyncio.timeout(LEAST_S + 5):
            while len(one.loud()) < LEAST_S * 2 * RATE:
                await asyncio.sleep(0.02)
        return one

    def loud(self) -> np.ndarray:
        """Where, in what its agent heard, its caller speaks: indices."""
        return np.flatnonzero(abs(self.session.heard_pcm) > 3000)

    async def sang(self) -> None:
        """The end of it: every sample of both sides came once and in order. AssertionError where one did not."""
        await self.silence()
        assert len(self.call.streams) == 1, "S5: the canary lost its stream"
        assert self.call.stream is not None
        assert not self.session.closed, "S5: the canary lost its agent"
        spans = self.call.stream.playout.spans
        heard = self.call.stream.heard_pcm
        whole = np.concatenate([heard[first : first + length] for first, length in spans])
        chunks = [each["audio_event"]["audio_base_64"] for _, each in self.session.sent if "audio_event" in each]
        sent = sum(len(base64.b64decode(chunk)) for chunk in chunks) // 4  # two bytes a sample, at twice the rate
        assert len(whole) == pytest.approx(sent, abs=4), f"S5: of {sent} samples the canary's caller heard {spans}"
        assert_tone(whole[200:-200], SINGS_HZ, RATE, "the canary's caller")
        said, loud = self.session.heard_pcm, self.loud()
        assert_tone(said[loud[0] + 800 : loud[-1] - 800], LISTENS_HZ, 2 * RATE, "the canary's agent")

    async def silence(self) -> None:
        """Both stop, and what is under way arrives."""
        self._song.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._song
        self.call.mouth.hush()
        await self.call.silent_for(0.3)

    async def gone(self) -> None:
        """It hangs up, whatever has become of it."""
        self._song.cancel()
        await asyncio.gather(self._song, return_exceptions=True)
        await self.call.hang_up()


def assert_tone(pcm: sound.Pcm, frequency: float, rate: int, who: str) -> None:
    """Second by second: one tone, in one piece."""
    for start in range(0, len(pcm) - rate // 4, rate):
        snr_db = sound.fit_sine(pcm[start : start + rate], frequency, rate).snr_db
        assert snr_db > 25, f"S5: {who} heard something else in second {start // rate}: {snr_db:.0f} dB"
    if len(pcm) > rate // 4:
        assert sound.fit_sine(pcm, frequency, rate).snr_db > 25, f"S5: {who} did not hear all in one piece"
