"""What one call may ask for."""

import asyncio
from typing import Any

import pytest

from bridge.tools.asking import ToolProblem
from bridge.tools.limits import MAX_REMEMBERED, Allowance, Usage
from tests.tools.conftest import Live

FREE = Allowance()


class Work:
    """A tool that waits to be let go."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.runs = 0
        self.go = asyncio.Event()
        self.fails = fails

    async def __call__(self) -> dict[str, Any]:
        """Once more."""
        self.runs += 1
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        return {"run": self.runs}


def done(fails: Exception | None = None) -> Work:
    """A tool that answers at once."""
    work = Work(fails)
    work.go.set()
    return work


def test_usage_lives_with_its_call(live: Live) -> None:
    """Asked for twice it is one; another call has its own."""
    assert Usage.of(live) is Usage.of(live)
    assert Usage.of(live) is not Usage.of(Live(2))


def test_each_thing_has_its_own_limit() -> None:
    """What was refused is not counted, and the others are free."""
    usage = Usage()
    usage.spend("texts", 1)
    for _ in range(2):
        with pytest.raises(ToolProblem) as caught:
            usage.spend("texts", 1)
        assert caught.value.kind == "limit"
    usage.spend("transfers", 1)
    usage.spend("texts", 2)
    with pytest.raises(ToolProblem):
        usage.spend("callbacks", 0)


async def test_a_tool_call_made_twice_runs_once() -> None:
    """The second one waits for the first one's answer, or gets it when it is there."""
    usage, work = Usage(), Work()
    first, second = (asyncio.create_task(usage.once("k", FREE, work)) for _ in range(2))
    await asyncio.sleep(0)
    work.go.set()
    assert await first == await second == await usage.once("k", FREE, work) == {"run": 1}
    assert work.runs == 1


async def test_without_a_key_every_call_runs() -> None:
    """Two that look alike may be meant twice."""
    usage, work = Usage(), done()
    await usage.once("", FREE, work)
    await usage.once("", FREE, work)
    assert work.runs == 2


async def test_a_waiter_that_is_given_up_does_not_give_up_the_work() -> None:
    """The first one still gets its answer."""
    usage, work = Usage(), Work()
    first, second = (asyncio.create_task(usage.once("k", FREE, work)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    work.go.set()
    assert await first == {"run": 1}
    assert work.runs == 1


async def test_a_refusal_is_the_answer_to_the_same_call_again() -> None:
    """It is not tried anew."""
    usage, work = Usage(), done(ToolProblem("No.", kind="refused"))
    for _ in range(2):
        with pytest.raises(ToolProblem, match="No"):
            await usage.once("k", FREE, work)
    assert work.runs == 1


async def test_work_that_broke_may_be_asked_for_again() -> None:
    """A bug is no answer, and is not remembered."""
    usage, work = Usage(), done(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await usage.once("k", FREE, work)
    work.fails = None
    assert await usage.once("k", FREE, work) == {"run": 2}


async def test_so_many_run_at_once() -> None:
    """One more is told to wait; when one is done there is room, and what failed makes room too."""
    usage, work, allowance = Usage(), Work(), Allowance(at_once=1)
    first = asyncio.create_task(usage.once("a", allowance, work))
    await asyncio.sleep(0)
    with pytest.raises(ToolProblem) as caught:
        await usage.once("b", allowance, done())
    assert caught.value.kind == "busy"
    work.go.set()
    await first
    with pytest.raises(RuntimeError):
        await usage.once("c", allowance, done(RuntimeError("a bug")))
    await usage.once("b", allowance, done())


async def test_a_call_has_so_many_tools() -> None:
    """An agent that asks in circles comes to an end; an answer that is there costs nothing."""
    usage, allowance = Usage(), Allowance(tool_calls=2)
    await usage.once("a", allowance, done())
    await usage.once("b", allowance, done())
    with pytest.raises(ToolProblem) as caught:
        await usage.once("c", allowance, done())
    assert caught.value.kind == "limit"
    assert await usage.once("a", allowance, done()) == {"run": 1}


async def test_memory_of_answers_is_bounded() -> None:
    """The oldest is forgotten, the newest is not."""
    usage, allowance = Usage(), Allowance(tool_calls=10_000)
    for number in range(MAX_REMEMBERED + 1):
        await usage.once(str(number), allowance, done())
    oldest, newest = done(), done()
    await usage.once(str(MAX_REMEMBERED), allowance, newest)
    await usage.once("0", allowance, oldest)
    assert (oldest.runs, newest.runs) == (1, 0)
