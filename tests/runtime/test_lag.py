"""bridge/runtime/lag.py: how late the loop is."""

from bridge.runtime.lag import WINDOW, LoopLag


def test_a_loop_that_is_late_all_the_time_is_overloaded() -> None:
    """For the whole window, and no earlier."""
    lag = LoopLag(limit_s=0.1)
    for _ in range(WINDOW - 1):
        lag.note(0.5)
    assert not lag.overloaded
    lag.note(0.5)
    assert lag.overloaded
    assert lag.p95 == 0.5


def test_single_stalls_are_not_an_overload() -> None:
    """They are remembered as the worst, and that is all."""
    lag = LoopLag(limit_s=0.1)
    for number in range(2 * WINDOW):
        lag.note(3.0 if number % WINDOW == 0 else 0.001)
    assert not lag.overloaded
    assert lag.worst == 3.0


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
