"""How often within an hour."""

from bridge.web.chat.limits import MAX_KEYS, Hourly


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_so_many_within_any_hour() -> None:
    """The hour slides: each is free again an hour after it was done; a refusal does not count."""
    clock = Clock()
    hourly = Hourly(2, clock=clock)
    assert hourly.admit("a")
    clock.now = 1800.0
    assert [hourly.admit("a") for _ in range(3)] == [True, False, False]
    clock.now = 3599.0
    assert not hourly.admit("a")
    clock.now = 3600.0
    assert [hourly.admit("a"), hourly.admit("a")] == [True, False]
    clock.now = 5400.0
    assert hourly.admit("a")


def test_keys_do_not_share() -> None:
    """One's limit is nobody else's."""
    hourly = Hourly(1, clock=Clock())
    assert [hourly.admit("a"), hourly.admit("b"), hourly.admit("a")] == [True, True, False]


def test_a_limit_of_none_admits_nobody() -> None:
    """Zero is zero."""
    assert not Hourly(0, clock=Clock()).admit("a")


def test_what_is_remembered_is_bounded() -> None:
    """Who was not seen for longest is forgotten, not who was just refused."""
    hourly = Hourly(1, clock=Clock())
    hourly.admit("old")
    hourly.admit("busy")
    for number in range(MAX_KEYS - 1):
        hourly.admit(str(number))
        if number == 5:
            assert not hourly.admit("busy")
    assert not hourly.admit("busy")
    assert hourly.admit("old")
