"""bridge/call/playback.py: what was sent, what was heard, what waits."""

import pytest

from bridge.call.events import ClearAudio, PlayAudio, PlayMark
from bridge.call.playback import GRACE_S, MAX_IN_FLIGHT, MAX_WAITING, RATE, SIGHT, Playback

SECOND = b"\x55" * RATE


def playing(seconds: float = 1.0, *, turn: int = 1) -> tuple[Playback, str]:
    """An open playback with so much sent at 0.0, and the mark behind it."""
    playback = Playback()
    playback.open(0.0)
    orders = playback.offer(b"\x55" * int(seconds * RATE), turn, 0.0)
    orders += playback.mark(0.0)
    return playback, [order.name for order in orders if isinstance(order, PlayMark)][-1]


def audio(orders: list[object]) -> int:
    """How many samples were sent."""
    return sum(len(order.payload) for order in orders if isinstance(order, PlayAudio))


def test_before_the_stream_everything_waits() -> None:
    """Sound that comes before the stream is kept, and goes out when it opens."""
    playback = Playback()
    assert playback.offer(SECOND, 1, 0.0) == []
    assert playback.held_back
    assert audio(playback.open(3.0)) == RATE
    assert not playback.held_back


def test_what_a_mark_confirms_was_heard() -> None:
    """A mark that comes back says that all before it was heard."""
    playback, name = playing()
    assert playback.reached(name, 1.0)
    assert playback.heard(1.0) == RATE
    assert playback.finished(1.0)
    assert not playback.unplayed(1.0)


def test_between_marks_time_tells_but_never_more_than_was_sent() -> None:
    """What was heard grows with time, and ends with what was sent."""
    playback, _ = playing()
    assert playback.heard(0.25) == RATE // 4
    assert playback.heard(9.0) == RATE


def test_a_mark_that_comes_late_holds_the_account_back() -> None:
    """After a confirmed mark no more can have been heard than the time since allows."""
    playback, name = playing(1.0)
    playback.reached(name, 5.0)
    playback.offer(SECOND, 1, 4.0)
    assert playback.heard(5.5) == RATE + RATE // 2


def test_unknown_and_repeated_marks_change_nothing() -> None:
    """A mark that we never sent, or that came back before, is ignored."""
    playback, name = playing()
    assert not playback.reached("nobody's", 0.1)
    assert playback.reached(name, 1.0)
    assert not playback.reached(name, 1.1)


def test_a_mark_after_a_clear_confirms_nothing() -> None:
    """The carrier returns every pending mark when it clears: none of them counts as heard."""
    playback, name = playing()
    assert playback.clear(0.25) == [ClearAudio()]
    assert not playback.reached(name, 0.25)
    assert playback.fraction_heard(1, 9.0) == pytest.approx(0.25)


def test_cleared_sound_is_not_heard_later() -> None:
    """After a clear nothing is unplayed, and the cut turn keeps its share however late it is asked for."""
    playback, _ = playing(4.0)
    playback.clear(1.0)
    playback.offer(SECOND, 2, 1.0)
    assert playback.fraction_heard(1, 99.0) == pytest.approx(0.25)
    assert playback.turns_unplayed(1.5) == [2]
    assert playback.fraction_heard(2, 1.5) == pytest.approx(0.5)


def test_a_clear_without_a_stream_says_nothing_to_the_carrier() -> None:
    """Where no stream is open, clearing only forgets."""
    playback = Playback()
    playback.offer(SECOND, 1, 0.0)
    assert playback.clear(0.0) == []
    assert not playback.unplayed(0.0)


