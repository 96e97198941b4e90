"""Live updates to many viewers."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bridge.call.record import CallRecord, Status
from bridge.web.dashboard import live
from bridge.web.dashboard.live import MAX_QUEUED, LiveBus
from tests.support.house import API_KEY, configuration, running
from tests.web.test_dashboard import record
from tests.web.test_softphone import DEMO


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


async def test_hundreds_of_calls_cost_the_sound_nothing() -> None:
    """A change of one of 200 calls with 20 viewers is marked in some microseconds: the work waits for the next round."""
    bus = LiveBus("here")
    calls = [record(number) for number in range(200)]
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(bus.watch())
        began = time.perf_counter()
        for _ in range(50):
            for call in calls:
                bus.marked(call)
        assert (time.perf_counter() - began) / 10_000 < 50e-6
        bus.round()


async def test_a_page_that_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not take what is sent does not hold its response for ever."""
    monkeypatch.setattr(live, "SEND_S", 0.01)

    async def never(message: object) -> None:
        await asyncio.Event().wait()

    async def body() -> AsyncIterator[bytes]:
        yield b"data: x"

    async with asyncio.timeout(5):
        await live.EventStream(body()).stream_response(never)


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
        assert viewer.queue.get_nowait().count(b"event: call\n") == 2


async def test_more_calls_than_a_queue_has_places_are_told_at_once() -> None:
    """A page that is opened while hundreds of calls go on hears of every one, and keeps its place."""
    calls = [record(number, call_id=f"call_{number}") for number in range(3 * MAX_QUEUED)]
    bus = LiveBus("here", lambda: calls)
    async with bus.watch() as viewer, bus.watch("call_7") as one:
        assert viewer is not None
        assert one is not None
        bus.round()
        assert not viewer.dropped
        told = b"".join(viewer.queue.get_nowait() for _ in range(viewer.queue.qsize()))
        assert told.count(b"event: call\n") == len(calls)
        assert one.queue.get_nowait().count(b"event: record\n") == 1


async def test_nothing_is_done_where_nobody_looks() -> None:
    """Without viewers a change is not even remembered."""
    bus = LiveBus("here")
    bus.marked(record(1))
    async with bus.watch() as viewer:
        assert viewer is not None
        bus.round()
        assert viewer.queue.empty()


async def test_calls_of_other_instances_are_seen_too() -> None:
    """What another process has in the store is told when it changes, when it is over, and when it is deleted."""
    store = [record(1, instance="there", status=Status.IN_PROGRESS)]

    class Store:
        async def elsewhere(self, instance: str) -> dict[str, tuple[int, int]]:
            return {each.call_id: (2, len(each.turns)) for each in store if not each.status.terminal}

        async def several(self, call_ids: list[str]) -> list[CallRecord]:
            return [each for each in store if each.call_id in call_ids]

    bus = LiveBus("here", poll_s=0.01)
    task = asyncio.create_task(bus.run(Store()))  # type: ignore[arg-type]
    try:
        async with bus.watch() as viewer, asyncio.timeout(5):
            assert viewer is not None
            assert (await viewer.queue.get()).startswith(b"event: call\n")
            store[0].status = Status.COMPLETED
            assert b'"live":false' in await viewer.queue.get()
            store[0].status = Status.IN_PROGRESS
            assert (await viewer.queue.get()).startswith(b"event: call\n")
            store.clear()
            assert (await viewer.queue.get()).startswith(b"event: gone\n")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_levels_are_told_to_those_who_show_them() -> None:
    """Each meter from 0 to 100; a page at one call hears of that one; nothing is asked where nobody shows levels."""
    asked = []

    def levels() -> list[tuple[CallRecord, tuple[float, float]]]:
        asked.append(1)
        return [(record(1), (32768.0, 0.0)), (record(2), (0.0, 0.0)), (record(3), (32.768, 3276.8))]

    bus = LiveBus("here", levels=levels)
    async with bus.watch() as plain:
        bus.meter()
        assert plain is not None
        assert plain.queue.empty()
        assert not asked
        async with bus.watch(levels=True) as all_, bus.watch("call_seed2", levels=True) as one:
            assert all_ is not None
            assert one is not None
            bus.meter()
            everything, mine = all_.queue.get_nowait(), one.queue.get_nowait()
            assert everything == b'event: levels\ndata: {"call_seed1":[100,0],"call_seed3":[0,67]}\n\n'
            assert mine == b'event: levels\ndata: {"call_seed2":[0,0]}\n\n'
            assert plain.queue.empty()


async def test_levels_never_fill_a_queue() -> None:
    """A page that is behind is not told: old loudness is worth nothing, and must not cost it its place."""
    bus = LiveBus("here", levels=lambda: [(record(1), (1000.0, 1000.0))])
    async with bus.watch(levels=True) as viewer:
        assert viewer is not None
        for _ in range(3 * MAX_QUEUED):
            bus.meter()
        assert viewer.queue.qsize() == 1
        assert not viewer.dropped


async def test_silence_is_told_once() -> None:
    """Meters fall to zero when the last call is quiet or over, and are then left alone."""
    heard = [1000.0]
    bus = LiveBus("here", levels=lambda: [(record(1), (each, each)) for each in heard])
    async with bus.watch(levels=True) as viewer:
        assert viewer is not None
        bus.meter()
        viewer.queue.get_nowait()
        heard.clear()
        bus.meter()
        assert viewer.queue.get_nowait().endswith(b"data: {}\n\n")
        bus.meter()
        assert viewer.queue.empty()


def test_whether_a_call_is_recorded_is_told() -> None:
    """While it lasts: on, paused, or not at all."""
    call = record(1, status=Status.IN_PROGRESS)
    assert live.recorded(call) == ""
    call.recording = {"by": "bridge"}
    assert live.recorded(call) == "on"
    call.add_event("recording_paused", 1)
    assert live.recorded(call) == "paused"
    call.add_event("recording_resumed", 2)
    assert live.recorded(call) == "on"
    call.status = Status.COMPLETED
    assert live.recorded(call) == ""


@pytest.mark.slow
async def test_twenty_pages_that_never_read_are_let_go_and_the_one_that_reads_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real sockets: what they leave untaken is bounded, and the reader misses no round."""
    monkeypatch.setattr(live, "SEND_S", 1.0)
    calls = [record(number, call_id=f"call_{number}", words="x" * 300) for number in range(300)]
    async with running(tmp_path, configuration(tmp_path, DEMO)) as house, aiohttp.ClientSession() as client:
        assert house.dashboard is not None
        bus, loop = house.dashboard.live, asyncio.get_running_loop()
        request = f"GET /live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n".encode()
        sleepers = [socket.socket() for _ in range(20)]
        try:
            for each in sleepers:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                each.setblocking(False)
                await loop.sock_connect(each, ("127.0.0.1", house.port))
                await loop.sock_sendall(each, request)
            address = f"http://127.0.0.1:{house.port}/live"
            async with client.get(address, headers={"Authorization": f"Bearer {API_KEY}"}) as answer:
                rounds = 0
                async with asyncio.timeout(100):
                    while bus.viewers < 21:
                        await asyncio.sleep(0.01)
                    while bus.viewers > 1:
                        for each in calls:
                            bus.marked(each)
                        while b"call_299" not in await answer.content.readline():
                            pass
                        rounds += 1
                assert bus.viewers == 1
                assert rounds > 3
        finally:
            for each in sleepers:
                each.close()
