"""bridge/call/listening.py: when the caller is loud."""

from bridge.call.listening import ASKED_S, QUIET_S, SPEECH_S, Listening

FRAME = 0.02


class Ear:
    """A caller, frame by frame."""

    def __init__(self) -> None:
        self.listening = Listening()
        self.now = 0.0

    def hears(self, level: float, seconds: float) -> "Ear":
        """So much of a level."""
        for _ in range(round(seconds / FRAME)):
            self.listening.frame(level, FRAME, self.now)
            self.now += FRAME
        return self


def test_speech_is_noticed_with_its_onset_and_its_end() -> None:
    """onset is the first loud frame, ended the last one."""
    ear = Ear().hears(0, 1.0).hears(3000, 0.6).hears(0, 1.0)
    assert ear.listening.onset_at is not None
    assert abs(ear.listening.onset_at - 1.0) < 0.03
    assert ear.listening.ended_at is not None
    assert abs(ear.listening.ended_at - 1.6) < 0.03


def test_a_click_is_no_speech() -> None:
    """Something shorter than SPEECH_S makes no utterance."""
    ear = Ear().hears(0, 1.0).hears(9000, SPEECH_S / 3).hears(0, 1.0)
    assert ear.listening.ended_at is None


def test_steady_noise_is_no_speech() -> None:
    """A line that hums is not a caller who speaks."""
    ear = Ear().hears(300, 3.0)
    assert ear.listening.ended_at is None


def test_a_short_pause_does_not_end_an_utterance() -> None:
    """Speaking goes on through gaps of up to QUIET_S, and stops after."""
    ear = Ear().hears(0, 0.5).hears(3000, 0.5).hears(0, QUIET_S / 2)
    assert ear.listening.speaking(ear.now)
    assert not ear.hears(0, QUIET_S).listening.speaking(ear.now)


def test_who_waits_is_unanswered_since_they_stopped() -> None:
    """After ASKED_S of silence the caller waits for an answer, since the end of the speech."""
    ear = Ear().hears(0, 0.5).hears(3000, 1.0).hears(0, ASKED_S / 2)
    assert ear.listening.unanswered_since(ear.now) is None
    ear.hears(0, ASKED_S)
    since = ear.listening.unanswered_since(ear.now)
    assert since is not None
    assert abs(since - 1.5) < 0.03


def test_asking_again_does_not_start_the_waiting_anew() -> None:
    """Who says hello every few seconds has waited since the first time."""
    ear = Ear().hears(0, 0.5).hears(3000, 1.0)
    for _ in range(4):
        ear.hears(0, ASKED_S + 0.5).hears(3000, 0.5)
    since = ear.listening.unanswered_since(ear.now)
    assert since is not None
    assert abs(since - 1.5) < 0.03


def test_who_goes_on_speaking_does_not_wait() -> None:
    """A long story is not a question without an answer."""
    ear = Ear().hears(0, 0.5)
    for _ in range(20):
        ear.hears(3000, 2.0).hears(0, 0.6)
    assert ear.listening.unanswered_since(ear.now) is None


def test_an_answer_forgets_the_question() -> None:
    """After it nothing is unanswered."""
    ear = Ear().hears(0, 0.5).hears(3000, 1.0).hears(0, 3.0)
    ear.listening.forget()
    assert ear.listening.unanswered_since(ear.now) is None
    assert ear.listening.spoken_s == 0.0


def test_the_loudest_frame_is_told_once() -> None:
    """A meter that is read now and then misses no shout, and falls afterwards."""
    ear = Ear().hears(100, 0.1).hears(9000, 0.02).hears(50, 0.1)
    assert ear.listening.loudest() == 9000
    assert ear.listening.loudest() == 0
