"""A conversation on the clock of the caller's samples."""

import numpy as np
import pytest

from bridge.agents.demo.conversation import CallerSaid, Conversation, Hush, Say, Understand
from bridge.agents.demo.dialogue import CONFIRM, HOURS, UNHEARD, Dialogue

RATE = 16000
SPEECH = (3000 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype("<i2").tobytes()  # one second
SILENCE = bytes(2 * RATE)


@pytest.fixture
def conversation() -> Conversation:
    """One whose greeting lasts 3 s."""
    one = Conversation(Dialogue(), rate=RATE)
    (greeting,) = one.open()
    assert isinstance(greeting, Say)
    one.spoken(greeting.turn, 3.0)
    return one


def test_the_agent_answers_when_the_caller_has_finished(conversation: Conversation) -> None:
    """After the greeting the caller speaks and pauses: the utterance is handed over once, and answered by the script."""
    assert conversation.hear(3 * SILENCE) == []
    assert conversation.hear(SPEECH) == []
    (understand,) = conversation.hear(SILENCE)
    assert isinstance(understand, Understand)
    assert len(understand.pcm) > len(SPEECH)
    assert conversation.understood(UNHEARD) == [CallerSaid(UNHEARD), Say(1, HOURS, last=False)]


def test_speaking_over_the_agent_stops_it(conversation: Conversation) -> None:
    """Speech while the greeting sounds cuts that turn once, within 200 ms, and is answered afterwards."""
    conversation.hear(SILENCE)
    assert conversation.hear(SPEECH[: RATE * 2 // 5]) == [Hush(0)]
    assert not conversation.playing
    assert conversation.hear(SPEECH) == []
    assert [type(action) for action in conversation.hear(SILENCE)] == [Understand]


def test_an_agent_that_does_not_yield_goes_on_until_it_is_told() -> None:
    """Without yielding, speech changes nothing until an interrupt cuts the turn, once."""
    conversation = Conversation(Dialogue(), rate=RATE, yields=False)
    conversation.open()
    conversation.spoken(0, 3.0)
    assert conversation.hear(SPEECH) == []
    assert conversation.interrupt() == [Hush(0)]
    assert conversation.interrupt() == []


def test_a_turn_that_was_cut_before_it_sounded_never_counts(conversation: Conversation) -> None:
    """The length of a turn that comes after its interruption is ignored."""
    conversation.hear(3 * SILENCE)
    conversation.understood(UNHEARD)
    assert conversation.interrupt() == [Hush(1)]
    conversation.spoken(1, 10.0)
    assert not conversation.playing


def test_a_key_is_answered_at_once(conversation: Conversation) -> None:
    """A key cuts what sounds and is answered."""
    hush, say = conversation.key()
    assert hush == Hush(0)
    assert isinstance(say, Say)
    assert say.text.startswith("You pressed a key.")


def test_the_goodbye_is_not_interrupted(conversation: Conversation) -> None:
    """After the last line nothing the caller does brings more."""
    conversation.hear(3 * SILENCE)
    for _ in range(3):
        (_, say) = conversation.understood(UNHEARD)
        assert isinstance(say, Say)
    assert say.text == CONFIRM
    (goodbye,) = conversation.key()[-1:]
    assert isinstance(goodbye, Say)
    assert goodbye.last
    conversation.spoken(goodbye.turn, 5.0)
    assert conversation.hear(SPEECH + SILENCE) == []
    assert conversation.key() == []
    assert conversation.understood(UNHEARD) == []


def test_a_silent_caller_is_not_kept_for_ever(conversation: Conversation) -> None:
    """After long silence on both sides the agent asks; when nothing ever comes it ends the conversation."""
    lines = []
    for _ in range(60):
        for action in conversation.hear(SILENCE):
            assert isinstance(action, Say)
            lines.append(action.last)
            conversation.spoken(action.turn, 1.0)
    assert lines == [False, False, True]


def test_any_size_of_chunk_is_the_same_sound(conversation: Conversation) -> None:
    """Sound in odd pieces, halves of samples included, is heard like sound in one."""
    track = 3 * SILENCE + SPEECH + SILENCE
    actions = []
    for start in range(0, len(track), 333):
        actions += conversation.hear(track[start : start + 333])
    assert [type(action) for action in actions] == [Understand]
