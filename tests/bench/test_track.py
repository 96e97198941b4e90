"""One direction of one call."""

import pybase64
import pytest

from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.bench.sound import PERIOD, uplink
from bridge.bench.track import Tally, Track

BOOK = uplink(AudioFormat(Encoding.PCM16, 16000))
BY_NUMBER = {number: payload for payload, number in BOOK.known.items()}


@pytest.fixture
def tally() -> Tally:
    """One that measures."""
    tally = Tally()
    tally.measuring = True
    return tally


@pytest.fixture
def track(tally: Tally) -> Track:
    """One on which ten frames were sent, a second apart."""
    track = Track(BOOK, tally)
    for number in range(10):
        assert track.send(float(number)) == BOOK.sent[number]
    return track


def losses(tally: Tally) -> tuple[int, int, int, int]:
    """What went wrong."""
    return tally.lost, tally.repeated, tally.changed, tally.unreadable


def test_what_comes_in_order_is_right_and_has_a_latency(track: Track, tally: Tally) -> None:
    """From its own sending."""
    for number in range(10):
        track.arrived(BY_NUMBER[number], number + 0.5)
    track.close()
    assert losses(tally) == (0, 0, 0, 0)
    assert tally.latencies == [0.5] * 10


def test_what_is_missing_is_lost(track: Track, tally: Tally) -> None:
    """In the middle as soon as the next one comes, at the end when the track is closed."""
    for number in (0, 1, 4):
        track.arrived(BY_NUMBER[number], 20.0)
    assert tally.lost == 2
    track.close()
    track.close()
    assert losses(tally) == (7, 0, 0, 0)


def test_what_comes_again_is_repeated_and_nothing_is_lost_by_it(track: Track, tally: Tally) -> None:
    """An old frame does not put the count out of step."""
    for number in (0, 1, 1, 0, 2):
        track.arrived(BY_NUMBER[number], 20.0)
    assert losses(tally) == (0, 2, 0, 0)


def test_what_was_not_sent_cannot_come(tally: Tally) -> None:
    """It is no sign of a loss."""
    track = Track(BOOK, tally)
    track.send(0.0)
    track.arrived(BY_NUMBER[5], 1.0)
    assert (tally.lost, tally.repeated) == (0, 1)


def test_a_changed_frame_is_known_by_its_levels(track: Track, tally: Tally) -> None:
    """It counts as changed and not as lost."""
    sound = bytearray(pybase64.b64decode(BY_NUMBER[0]))
    sound[20] ^= 4
    track.arrived(pybase64.b64encode(bytes(sound)), 1.0)
    track.arrived(BY_NUMBER[1], 1.0)
    assert losses(tally) == (0, 0, 1, 0)
    assert tally.first_changed


@pytest.mark.parametrize("payload", [b"", b"!!", b"AAAA"])
def test_garbage_is_unreadable(track: Track, tally: Tally, payload: bytes) -> None:
    """And no frame."""
    track.arrived(payload, 1.0)
    assert losses(tally) == (0, 0, 0, 1)
    assert tally.frames == 0


def test_numbers_begin_again_and_nothing_is_lost(tally: Tally) -> None:
    """A call is longer than the period."""
    track = Track(BOOK, tally)
    for number in range(PERIOD + 5):
        track.send(0.0)
        track.arrived(BY_NUMBER[number % PERIOD], 0.1)
    assert losses(tally) == (0, 0, 0, 0)
    assert BOOK.source == TELEPHONE
