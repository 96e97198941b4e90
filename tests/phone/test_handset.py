"""The caller's ear and mouth on the sample clock."""

import numpy as np
import pytest

from bridge.audio.sound import from_samples
from bridge.phone.handset import Handset
from bridge.phone.report import Kind, Moment, PhoneReport

SECOND = from_samples(0.2 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000), 8000).mulaw()


class Call:
    """A handset, its report and the moments it told of."""

    def __init__(self) -> None:
        self.report = PhoneReport("CA")
        self.told: list[Moment] = []
        self.handset = Handset(self.report, self.told.append)

    def pass_(self, ticks: int) -> bytes:
        """Let ticks pass; what was said in them."""
        return b"".join(self.handset.tick()[0] for _ in range(ticks))

    def at(self, kind: Kind) -> list[float]:
        """When moments of a kind were."""
        return [round(moment.at, 2) for moment in self.told if moment.kind is kind]


@pytest.fixture
def call() -> Call:
    """A fresh one."""
    return Call()


def test_what_is_heard_is_what_was_played_on_one_clock(call: Call) -> None:
    """Silence before, the sound to the sample, silence after: as many samples as time has passed."""
    call.pass_(10)
    call.handset.playout.play(SECOND)
    call.pass_(60)
    assert call.handset.heard == b"\xff" * 1600 + SECOND + b"\xff" * 1600


def test_what_is_said_goes_out_whole(call: Call) -> None:
    """The caller's words go out frame by frame, padded to a whole one, and silence follows."""
    call.handset.say(SECOND + b"\x00", "words")
    assert call.pass_(52) == (SECOND + b"\x00").ljust(52 * 160, b"\xff")
    assert not call.handset.talking


def test_the_first_word_is_timed_from_the_streams_start(call: Call) -> None:
    """Sound that begins 200 ms after the stream has a first-word latency of 200 ms, and ends when it ends."""
    call.pass_(5)
    call.handset.connected()
    call.pass_(10)
    call.handset.playout.play(SECOND)
    call.pass_(100)
    assert call.report.first_word_ms == pytest.approx(200, abs=20)
    assert call.at(Kind.AGENT_SPEAKS) == [0.3]
    assert call.at(Kind.AGENT_QUIET) == [pytest.approx(1.3, abs=0.03)]


def test_an_answer_is_timed_from_the_callers_last_sound(call: Call) -> None:
    """An answer that begins 400 ms after the caller's last sound has that latency, silence in the recording not counted."""
    call.handset.say(SECOND + b"\xff" * 3200)
    call.pass_(50 + 20)
    call.handset.playout.play(SECOND)
    call.pass_(20)
    assert call.report.response_ms == [pytest.approx(400, abs=20)]


def test_an_interruption_is_timed_from_the_callers_onset_to_silence(call: Call) -> None:
    """Speech over the agent, cleared after 300 ms, is an interruption of 300 ms; what was cleared is not heard."""
    call.handset.playout.play(5 * SECOND)
    call.pass_(50)
    call.handset.say(SECOND)
    call.pass_(15)
    call.handset.playout.mark("m")
    assert call.handset.clear() == ["m"]
    call.pass_(50)
    assert call.report.interruption_ms == [pytest.approx(300, abs=20)]
    assert call.handset.heard == (SECOND + SECOND)[: 65 * 160] + b"\xff" * 8000
    assert not call.handset.agent_speaks


def test_a_clear_without_speech_is_no_interruption(call: Call) -> None:
    """A clear that nobody spoke for, or that finds nothing to clear, is counted but has no latency."""
    call.handset.playout.play(SECOND)
    call.pass_(10)
    call.handset.clear()
    call.handset.say(SECOND)
    call.pass_(10)
    call.handset.clear()
    assert call.report.clears == 2
    assert call.report.interruption_ms == []


def test_an_answer_right_after_an_interruption_counts(call: Call) -> None:
    """A new turn that begins as soon as the old one was cleared is a turn of its own."""
    call.handset.playout.play(SECOND)
    call.pass_(20)
    call.handset.clear()
    call.handset.playout.play(SECOND)
    call.pass_(20)
    assert call.handset.agent_turns == 2


def test_clicks_are_not_speech(call: Call) -> None:
    """A single loud frame now and then is not the agent speaking."""
    for _ in range(10):
        call.handset.playout.play(SECOND[:160])
        call.pass_(10)
    assert call.handset.agent_turns == 0
