"""bridge/runtime/meter.py: how long agents have talked today."""

from datetime import date

from bridge.runtime.meter import Meter

MONDAY = date(2026, 5, 4)
TUESDAY = date(2026, 5, 5)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """As ``time.monotonic``."""
        return self.now


def test_every_call_counts_each_second_as_it_passes() -> None:
    """Two calls at once cost twice the time, and one that is not over has cost what it has lasted."""
    clock = Clock()
    meter = Meter(clock=clock)
    meter.begin()
    clock.now += 10
    meter.begin()
    clock.now += 5
    assert meter.here(MONDAY) == 20
    meter.end()
    clock.now += 1
    meter.end()
    clock.now += 100
    assert meter.here(MONDAY) == 21


def test_what_others_had_is_added() -> None:
    """The total is that of all instances."""
    clock = Clock()
    meter = Meter(clock=clock)
    meter.elsewhere_s = 30
    meter.begin()
    clock.now += 3
    assert meter.total == 33
    assert meter.here(MONDAY) == 3


def test_a_new_day_begins_with_nothing() -> None:
    """A call that goes on over midnight counts on both days, each second once."""
    clock = Clock()
    meter = Meter(clock=clock)
    meter.elsewhere_s = 30
    meter.begin()
    clock.now += 60
    assert meter.here(MONDAY) == 60
    assert meter.here(TUESDAY) == 0
    assert meter.total == 0
    clock.now += 7
    assert meter.here(TUESDAY) == 7
