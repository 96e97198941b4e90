"""Who asked not to be called again."""

from datetime import UTC, datetime

import pytest

from bridge.call.record import CallRecord, Direction
from bridge.errors import StoreUnavailable
from bridge.outbound.optouts import AGAIN_S, OptOuts


class Listed:
    """The list, away for the first so many attempts."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.numbers: list[tuple[str, str, datetime]] = []

    async def add(self, numbers: list[str], *, source: str, now: datetime) -> int:
        """Kept."""
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        self.numbers += [(number, source, now) for number in numbers]
        return len(numbers)


class Clock:
    """Nobody waits; how long is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """At once."""
        self.slept.append(seconds)


def record(direction: Direction = Direction.INBOUND) -> CallRecord:
    """A call that is over."""
    return CallRecord(
        call_id="call_1",
        carrier_call_id="CA1",
        direction=direction,
        from_number="+15550123456",
        to_number="+15550100",
        line="+15550100",
        agent="support",
        created_at=datetime.now(UTC),
    )


async def heed(listed: Listed, result: str = "opted_out", **more: Direction) -> list[float]:
    """One call's end; how long was waited between attempts."""
    clock = Clock()
    await OptOuts(listed, judge=lambda record: result, sleep=clock.sleep).heed(record(**more))
    return clock.slept


async def test_who_asked_for_it_is_on_the_list() -> None:
    """At once, with who said so."""
    listed = Listed()
    assert await heed(listed) == [0.0]
    ((number, source, _),) = listed.numbers
    assert (number, source) == ("+15550123456", "opt_out")


async def test_whom_we_called_is_the_person_and_not_our_line() -> None:
    """In a call that we placed the other number is theirs."""
    listed = Listed()
    await heed(listed, direction=Direction.OUTBOUND)
    assert [number for number, _, _ in listed.numbers] == ["+15550100"]


@pytest.mark.parametrize("result", ["talked", "confirmed", "wrong_number"])
async def test_nobody_else_is(result: str) -> None:
    """Any other outcome leaves the list as it is."""
    listed = Listed()
    assert await heed(listed, result) == []
    assert listed.numbers == []


async def test_a_store_that_is_away_loses_nobody() -> None:
    """It is tried again, later and later, and the time of the first attempt stands."""
    listed = Listed(away=5)
    before = datetime.now(UTC)
    assert await heed(listed) == [0.0, 1.0, 5.0, 30.0, 60.0, 60.0]
    ((_, _, said),) = listed.numbers
    assert before <= said <= datetime.now(UTC)


async def test_it_ends_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """After an hour somebody is told whom to put on the list by hand, by the call and not by the number."""
    listed = Listed(away=1000)
    assert await heed(listed) == [0.0, *AGAIN_S]
    told = capsys.readouterr().out
    assert "opt_out_lost" in told
    assert "+1555" not in told
