"""What the phone plays now, and how loud its echo may be."""

from __future__ import annotations

import numpy as np

from bridge.audio.echo import Downlink, EchoLoss
from bridge.audio.loudness import QUIETEST

LOUD = bytes([0x80, 0x00]) * 80  # 20 ms at full scale, mu-law
SILENT = b"\xff" * 160


def test_the_level_follows_the_playback() -> None:
    """Sound queued in one burst is told as it is played, not as it was sent, and for the time of an echo after it."""
    phone = Downlink()
    phone.queued(SILENT * 100 + LOUD * 10 + SILENT * 100, 5.0)  # 2 s, 0.2 s, 2 s
    assert phone.level(5.5) == QUIETEST
    assert phone.level(7.1) > -3
    assert phone.level(7.6) > -3
    assert phone.level(8.5) == QUIETEST


def test_sound_queues_behind_sound() -> None:
    """Two bursts play one after the other; after a pause the next one plays at once."""
    phone = Downlink()
    phone.queued(SILENT * 50, 0.0)
    phone.queued(LOUD, 0.1)
    assert phone.level(0.5) == QUIETEST
    assert phone.level(1.05) > -3
    phone.queued(LOUD, 60.0)
    assert phone.level(60.0) > -3
    assert phone.level(59.0) == QUIETEST


def test_cleared_sound_has_no_echo() -> None:
    """What was cleared is never played; what is queued then plays at once."""
    phone = Downlink()
    phone.queued(SILENT * 50 + LOUD * 50, 0.0)
    phone.cleared(0.5)
    assert phone.level(1.2) == QUIETEST
    phone.queued(LOUD, 1.3)
    assert phone.level(1.3) > -3


def test_odd_pieces_are_not_lost() -> None:
    """Pieces that are no whole frames make the same levels as whole ones."""
    phone, sound = Downlink(), LOUD * 20
    for at in range(0, len(sound), 37):
        phone.queued(sound[at : at + 37], 1.0)
    assert phone.level(1.3) > -3
    assert phone.level(2.6) == QUIETEST


def test_a_day_of_sound_stays_small_and_right() -> None:
    """The account is bounded: an hour-long queue is cut off, a long call keeps nothing that is over."""
    phone = Downlink()
    phone.queued(SILENT * 50 * 3600, 0.0)
    phone.queued(LOUD, 0.0)
    assert phone.level(3600.0) == QUIETEST
    long = Downlink()
    for second in range(2000):
        long.queued(SILENT * 49 + LOUD, float(second))
    assert long.level(1999.99) > -3
    assert long.level(2001.5) == QUIETEST


def test_an_unknown_line_is_taken_for_the_worst() -> None:
    """Before anything is known an echo may be 17 dB below the agent's sound, no less."""
    assert EchoLoss().echo(-20.0) == -37.0


def test_a_good_line_is_learned_and_a_caller_does_not_unlearn_it_at_once() -> None:
    """A line that returns little is trusted after two seconds; a caller's voice of less than a second changes nothing yet."""
    loss = EchoLoss()
    for _ in range(200):
        loss.observe(-20.0, -60.0)
    learned = loss.echo(-20.0)
    assert learned < -50
    for _ in range(49):
        loss.observe(-20.0, -25.0)
    assert loss.echo(-20.0) == learned
    for _ in range(100):
        loss.observe(-20.0, -25.0)
    assert loss.echo(-20.0) == -37.0


def test_silence_of_the_agent_teaches_nothing() -> None:
    """While the agent is silent nothing is learned of its echo."""
    loss = EchoLoss()
    for level in np.linspace(-90, -45, 500):
        loss.observe(float(level), -96.0)
    assert loss.echo(-20.0) == -37.0
