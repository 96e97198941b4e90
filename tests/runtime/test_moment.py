"""bridge/runtime/moment.py: what happens once."""

import asyncio

import pytest

from bridge.runtime.moment import Moment


async def test_all_who_wait_go_on_when_it_happens() -> None:
    """And whoever comes later does not wait."""
    moment = Moment()
    waiting = [asyncio.create_task(moment.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    moment.set()
    moment.set()
    await asyncio.gather(*waiting)
    await moment.wait()


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    """Even where that comes at the same time."""
    moment = Moment()
    waiting = [asyncio.create_task(moment.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    waiting[1].cancel()
    moment.set()
    await waiting[2]
    for task in waiting[:2]:
        with pytest.raises(asyncio.CancelledError):
            await task
