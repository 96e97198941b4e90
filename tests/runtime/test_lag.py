"""bridge/runtime/lag.py: how late the loop is."""

import pytest

from bridge.runtime.lag import WINDOW, LoopLag


@pytest.mark.parametrize(("late_s", "looks"), [(0.2, 12), (0.5, 6), (1.0, 3), (6.0, 1)])
def test_a_loop_that_is_late_all_the_time_is_overloaded(late_s: float, looks: int) -> None:
    """After three seconds, and no earlier: by the clock, however few looks it comes to meanwhile."""
    lag = LoopLag(limit_s=0.1)
    for _ in range(looks - 1):
        lag.note(late_s)
    assert not lag.overloaded
    lag.note(late_s)
    assert lag.overloaded
    assert lag.p95 == late_s


def test_what_was_before_does_not_hide_it() -> None:
    """A loop that was never late, and then for longer than the window, has been late for the window."""
    lag = LoopLag(limit_s=0.1)
    for _ in range(2 * WINDOW):
        lag.note(0.001)
    lag.note(6.0)
    assert lag.overloaded


def test_single_stalls_are_not_an_overload() -> None:
    """They are remembered as the worst, and that is all."""
    lag = LoopLag(limit_s=0.1)
    for number in range(2 * WINDOW):
        lag.note(1.0 if number % WINDOW == 0 else 0.001)
        assert not lag.overloaded
    assert lag.worst == 1.0


def test_it_recovers() -> None:
    """Once the window is quiet, calls are taken again."""
    lag = LoopLag(limit_s=0.1)
    for _ in range(WINDOW):
        lag.note(0.5)
    for _ in range(WINDOW):
        lag.note(0.0)
    assert not lag.overloaded


def test_nothing_measured_is_no_lag() -> None:
    """At the start."""
    assert LoopLag().p95 == 0.0
