"""The last of a process."""

import asyncio

import pytest

from bridge.assembly import leaving
from bridge.runtime.switchboard import Limits, Switchboard


class Transfers:
    """Somebody's phone rings so often that it is asked for."""

    def __init__(self, times: int) -> None:
        self.times = times

    @property
    def ringing(self) -> bool:
        """Once less each time."""
        self.times -= 1
        return self.times >= 0


class Reception:
    """One whose last questions come after a while."""

    def __init__(self, *, ringing: int = 0, questions: int = 0) -> None:
        self.transfers = Transfers(ringing)
        self.questions = questions

    @property
    def unasked(self) -> bool:
        """Once less each time."""
        self.questions -= 1
        return self.questions >= 0


async def drained(reception: Reception | None, deadline_s: float) -> None:
    """A process without calls."""
    async with asyncio.timeout(5):
        await leaving.drain(Switchboard(Limits()), reception, deadline_s)  # type: ignore[arg-type] - all that it is asked


async def test_nothing_is_waited_for_where_nothing_is_to_come() -> None:
    """Neither without a reception, nor with one that nobody asks."""
    await drained(None, 10)
    await drained(Reception(), 10)


async def test_what_rings_and_what_is_asked_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person may not pick up; and the carrier asks what follows."""
    monkeypatch.setattr(leaving, "LOOK_S", 0.0)
    reception = Reception(ringing=5, questions=3)
    await drained(reception, 10)
    assert (reception.transfers.times, reception.questions) == (-1, -1)


async def test_it_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the deadline, and beyond the last looks, the process goes."""
    monkeypatch.setattr(leaving, "LOOK_S", 0.001)
    reception = Reception(ringing=10**9, questions=10**9)
    await drained(reception, 0.05)
    assert reception.transfers.times > 0
    assert reception.questions == 10**9 - leaving.LAST_QUESTIONS
