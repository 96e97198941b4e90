"""Query strings, read strictly."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from starlette.datastructures import QueryParams

from bridge.call.record import Direction, Status
from bridge.web.api.endpoint import Refused
from bridge.web.api.query import DEFAULT_LIMIT, MAX_LIMIT, ListQuery, flag


def test_nothing_asked_is_everything_in_pages() -> None:
    """The default limit and no filter."""
    found = ListQuery.read(QueryParams("")).store_arguments()
    assert found.pop("limit") == DEFAULT_LIMIT
    assert set(found.values()) == {None}


def test_each_parameter_is_read_as_what_it_is() -> None:
    """Numbers, words of ours, texts, and times with their zone."""
    text = "limit=7&cursor=abc_-9&status=no_answer&direction=outbound&agent=support&line=%2B15550100&number=%2B1555"
    text += "&since=2026-01-31T12:00:00Z&until=2026-01-31T12:00:00%2B02:00"
    found = ListQuery.read(QueryParams(text))
    assert (found.limit, found.cursor, found.agent, found.line, found.number) == (
        7,
        "abc_-9",
        "support",
        "+15550100",
        "+1555",
    )
    assert (found.status, found.direction) == (Status.NO_ANSWER, Direction.OUTBOUND)
    assert found.since == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert found.until == datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    "text",
    [
        *("limit=0", f"limit={MAX_LIMIT + 1}", "limit=-1", "limit=x", "limit=", "limit=%D9%A3", "limit=9999999999"),
        *("cursor=", "cursor=a.b", "cursor=" + "a" * 201, "status=over", "status=", "status=COMPLETED"),
        *("direction=up", "direction=", "agent=", "agent=" + "a" * 101, "agent=%00", "line=%C3%A9"),
        *("since=2026-01-31", "since=2026-01-31T12:00:00", "since=now", "since=0001-01-01T00:00:00Z"),
        *("until=9999-01-01T00:00:00Z", "until=2026-13-01T00:00:00Z"),
        *("colour=red", "limit=1&limit=1", "agent=a&agent=b", "Limit=1"),
    ],
)
def test_what_cannot_be_understood_is_a_mistake_and_is_told(text: str) -> None:
    """422 with a remedy; nothing is guessed, and what was sent is not repeated."""
    with pytest.raises(Refused) as refused:
        ListQuery.read(QueryParams(text))
    assert refused.value.status == 422
    assert refused.value.remedy


def test_a_flag_is_true_or_false() -> None:
    """False where it is not there; nothing else is either."""
    assert flag(QueryParams("deep=true"), "deep") is True
    assert flag(QueryParams("deep=false"), "deep") is False
    assert flag(QueryParams(""), "deep") is False
    for text in ("deep=1", "deep=", "deep=True", "deep=true&deep=true", "other=true"):
        with pytest.raises(Refused):
            flag(QueryParams(text), "deep")
