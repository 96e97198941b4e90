"""The demo agent's hearing: pocketsphinx, whose wheel brings its model. No network; an optional extra (``callbridge[demo]``).

A grammar for each question keeps a small recogniser right: it chooses among the answers that make sense now. Grammars
are JSGF (JSpeech Grammar Format, W3C Note 2000-06-05).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

RATE: Final = 16_000  # Hz, of the model
PAUSE: Final = bytes(RATE // 10 * 2)  # 100 ms of silence around an utterance: the model expects to hear its beginning
MAX_S: Final = 15.0  # of one utterance; the rest is not listened to
POLITE: Final = (
    "<polite> = hello | hi | yes | please | i want to | i would like to | i'd like to | can i | could i | i need to;"
)
GRAMMARS: Final = {
    "intent": f"""#JSGF V1.0;
grammar intent;
public <intent> = [<polite>] (<book> | <move> | <cancel> | <hours> | <person> | <bye>) [please];
{POLITE}
<book> = (book | make | get | have) (an | the | a new) appointment;
<move> = (move | change) (my | the | an) appointment;
<cancel> = cancel (my | the | an) appointment;
<hours> = what are your [opening] hours | when are you open | your opening hours;
<person> = (speak | talk) (to | with) (a person | somebody | someone | a human);
<bye> = goodbye | no thank you | nothing;
""",
    "day": """#JSGF V1.0;
grammar day;
public <day> = [on | yes | the one on | i would like | i'd like] <weekday> [<time>] [would be fine] [please];
<weekday> = tuesday | wednesday | thursday | friday;
<time> = at (nine | noon | half past ten | half past four | a quarter past two);
""",
    "confirm": """#JSGF V1.0;
grammar confirm;
public <confirm> = (yes | yes please | no | no thank you | that is right | that is wrong | confirm) [please] [thank you];
""",
}


class SphinxRecogniser:
    """Fills ``host.Recogniser``. The work is done in one thread: a few hundredths of the sound's length."""

    def __init__(self) -> None:
        self._decoders: dict[str, Any] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ears")
        for name in GRAMMARS:  # loading takes some tenths of a second, which no caller is to wait for
            self._worker.submit(self._decoder, name)

    async def understand(self, pcm: bytes, rate: int, expecting: str = "intent") -> str:
        """The words in this PCM16 at 16 kHz that answer the question, "" where there are none."""
        if rate != RATE or expecting not in GRAMMARS:
            return ""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._understand, pcm, expecting)

    def close(self) -> None:
        """Release the thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _decoder(self, name: str) -> Any:
        if name not in self._decoders:
            self._decoders[name] = _decoder(name)
        return self._decoders[name]

    def _understand(self, pcm: bytes, expecting: str) -> str:
        decoder = self._decoder(expecting)
        decoder.start_utt()
        decoder.process_raw(PAUSE + pcm[: int(MAX_S * RATE) * 2] + PAUSE, no_search=False, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return "" if found is None else str(found.hypstr)


def recogniser() -> SphinxRecogniser | None:
    """One, where the extra is installed; without it the agent follows its script."""
    from importlib.util import find_spec

    return None if find_spec("pocketsphinx") is None else SphinxRecogniser()


def _decoder(expecting: str) -> Any:
    from pocketsphinx import Decoder  # type: ignore[import-untyped,import-not-found,unused-ignore]

    decoder = Decoder(samprate=RATE, loglevel="FATAL", lm=None)
    decoder.add_jsgf_string(expecting, GRAMMARS[expecting])
    decoder.activate_search(expecting)
    return decoder
