"""What a process does again and again."""

import asyncio

from bridge.errors import StoreUnavailable
from bridge.runtime.chores import Chore, Chores


async def test_chores_that_fail_or_hang_stop_nothing() -> None:
    """A chore that raises or never returns is done again, and the others meanwhile."""
    done = {"bad": 0, "away": 0, "good": 0, "slow": 0}
    enough = asyncio.Event()

    async def bad() -> None:
        done["bad"] += 1
        raise ValueError

    async def away() -> None:
        done["away"] += 1
        raise StoreUnavailable("away")

    async def slow() -> None:
        done["slow"] += 1
        await asyncio.Event().wait()

    async def good() -> None:
        done["good"] += 1
        if min(done.values()) >= 3:
            enough.set()

    chores = Chores()
    chores.add(Chore("bad", 0.001, bad), Chore("away", 0.001, away), Chore("good", 0.001, good))
    chores.add(Chore("slow", 0.001, slow, limit_s=0.005))
    task = asyncio.create_task(chores.run())
    async with asyncio.timeout(10):
        await enough.wait()
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
