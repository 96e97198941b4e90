"""Times of the week."""

from datetime import UTC, datetime

import pytest

from bridge.settings import Period


@pytest.mark.parametrize(
    ("text", "moment", "within"),
    [
        ("mon-fri 09:00-17:00", datetime(2026, 11, 20, 9, 0, tzinfo=UTC), True),  # a Friday
        ("mon-fri 09:00-17:00", datetime(2026, 11, 20, 16, 59, tzinfo=UTC), True),
        ("mon-fri 09:00-17:00", datetime(2026, 11, 20, 17, 0, tzinfo=UTC), False),
        ("mon-fri 09:00-17:00", datetime(2026, 11, 21, 12, 0, tzinfo=UTC), False),
        ("SAT  22:00-24:00", datetime(2026, 11, 21, 23, 59, tzinfo=UTC), True),
        ("fri-mon 00:00-24:00", datetime(2026, 11, 22, 0, 0, tzinfo=UTC), True),
        ("fri-mon 00:00-24:00", datetime(2026, 11, 24, 0, 0, tzinfo=UTC), False),
    ],
)
def test_a_period_holds_what_it_says(text: str, moment: datetime, *, within: bool) -> None:
    """The start is included, the end is not, and days go round the weekend."""
    assert Period.parse(text).holds(moment) is within


@pytest.mark.parametrize(
    "text", ["", "monday 9-17", "mon 9:00-17:00", "mon 17:00-09:00", "mon 10:00-24:30", "mon 00:00-00:00"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError):
        Period.parse(text)
