"""bridge/call/garbage.py: when nonsense is too much."""

from bridge.call.garbage import MAX_IN_A_ROW, MAX_IN_WINDOW, WINDOW_S, GarbageCount


def test_a_second_of_nonsense_in_a_row_is_too_much() -> None:
    """The fiftieth bad message in a row ends the leg, not one before."""
    count = GarbageCount()
    verdicts = [count.bad(number * 1.0) for number in range(MAX_IN_A_ROW)]
    assert verdicts == [False] * (MAX_IN_A_ROW - 1) + [True]


def test_good_messages_forgive() -> None:
    """Single bad messages among good ones are skipped for ever, where they are rare."""
    count = GarbageCount()
    for number in range(10 * MAX_IN_WINDOW):
        assert not count.bad(number * 0.2)
        count.good()
    assert count.total == 10 * MAX_IN_WINDOW


def test_too_many_within_the_window_are_too_much_even_among_good_ones() -> None:
    """100 in 10 s end the leg."""
    count = GarbageCount()
    verdicts = []
    for number in range(MAX_IN_WINDOW):
        verdicts.append(count.bad(number * WINDOW_S / MAX_IN_WINDOW))
        count.good()
    assert verdicts == [False] * (MAX_IN_WINDOW - 1) + [True]
