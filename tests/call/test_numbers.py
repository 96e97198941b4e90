"""bridge/call/numbers.py: the numbers of the sound that is still to be heard."""

from bridge.call.numbers import MAX_NUMBERS, UnheardNumbers


def test_all_that_is_unheard_is_newer_or_not() -> None:
    """A number below everything that is queued is older than all of it; its own sound need only be partly unheard."""
    numbers = UnheardNumbers()
    numbers.queued(160, 3, heard=0)
    numbers.queued(320, 4, heard=0)
    assert numbers.all_newer(2, heard=0)
    assert not numbers.all_newer(3, heard=159)
    assert numbers.all_newer(3, heard=160)


def test_with_nothing_to_hear_nothing_is_newer() -> None:
    """Neither when all was heard nor after a clearing."""
    numbers = UnheardNumbers()
    numbers.queued(160, 3, heard=0)
    assert not numbers.all_newer(2, heard=160)
    numbers.queued(320, 4, heard=160)
    numbers.clear()
    assert not numbers.all_newer(2, heard=160)


def test_sound_of_one_number_is_one_entry_however_long() -> None:
    """A turn of one number takes as much room as a chunk of it."""
    numbers = UnheardNumbers()
    for chunk in range(1, 1000):
        numbers.queued(chunk * 160, 7, heard=0)
    assert len(numbers) == 1
    assert not numbers.all_newer(7, heard=0)
    assert numbers.all_newer(6, heard=998 * 160)


def test_what_was_heard_takes_no_room() -> None:
    """A call of hours holds what is queued, not what has been said."""
    numbers = UnheardNumbers()
    for chunk in range(1, 10_000):
        numbers.queued(chunk * 160, chunk, heard=max(chunk - 25, 0) * 160)
    assert len(numbers) <= 25


def test_numbers_are_bounded_where_nothing_is_ever_heard() -> None:
    """The oldest are forgotten first."""
    numbers = UnheardNumbers()
    for chunk in range(1, 2 * MAX_NUMBERS):
        numbers.queued(chunk * 160, chunk, heard=0)
    assert len(numbers) == MAX_NUMBERS
    assert numbers.all_newer(MAX_NUMBERS - 1, heard=0)
