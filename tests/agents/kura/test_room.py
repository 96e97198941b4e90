"""Room under a rate limit, by key."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.kura.room import LIMIT, RateRoom


def _spend(room: RateRoom, key: int, times: int, now: float) -> None:
    for _ in range(times):
        room.take(key, now)
        room.heard(key, now)


def test_sixty_a_minute_and_then_none() -> None:
    """Without a word of the server a key has 60 requests a minute, and room again when the minute is over."""
    room = RateRoom(1)
    _spend(room, 0, LIMIT, 100.0)
    assert room.pick(100.0) is None
    assert room.wait(100.0) == 60.0
    assert room.pick(160.0) == 0
    assert room.wait(160.0) == 0.0


def test_calls_are_spread_over_the_keys() -> None:
    """The key with the most room is taken, so that several are used evenly."""
    room = RateRoom(3)
    used = []
    for _ in range(9):
        key = room.pick(0.0)
        assert key is not None
        _spend(room, key, 1, 0.0)
        used.append(key)
    assert sorted(used) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_servers_count_wins() -> None:
    """Others may use the key too: what the server says is left is what is left, less what is under way."""
    room = RateRoom(1)
    room.take(0, 0.0)
    room.take(0, 0.0)
    room.heard(0, 0.0, limit=100, left=5, ends_in=30.0)
    assert room.room(0, 0.0) == 4
    room.heard(0, 0.0, left=4, ends_in=30.0)
    assert room.room(0, 0.0) == 4
    assert room.room(0, 30.0) == 100


def test_a_sliding_minute_never_starves_a_key() -> None:
    """A server that counts the last 60 s says the same number for hours: the key stays usable."""
    room = RateRoom(1)
    for second in range(0, 7200, 10):
        assert room.pick(float(second)) == 0
        room.take(0, float(second))
        room.heard(0, float(second), limit=60, left=54, ends_in=60.0)


def test_a_key_that_was_told_to_wait_rests() -> None:
    """429 with Retry-After: the others are used meanwhile, and this one after its time, an hour at most."""
    room = RateRoom(2)
    room.take(0, 0.0)
    room.heard(0, 0.0)
    room.rest(0, 0.0, 30.0)
    assert room.pick(0.0) == 1
    room.rest(1, 0.0, 1e9)
    assert room.pick(29.9) is None
    assert room.pick(30.0) == 0
    assert room.room(1, 3600.0) > 0


def test_a_key_that_was_told_to_wait_without_a_time_rests_until_its_window_ends() -> None:
    """429 without Retry-After: until the reset that was announced."""
    room = RateRoom(1)
    room.take(0, 0.0)
    room.heard(0, 0.0, left=0, ends_in=12.0)
    room.rest(0, 0.0, None)
    assert room.wait(0.0) == 12.0
    assert room.pick(12.0) == 0


def test_a_refused_key_is_taken_only_where_there_is_no_other() -> None:
    """One bad key among good ones harms nobody; alone it is asked again, so that its failure is told as what it is."""
    room = RateRoom(2)
    room.refused(0, 0.0)
    _spend(room, 1, 10, 0.0)
    assert room.pick(0.0) == 1
    room.refused(1, 0.0)
    assert room.pick(0.0) == 0
    assert not room.others(0, 0.0)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.one_of(st.none(), st.integers(-5, 10**9)),
            st.one_of(st.none(), st.floats(-1e9, 1e12)),
            st.floats(0, 100),
        )
    )
)
def test_whatever_a_server_says_no_key_is_lost(said: list[tuple[int, int | None, float | None, float]]) -> None:
    """After an hour of silence every key has room again."""
    room = RateRoom(3)
    now = 0.0
    for key, count, seconds, step in said:
        now += step
        room.take(key, now)
        room.heard(key, now, limit=count, left=count, ends_in=seconds)
        room.rest(key, now, seconds)
        assert room.room(key, now) >= 0
        assert 0.0 <= room.wait(now) <= 3600.0
    assert all(room.room(key, now + 3600.0) > 0 for key in range(3))