def test_at_most_thirty_seconds_are_at_the_carrier() -> None:
    """More than MAX_IN_FLIGHT is held back until marks make room, in order."""
    playback = Playback()
    playback.open(0.0)
    orders = playback.offer(b"\x01" * MAX_IN_FLIGHT + b"\x02" * RATE, 1, 0.0)
    assert audio(orders) == MAX_IN_FLIGHT
    first = next(order.name for order in orders if isinstance(order, PlayMark))
    playback.reached(first, 5.0)
    more = playback.release(5.0)
    assert b"".join(order.payload for order in more if isinstance(order, PlayAudio)) == b"\x02" * RATE


def test_beyond_what_may_wait_the_newest_is_dropped_and_counted() -> None:
    """150 s are kept, the rest is dropped."""
    playback = Playback()
    playback.open(0.0)
    for _ in range(160):
        playback.offer(SECOND, 1, 0.0)
    assert playback.dropped == 10 * RATE
    assert playback.left(0.0) == pytest.approx((MAX_IN_FLIGHT + MAX_WAITING) / RATE)


def test_long_sound_carries_marks_on_the_way() -> None:
    """No more than a piece goes without a mark behind it, so that what was heard is known closely."""
    playback = Playback()
    playback.open(0.0)
    marks = 0
    for _ in range(50):
        marks += sum(isinstance(order, PlayMark) for order in playback.offer(b"\x55" * 800, 1, 0.0))
    assert marks >= 8


def test_an_overdue_mark_is_noticed_only_after_its_grace() -> None:
    """A mark may come GRACE_S after its sound must have been played, no later."""
    playback, _ = playing(1.0)
    assert not playback.overdue(1.0 + GRACE_S)
    assert playback.overdue(1.01 + GRACE_S)
    assert playback.due_in(0.0) == pytest.approx(1.0 + GRACE_S)


def test_without_marks_the_clock_decides() -> None:
    """A stream that returns no marks is judged by time alone, and nothing piles up."""
    playback = Playback()
    playback.open(0.0)
    playback.offer(SECOND, 1, 0.0)
    playback.mark(0.0)
    playback.trust_clock(0.5)
    assert playback.mark(0.5) == []
    assert playback.due_in(0.5) == 0.0
    assert not playback.finished(0.9)
    assert playback.finished(1.0)
    for second in range(1, 100):
        assert audio(playback.offer(SECOND, 1, float(second))) == RATE
    assert playback.finished(100.0)


def test_without_marks_time_makes_room() -> None:
    """What is held back goes out as the clock frees room, though no mark says so."""
    playback = Playback()
    playback.open(0.0)
    playback.offer(SECOND * 40, 1, 0.0)
    playback.trust_clock(3.0)
    assert audio(playback.release(13.0)) == 10 * RATE


