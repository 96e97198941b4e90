"""Opening hours of a line."""

from collections.abc import Callable
from datetime import UTC, datetime

from bridge.settings import Settings

TEXT = """
[agents.demo]
provider = "demo"
[[lines]]
number = "*"
agent = "demo"
hours = { zone = "Europe/Berlin", open = ["mon-fri 09:00-17:00"], holidays = [2026-12-25] }
"""


def test_a_line_is_open_at_its_hours_and_never_on_holidays(load: Callable[..., Settings]) -> None:
    """A Friday is open, unless it is Christmas; the time is told by the line's own clock."""
    hours = load(TEXT).lines[0].hours
    assert hours is not None
    assert hours.is_open(datetime(2026, 12, 18, 9, 0, tzinfo=UTC))
    assert not hours.is_open(datetime(2026, 12, 18, 8, 59, tzinfo=UTC))
    assert not hours.is_open(datetime(2026, 12, 25, 9, 0, tzinfo=UTC))
