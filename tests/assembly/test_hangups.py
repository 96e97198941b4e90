"""Lines that must be over."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from bridge.assembly import hangups as subject
from bridge.assembly.hangups import HangUps
from bridge.errors import CarrierFailure

CALL, OTHER = "CA" + "1" * 32, "CA" + "2" * 32


class Carrier:
    """Ends calls. ``slow``: it takes as long as it likes; ``away``: it cannot be asked."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.ended: asyncio.Queue[str] = asyncio.Queue(10)
        self.slow = self.away = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.hangups = HangUps(self._end, known=self.over.__contains__, spawn=self._spawn)

    async def _end(self, call_id: str) -> None:
        self.ended.put_nowait(call_id)
        if self.slow:
            await asyncio.Event().wait()
        if self.away:
            raise CarrierFailure("away")

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        return task


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    """One whose tasks end with the test."""
    made = Carrier()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_a_call_without_a_stream_is_ended_at_once(carrier: Carrier) -> None:
    """There is no socket whose end would tell the carrier."""
    carrier.hangups.see(CALL, attached=False)
    async with asyncio.timeout(2):
        assert await carrier.ended.get() == CALL


async def test_a_call_that_the_carrier_has_lost_track_of_is_ended(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have been told, or have told us: they are left alone."""
    monkeypatch.setattr(subject, "CHECK_S", 0.01)
    carrier.hangups.see(OTHER, attached=True)
    carrier.hangups.see(CALL, attached=True)
    carrier.over.add(OTHER)
    async with asyncio.timeout(2):
        assert await carrier.ended.get() == CALL
    await asyncio.gather(*carrier.tasks)
    assert carrier.ended.empty()


async def test_at_the_end_of_the_process_no_line_is_left_open(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would have been looked at later is looked at now: there is no later."""
    monkeypatch.setattr(subject, "CHECK_S", 1000.0)
    carrier.hangups.see(OTHER, attached=True)
    carrier.hangups.see(CALL, attached=True)
    carrier.over.add(OTHER)
    await carrier.hangups.finish()
    assert carrier.ended.get_nowait() == CALL
    assert carrier.ended.empty()


@pytest.mark.parametrize("fault", ["slow", "away"])
async def test_a_carrier_that_does_not_answer_holds_up_no_end(
    carrier: Carrier, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked; the process waits a moment and goes."""
    monkeypatch.setattr(subject, "LAST_S", 0.05)
    setattr(carrier, fault, True)
    carrier.hangups.see(CALL, attached=True)
    async with asyncio.timeout(2):
        await carrier.hangups.finish()
    assert carrier.ended.get_nowait() == CALL
