"""How many pings there were in a second."""

from bridge.runtime.pings import PingCount


def test_every_second_is_counted_for_itself() -> None:
    """From its first ping on."""
    pings = PingCount()
    assert [pings.another(now) for now in (5.0, 5.5, 5.9, 6.0, 6.1, 9.0)] == [1, 2, 3, 1, 2, 1]
