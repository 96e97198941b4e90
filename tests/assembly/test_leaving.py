"""The last of a process."""

import asyncio
from typing import Any

import pytest

from bridge.assembly import leaving
from bridge.errors import StoreUnavailable
from bridge.runtime.switchboard import Limits, Switchboard
from bridge.settings import Settings
from bridge.settings.outbound import Outbound
from bridge.store.room import Room


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


class Instances:
    """What the store says, one look after another; the last for ever."""

    def __init__(self, *rooms: Room | Exception) -> None:
        self.rooms = list(rooms) or [Room(0, 0, 0)]
        self.looks = 0

    async def room(self, *, apart_from: str) -> Room:
        """The next, of the others."""
        assert apart_from == "one"
        self.looks += 1
        found = self.rooms.pop(0) if len(self.rooms) > 1 else self.rooms[0]
        if isinstance(found, Exception):
            raise found
        return found


async def drained(
    reception: Reception | None, deadline_s: float, instances: Instances | None = None, *, ring_s: float = 30.0
) -> None:
    """A process without calls."""
    async with asyncio.timeout(5):
        board = Switchboard(Limits())
        looks: Any = instances or Instances()
        there: Any = reception
        settings = Settings(drain_timeout_s=deadline_s, outbound=Outbound(ring_timeout_s=ring_s))  # type: ignore[arg-type]
        await leaving.drain(board, there, looks, settings, instance="one")


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


async def test_whose_phone_rings_is_waited_for_unless_another_takes_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """We have dialled them. Where the store is away nobody can tell, and the process goes."""
    monkeypatch.setattr(leaving, "LOOK_S", 0.0)
    rings, taken = Room(0, 1, 0, ringing=1), Room(0, 1, 0)
    alone = Instances(rings, rings, taken)
    await drained(Reception(), 10, alone)
    assert alone.looks == 3
    for nobody in (Room(0, 1, 1, ringing=1), StoreUnavailable("away", hint="")):
        others = Instances(nobody)
        await drained(Reception(), 10, others)
        assert others.looks == 1


async def test_a_phone_rings_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store takes for ringing beyond that was lost sight of: nobody waits for it until the deadline."""
    monkeypatch.setattr(leaving, "LOOK_S", 0.001)
    monkeypatch.setattr(leaving, "RING_SLACK_S", 0.02)
    lost = Instances(Room(0, 1, 0, ringing=1))
    await drained(Reception(), 3600, lost, ring_s=0.03)
    assert lost.looks > 1


async def test_it_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the deadline, and beyond the last looks, the process goes."""
    monkeypatch.setattr(leaving, "LOOK_S", 0.001)
    reception = Reception(ringing=10**9, questions=10**9)
    await drained(reception, 0.05)
    assert reception.transfers.times > 0
    assert reception.questions == 10**9 - leaving.LAST_QUESTIONS
