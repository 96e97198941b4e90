"""Answers given once."""

import asyncio

import pytest

from bridge.web.once import MAX_REMEMBERED, Memory, Once


async def test_all_who_ask_the_same_get_one_answer() -> None:
    """While the work goes on, and after it, the work is done once."""
    once, go = Once(), asyncio.Event()
    worked = 0

    async def work() -> str:
        nonlocal worked
        worked += 1
        await go.wait()
        return f"answer {worked}"

    asking = [asyncio.create_task(once.answer("CA1", work)) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    assert set(await asyncio.gather(*asking)) == {"answer 1"}
    assert await once.answer("CA1", work) == "answer 1"
    assert await once.answer("CA2", work) == "answer 2"


async def test_a_failure_reaches_all_and_is_not_remembered() -> None:
    """Who waits is told; who asks again may have more luck."""
    once = Once()

    async def fails() -> str:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def works() -> str:
        return "yes"

    outcomes = await asyncio.gather(*(once.answer("CA1", fails) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
    assert await once.answer("CA1", works) == "yes"
    with pytest.raises(ValueError, match="no"):
        await once.answer("CA2", fails)


def test_memory_is_bounded() -> None:
    """The oldest is forgotten first."""
    memory: Memory[int] = Memory()
    for number in range(MAX_REMEMBERED + 2):
        memory.keep(str(number), number)
    assert len(memory) == MAX_REMEMBERED
    assert "1" not in memory
    assert "2" in memory


def test_memory_forgets_what_is_old() -> None:
    """A thousand calls in an hour leave those of the last minute; kept again is new again."""
    now = 0.0
    memory: Memory[int] = Memory(life_s=60.0, clock=lambda: now)
    memory.keep("first", 1)
    memory.keep("again", 1)
    now = 40.0
    memory.keep("again", 2)
    now = 60.0
    memory.keep("last", 3)
    assert list(memory) == ["again", "last"]
    assert (memory.get("first"), memory.get("again")) == (None, 2)