def test_a_lost_stream_gives_back_what_was_not_heard() -> None:
    """A new stream plays on where the old one broke off: nothing twice, nothing lost."""
    playback = Playback()
    playback.open(0.0)
    sound = bytes(range(250)) * 64  # 2 s
    playback.offer(sound, 1, 0.0)
    playback.away(0.5)
    assert playback.offer(b"\x01" * 100, 1, 0.6) == []
    orders = playback.open(9.0)
    assert b"".join(o.payload for o in orders if isinstance(o, PlayAudio)) == sound[RATE // 2 :] + b"\x01" * 100


def test_a_stream_replaced_without_notice_loses_nothing_either() -> None:
    """A second open without away in between resends what the first stream did not play."""
    playback = Playback()
    playback.open(0.0)
    playback.offer(SECOND, 1, 0.0)
    assert audio(playback.open(0.25)) == RATE * 3 // 4


def test_lost_marks_do_not_hold_up_the_end() -> None:
    """Without its mark, sound counts as played GRACE_S after it must have been."""
    playback, _ = playing(1.0)
    assert not playback.finished(1.0)
    assert playback.finished(1.0 + GRACE_S)


def test_nothing_is_finished_while_the_stream_is_away() -> None:
    """What waits for a stream was not heard, however long ago it was offered."""
    playback, _ = playing(1.0)
    playback.away(0.5)
    assert not playback.finished(99.0)
    assert playback.unplayed(99.0)


def test_a_turn_that_had_no_sound_has_no_share() -> None:
    """None says that a turn was never to be heard."""
    assert Playback().fraction_heard(7, 0.0) is None


def test_what_the_caller_hears_now_can_be_looked_at() -> None:
    """Of what was sent, the part about to be played; nothing before, after, while the stream is away, or once cleared."""
    playback = Playback()
    playback.open(0.0)
    playback.offer(b"a" * RATE + b"b" * RATE, 1, 0.0)
    assert playback.sounds(0.5) == b"a" * (2 * SIGHT)
    assert playback.sounds(1.5) == b"b" * (2 * SIGHT)
    assert playback.sounds(1.0) == b"a" * SIGHT + b"b" * SIGHT
    assert playback.sounds(3.0) == b""
    playback.clear(1.2)
    assert playback.sounds(1.2) == b""
    fresh = Playback()
    fresh.offer(SECOND, 1, 0.0)
    assert fresh.sounds(0.1) == b""


def test_a_turn_that_goes_on_is_accounted_for_in_one_step_as_in_many() -> None:
    """``flow`` orders and accounts what ``offer`` does, wherever it answers at all."""
    quick, slow = Playback(), Playback()
    chunk, flowed = b"\x55" * 160, 0
    for playback in (quick, slow):
        playback.open(0.0)
        playback.offer(chunk * 5, 1, 0.0)
    for number in range(200):
        now = number * 0.018
        order = quick.flow(chunk, 1, now)
        expected = slow.offer(chunk, 1, now)
        flowed += order is not None
        assert (quick.offer(chunk, 1, now) if order is None else [order]) == expected
        for name in [order.name for order in expected if isinstance(order, PlayMark)]:
            assert quick.reached(name, now) == slow.reached(name, now)
        assert quick.heard(now) == slow.heard(now)
        assert quick.left(now) == slow.left(now)
        assert quick.fraction_heard(1, now) == slow.fraction_heard(1, now)
    assert flowed > 180
    quick.away(3.6)
    slow.away(3.6)
    assert quick.open(4.0) == slow.open(4.0)


@pytest.mark.parametrize("case", ["before the stream", "another turn", "run dry", "held back", "by the clock"])
def test_whatever_is_not_plain_is_left_to_be_offered(case: str) -> None:
    """``flow`` answers None and changes nothing."""
    playback = Playback()
    if case != "before the stream":
        playback.open(0.0)
    playback.offer(b"\x55" * (MAX_IN_FLIGHT + RATE if case == "held back" else RATE), 1, 0.0)
    if case == "by the clock":
        playback.trust_clock(0.0)
    before = playback.left(0.1)
    assert playback.flow(b"\x55" * 160, 2 if case == "another turn" else 1, 5.0 if case == "run dry" else 0.1) is None
    assert playback.left(0.1) == before


@pytest.mark.parametrize(("until", "left"), [(1.0, 4.0), (1.1, 4.0), (2.2, 3.0), (60.0, 0.0)])
def test_what_a_stream_that_was_left_played_on_is_not_sent_again(until: float, left: float) -> None:
    """All but OVERLAP_S of what it can have played since it was left; never more than it had."""
    playback, _ = playing(5.0)
    playback.away(1.0)
    playback.offer(SECOND, 2, 1.5)
    playback.played_on(until)
    assert audio(playback.open(until)) == pytest.approx((left + 1) * RATE, abs=2)
    assert playback.left(until) == pytest.approx(left + 1, abs=0.001)


def test_a_stream_that_was_left_plays_nothing_on_once_it_was_cleared() -> None:
    """What comes after the interruption was never on it."""
    playback, _ = playing(5.0)
    playback.away(1.0)
    playback.clear(1.5)
    playback.offer(SECOND, 2, 1.6)
    playback.played_on(3.0)
    assert audio(playback.open(3.0)) == RATE
