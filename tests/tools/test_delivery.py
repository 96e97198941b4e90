"""bridge/tools/delivery.py and courier.py: to a business system and back, and what is put off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.call.ports import Secret
from bridge.store.database import Database
from bridge.store.outbox import Letter, Outbox
from bridge.tools.asking import About, ToolCall, ToolProblem
from bridge.tools.courier import Channel, Courier
from bridge.tools.delivery import Business
from bridge.tools.sending import Destination
from tests.support.receiver import SECRET, Receiver

ABOUT = About("call_1", "+15550123456", "+15550100", "inbound", "support")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A business system."""
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    """An empty one."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    await database.migrate()
    yield Outbox(database)
    await database.close()


@contextlib.asynccontextmanager
async def business(url: str, **options: Any) -> AsyncIterator[Business]:
    """A tool at that address."""
    destination = Destination(url, secrets=[Secret(SECRET)])
    yield Business("book", destination, timeout_s=options.pop("timeout_s", 2.0), **options)
    await destination.close()


def call(key: str = "k1") -> ToolCall:
    """A booking."""
    payload = {"tool_name": "book", "tool_args": {"date": "2026-02-15"}, "assistant_id": 1, "extra": None}
    return ToolCall("support", "book", {"date": "2026-02-15"}, payload, key=key)


async def run(tool: Business, key: str = "k1") -> Any:
    """The answer, or the words of the problem."""
    try:
        return await tool.run(call(key), ABOUT)
    except ToolProblem as problem:
        return str(problem)


async def settled(outbox: Outbox, **counts: int) -> None:
    """Wait until so many messages are left."""
    async with asyncio.timeout(10):
        while await outbox.counts() != counts:
            continue


@contextlib.asynccontextmanager
async def delivering(outbox: Outbox, **channels: Channel) -> AsyncIterator[Courier]:
    """A courier at work, without its long pauses."""
    named = {name.replace("_", ":"): channel for name, channel in channels.items()}
    courier = Courier(outbox, named, back_off=(0.01,), poll_s=0.02)
    task = asyncio.create_task(courier.run())
    yield courier
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_business_system_gets_the_call_and_answers(receiver: Receiver) -> None:
    """The request as the agent made it, with the call added; the answer goes back as it is."""
    receiver.answer = {"slot": "10:00"}
    async with business(receiver.url) as tool:
        assert await run(tool) == {"slot": "10:00"}
    assert receiver.once == [{**call().payload, "call": ABOUT.public()}]


async def test_the_same_tool_call_has_the_same_id(receiver: Receiver) -> None:
    """Made again it can be told apart from another one."""
    async with business(receiver.url) as tool:
        for key in ("k1", "k1", "k2", "", ""):
            await run(tool, key)
    ids = [delivery.message_id for delivery in receiver.deliveries]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("status", [500, 503, 404, 302])
async def test_a_failure_comes_back_as_words(receiver: Receiver, status: int) -> None:
    """Nothing of the other side's page reaches the agent."""
    receiver.answer = status
    async with business(receiver.url) as tool:
        words = await run(tool)
    assert isinstance(words, str)
    assert "system behind this tool" in words


