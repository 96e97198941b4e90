"""How often somebody may do something."""

import pytest

from bridge.throttle import MAX_KNOWN, Throttle


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def test_so_many_at_once_then_one_after_the_other(clock: Clock) -> None:
    """The wait that is told is the wait that is needed."""
    throttle = Throttle(3, 60.0, clock=clock)
    assert [throttle.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert throttle.take("a") == pytest.approx(20.0)
    clock.now += 19.9
    assert throttle.take("a") > 0
    clock.now += 0.2
    assert throttle.take("a") == 0.0
    assert throttle.take("a") > 0


def test_everybody_has_a_bucket_of_their_own(clock: Clock) -> None:
    """One who is greedy costs nobody else anything."""
    throttle = Throttle(1, 60.0, clock=clock)
    throttle.take("a")
    assert throttle.take("a") > 0
    assert throttle.take("b") == 0.0


def test_a_bucket_fills_no_higher_than_its_rim(clock: Clock) -> None:
    """Who was away for a year has no more at once than anybody."""
    throttle = Throttle(2, 60.0, clock=clock)
    throttle.take("a")
    clock.now += 1e7
    assert [throttle.take("a") == 0.0 for _ in range(3)] == [True, True, False]


def test_a_refusal_costs_nothing(clock: Clock) -> None:
    """Asking, and trying in vain, do not make the wait longer; what was counted does, down to empty."""
    throttle = Throttle(1, 60.0, clock=clock)
    throttle.take("a")
    for _ in range(10):
        throttle.wait("a")
        throttle.take("a")
    assert throttle.wait("a") == pytest.approx(60.0)
    for _ in range(10):
        throttle.count("a")
    assert throttle.wait("a") == pytest.approx(60.0)


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    """The one who has done nothing for longest is forgotten, not the busy one."""
    throttle = Throttle(1, 1e9, clock=clock)
    throttle.count("old")
    throttle.count("busy")
    for number in range(MAX_KNOWN - 1):
        throttle.count(str(number))
        if number == 5:
            throttle.count("busy")
    assert throttle.wait("old") == 0.0
    assert throttle.wait("busy") > 0
