"""bridge/web/patience.py: waiting for the store no longer than a caller can."""

import asyncio

import pytest

from bridge.errors import StoreUnavailable
from bridge.web.patience import MAX_LATE, Patience


async def answer(gate: asyncio.Event, outcome: object) -> object:
    """A store that answers when the gate opens."""
    await gate.wait()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def test_an_answer_in_time_is_given() -> None:
    """As it is."""
    gate = asyncio.Event()
    gate.set()
    assert await Patience().wait(answer(gate, 5), 1.0) == 5


async def test_a_failure_in_time_is_told() -> None:
    """As it is, too."""
    gate = asyncio.Event()
    gate.set()
    with pytest.raises(ValueError, match="no"):
        await Patience().wait(answer(gate, ValueError("no")), 1.0)


@pytest.mark.parametrize("outcome", [5, ValueError("no")])
async def test_what_is_late_is_not_waited_for_and_finishes_unheard(outcome: object) -> None:
    """StoreUnavailable in time; no complaint about what comes of it later."""
    gate, patience = asyncio.Event(), Patience()
    with pytest.raises(StoreUnavailable):
        await patience.wait(answer(gate, outcome), 0.01)
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_store_that_owes_too_many_answers_is_not_asked() -> None:
    """What waits is bounded."""
    gate, patience = asyncio.Event(), Patience()
    asked = [asyncio.create_task(patience.wait(answer(gate, 1), 5.0)) for _ in range(MAX_LATE)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await patience.wait(answer(gate, 1), 5.0)
    gate.set()
    assert await asyncio.gather(*asked) == [1] * MAX_LATE