async def test_html_is_no_answer(receiver: Receiver) -> None:
    """A login page with status 200 is a failure."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>Sign in</html>", content_type="text/html")

    receiver.answer = page
    async with business(receiver.url) as tool:
        assert "makes no sense" in await run(tool)


async def test_a_refusal_in_words_is_passed_on(receiver: Receiver) -> None:
    """What a business system says about a request that it refuses helps the agent."""

    async def taken(request: web.Request) -> web.Response:
        return web.json_response({"error": "10:00 is taken,\nthe next is 11:00"}, status=409)

    receiver.answer = taken
    async with business(receiver.url) as tool:
        assert await run(tool) == {"error": "10:00 is taken,the next is 11:00"}


async def test_only_safe_repetitions_are_made(receiver: Receiver) -> None:
    """A 500 may have booked: it is repeated only where the tool is idempotent, under one id, and so may a 503 of
    a proxy; a 429 has surely not.
    """
    receiver.answers = [500]
    async with business(receiver.url) as tool:
        assert "not certain" in await run(tool)
    assert len(receiver.deliveries) == 1
    receiver.answers = [503]
    async with business(receiver.url) as tool:
        assert "not certain" in await run(tool)
    receiver.answers = [429]
    async with business(receiver.url) as tool:
        assert await run(tool, "k2") == {"ok": True}
    receiver.answers = [500, 500]
    async with business(receiver.url, idempotent=True) as tool:
        assert await run(tool, "k3") == {"ok": True}
    assert len({delivery.message_id for delivery in receiver.deliveries[-3:]}) == 1


async def test_the_agent_keeps_time_to_speak(receiver: Receiver) -> None:
    """A business system that hangs is given up at the tool's limit, retries included."""

    async def hang(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    receiver.answer = hang
    began = asyncio.get_running_loop().time()
    async with business(receiver.url, timeout_s=0.3, idempotent=True) as tool:
        assert "not certain" in await run(tool)
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_durable_booking_is_delivered_later_and_once(receiver: Receiver, outbox: Outbox) -> None:
    """The agent hears that it was noted; it arrives when the system is back, under the id of the first attempt."""
    receiver.answer = 500
    async with business(receiver.url, outbox=outbox) as tool:
        assert (await run(tool))["status"] == "queued"
        receiver.answers, receiver.answer = [500, 500], {"ok": True}
        async with delivering(outbox, tool_book=tool.later()):
            await receiver.got(4)
            await settled(outbox, waiting=0, dead=0)
    assert len(receiver.once) == 1
    assert all(delivery.valid for delivery in receiver.deliveries)


async def test_a_durable_booking_that_arrives_leaves_nothing_behind(receiver: Receiver, outbox: Outbox) -> None:
    """Answered at once, or refused for good: it is not sent again."""
    async with business(receiver.url, outbox=outbox) as tool:
        assert await run(tool) == {"ok": True}
        receiver.answer = 404
        await run(tool, "k2")
    assert await outbox.counts() == {"waiting": 0, "dead": 0}


async def test_a_process_that_dies_loses_no_durable_booking(receiver: Receiver, outbox: Outbox) -> None:
    """Killed within the first attempt, it leaves the booking in the store, leased for no longer than the attempt."""
    hung = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        hung.set()
        await asyncio.Event().wait()
        raise AssertionError

    receiver.answers = [hang]
    async with business(receiver.url, outbox=outbox) as tool:
        task = asyncio.create_task(tool.run(call(), ABOUT))
        await hung.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        [waiting] = await outbox.list()
        assert waiting.message_id == receiver.deliveries[0].message_id
        await outbox.again(waiting.message_id, after_s=0, error="")  # as the end of its lease does
        async with delivering(outbox, tool_book=tool.later()):
            await receiver.got(2)
    assert len(receiver.once) == 1


async def test_a_message_that_never_arrives_is_a_dead_letter(receiver: Receiver, outbox: Outbox) -> None:
    """After its time it is kept and listed with why, and sent again when asked."""
    receiver.answer = 500
    destination = Destination(receiver.url, secrets=[Secret(SECRET)])

    async def deliver(leased: Any) -> None:
        await destination.post(leased.body.encode(), message_id=leased.message_id, timeout_s=1)

    channel = Channel(deliver, timeout_s=1, give_up_s=0.05)
    await outbox.put([Letter("event:crm", "evt_1", "{}"), Letter("event:crm", "evt_2", "{}")])
    async with delivering(outbox, event_crm=channel) as courier:
        await settled(outbox, waiting=0, dead=2)
        assert {each.error for each in await outbox.list(dead=True)} == {"server_error"}
        receiver.answer = {"ok": True}
        assert await outbox.resend(["evt_1"]) == 1
        courier.hurry()
        await settled(outbox, waiting=0, dead=1)
    assert receiver.deliveries[-1].message_id == "evt_1"
    await destination.close()


async def test_a_slow_receiver_holds_up_nobody_else(receiver: Receiver, outbox: Outbox) -> None:
    """One channel's deliveries hang; another's arrive."""
    arrived = asyncio.Event()

    async def hang(leased: Any) -> None:
        await asyncio.Event().wait()

    async def arrive(leased: Any) -> None:
        arrived.set()

    await outbox.put(
        [Letter("event:slow", f"evt_{n}", "{}") for n in range(20)] + [Letter("event:quick", "evt_q", "{}")]
    )
    slow, quick = Channel(hang, timeout_s=30, give_up_s=60), Channel(arrive, timeout_s=1, give_up_s=60)
    async with delivering(outbox, event_slow=slow, event_quick=quick), asyncio.timeout(5):
        await arrived.wait()
