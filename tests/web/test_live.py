"""Live updates to many viewers."""

import asyncio

from bridge.web.dashboard.live import MAX_QUEUED, LiveBus
from tests.web.test_dashboard import record


async def test_a_viewer_that_never_reads_is_dropped() -> None:
    """A full queue ends that viewer's stream; the one who reads misses nothing."""
    bus = LiveBus("here")
    async with bus.watch() as lazy, bus.watch() as keen:
        assert lazy is not None
        assert keen is not None
        told = 0
        for number in range(MAX_QUEUED + 5):
            bus.marked(record(number))
            bus.round()
            told += not keen.queue.empty()
            keen.queue.get_nowait()
        assert lazy.dropped
        assert not keen.dropped
        assert told == MAX_QUEUED + 5
        assert bus.viewers == 1
        assert bus.dropped == 1


async def test_many_changes_of_a_call_are_one_message() -> None:
    """Between two rounds a call is told once, as it then stands, and only to those who look at it."""
    bus = LiveBus("here")
    async with bus.watch() as everything, bus.watch("call_seed1") as one, bus.watch("call_other") as other:
        assert everything is not None
        assert one is not None
        assert other is not None
        for _ in range(1000):
            bus.marked(record(1))
        bus.round()
        assert [everything.queue.qsize(), one.queue.qsize(), other.queue.qsize()] == [1, 1, 0]


async def test_a_late_viewer_learns_how_things_stand() -> None:
    """Whoever begins to look is told of every call in progress, though nothing changes in it."""
    bus = LiveBus("here", lambda: [record(1), record(2)])
    async with bus.watch() as viewer:
        assert viewer is not None
        bus.round()
        assert viewer.queue.qsize() == 2


async def test_nothing_is_done_where_nobody_looks() -> None:
    """Without viewers a change is not even remembered."""
    bus = LiveBus("here")
    bus.marked(record(1))
    async with bus.watch() as viewer:
        assert viewer is not None
        bus.round()
        assert viewer.queue.empty()


async def test_calls_of_other_instances_are_seen_too() -> None:
    """What another process has in the store is told when it changes, and that it is gone."""
    store = [record(1, instance="there")]

    class Store:
        async def unfinished(self) -> list[object]:
            return list(store)

    bus = LiveBus("here", poll_s=0.01)
    task = asyncio.create_task(bus.run(Store()))  # type: ignore[arg-type]
    try:
        async with bus.watch() as viewer, asyncio.timeout(5):
            assert viewer is not None
            assert (await viewer.queue.get()).startswith(b"event: call\n")
            store.clear()
            assert (await viewer.queue.get()).startswith(b"event: gone\n")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
