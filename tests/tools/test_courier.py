"""Delivery of what the outbox keeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.errors import StoreUnavailable
from bridge.store.outbox import Leased
from bridge.tools.courier import AT_ONCE, Channel, Courier, Later
from bridge.tools.sending import DeliveryFailure


def letter(number: int = 1, *, attempts: int = 1, age_s: float = 0.0, channel: str = "crm") -> Leased:
    """A message that is to be delivered now."""
    created = datetime.now(UTC) - timedelta(seconds=age_s)
    return Leased(number, channel, f"evt_{number}", "", "call.ended", "{}", attempts, created, 0)


class Outbox:
    """One that gives out what it holds, and notes what became of it."""

    def __init__(self, *letters: Leased) -> None:
        self.due = list(letters)
        self.seen: list[tuple[Any, ...]] = []
        self.fails: list[Exception] = []
        self._changed = asyncio.Event()

    def note(self, *what: Any) -> None:
        """Something happened."""
        self.seen.append(what)
        self._changed.set()

    async def until(self, count: int) -> list[tuple[Any, ...]]:
        """So many things have happened."""
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.seen

    async def claim(self, channels: list[str], *, lease_s: float, limit: int) -> list[Leased]:
        """What is due."""
        if self.fails:
            raise self.fails.pop(0)
        mine = [each for each in self.due if each.channel in channels][:limit]
        self.due = [each for each in self.due if each not in mine]
        return mine

    async def done(self, message_id: str) -> None:
        """Arrived."""
        self.note("done", message_id)

    async def again(self, message_id: str, *, after_s: float, error: str) -> None:
        """Put off."""
        self.note("again", message_id, after_s, error)

    async def bury(self, message_id: str, *, error: str) -> None:
        """Given up."""
        self.note("bury", message_id, error)


def channel(deliver: Callable[[Leased], Awaitable[None]], **more: Any) -> Channel:
    """With patience for a minute."""
    return Channel(deliver, **{"timeout_s": 5.0, "give_up_s": 60.0} | more)


def raising(error: Exception) -> Callable[[Leased], Awaitable[None]]:
    """A receiver that fails so."""

    async def deliver(_letter: Leased) -> None:
        raise error

    return deliver


@asynccontextmanager
async def at_work(outbox: Outbox, **channels: Channel) -> AsyncIterator[Courier]:
    """A courier that polls so seldom that a test would see it."""
    courier = Courier(outbox, channels, back_off=(10.0, 20.0), poll_s=60.0)  # type: ignore[arg-type] - all it is asked
    task = asyncio.create_task(courier.run())
    try:
        yield courier
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_arrives_is_done() -> None:
    """And counted."""
    outbox, got = Outbox(letter(1), letter(2)), []

    async def deliver(each: Leased) -> None:
        got.append(each.message_id)

    async with at_work(outbox, crm=channel(deliver)) as courier:
        assert sorted(await outbox.until(2)) == [("done", "evt_1"), ("done", "evt_2")]
        assert (courier.delivered, courier.failed, courier.buried) == (2, 0, 0)
    assert sorted(got) == ["evt_1", "evt_2"]


@pytest.mark.parametrize(("attempts", "wait"), [(1, 10.0), (2, 20.0), (9, 20.0)])
async def test_a_failure_is_tried_again_after_longer_and_longer(attempts: int, wait: float) -> None:
    """The last pause again and again, never quite the same, so that many do not come at once."""
    outbox = Outbox(letter(attempts=attempts))
    async with at_work(outbox, crm=channel(raising(DeliveryFailure("server_error", passing=True)))):
        ((what, _, after_s, error),) = await outbox.until(1)
    assert (what, error) == ("again", "server_error")
    assert 0.8 * wait <= after_s <= 1.2 * wait


async def test_a_receiver_that_is_busy_is_left_alone_as_long_as_it_asks() -> None:
    """By Retry-After; where it asks for less than our own pause, that one counts."""
    outbox = Outbox(letter())
    busy = DeliveryFailure("busy", passing=True, status=429, retry_after_s=45.0)
    async with at_work(outbox, crm=channel(raising(busy), give_up_s=86400.0)):
        assert await outbox.until(1) == [("again", "evt_1", 45.0, "busy")]
    outbox = Outbox(letter())
    busy.retry_after_s = 1.0
    async with at_work(outbox, crm=channel(raising(busy))):
        assert (await outbox.until(1))[0][2] >= 8.0


async def test_what_is_too_old_is_given_up() -> None:
    """The next attempt would come after the message's time."""
    outbox = Outbox(letter(age_s=55))
    async with at_work(outbox, crm=channel(raising(DeliveryFailure("server_error", passing=True)))) as courier:
        assert await outbox.until(1) == [("bury", "evt_1", "server_error")]
        assert courier.buried == 1


@pytest.mark.parametrize(
    ("stubborn", "status", "what"), [(True, 400, "again"), (False, 400, "bury"), (True, 410, "bury")]
)
async def test_a_refusal_is_final_where_no_repair_is_hoped_for(status: int, what: str, *, stubborn: bool) -> None:
    """410 says so itself; else the channel decides."""
    outbox = Outbox(letter())
    refusal = DeliveryFailure("refused", status=status)
    async with at_work(outbox, crm=channel(raising(refusal), stubborn=stubborn)):
        assert (await outbox.until(1))[0][0] == what


async def test_not_yet_is_no_failure() -> None:
    """It is put off by just so long, and does not count against the message."""
    outbox = Outbox(letter(age_s=1000))
    async with at_work(outbox, crm=channel(raising(Later(7.5)))) as courier:
        assert await outbox.until(1) == [("again", "evt_1", 7.5, "")]
        assert courier.failed == 0


async def test_our_own_bug_costs_no_message() -> None:
    """It is tried again, and the courier lives."""
    outbox = Outbox(letter(1), letter(2))
    async with at_work(outbox, crm=channel(raising(KeyError("a bug")), stubborn=False)):
        seen = await outbox.until(2)
    assert [(each[0], each[3]) for each in seen] == [("again", "internal_error")] * 2


async def test_a_receiver_that_hangs_holds_up_nobody_else() -> None:
    """It has so many at once and no more, while another channel is served."""
    outbox = Outbox(*(letter(n) for n in range(AT_ONCE + 3)), letter(99, channel="erp"))
    hanging, go = 0, asyncio.Event()

    async def hang(_letter: Leased) -> None:
        nonlocal hanging
        hanging += 1
        await go.wait()

    async def take(_letter: Leased) -> None:
        return

    async with at_work(outbox, crm=channel(hang), erp=channel(take)) as courier:
        assert await outbox.until(1) == [("done", "evt_99")]
        courier.hurry()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (hanging, len(outbox.due)) == (AT_ONCE, 3)
        go.set()
        await outbox.until(AT_ONCE + 4)


async def test_what_is_new_need_not_wait_for_the_next_poll() -> None:
    """Whoever keeps a message says so."""
    outbox = Outbox()

    async def take(_letter: Leased) -> None:
        return

    async with at_work(outbox, crm=channel(take)) as courier:
        await asyncio.sleep(0)
        outbox.due.append(letter())
        courier.hurry()
        assert await outbox.until(1) == [("done", "evt_1")]


async def test_a_store_that_is_away_does_not_end_it() -> None:
    """It asks again."""
    outbox = Outbox(letter())
    outbox.fails = [StoreUnavailable("away", hint="")]

    async def take(_letter: Leased) -> None:
        return

    async with at_work(outbox, crm=channel(take)) as courier:
        await asyncio.sleep(0)
        courier.hurry()
        assert await outbox.until(1) == [("done", "evt_1")]
