"""bridge/threads.py: threads that are there before anybody needs them."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bridge import threads
from bridge.errors import BridgeError


def named(name: str) -> int:
    """How many threads there are whose names begin so."""
    return sum(each.name.startswith(name) for each in threading.enumerate())


@pytest.fixture
def no_more(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """From now on so many threads can be begun and no more."""

    def limit(left: int) -> None:
        start = threading.Thread.start

        def begin(self: threading.Thread) -> None:
            nonlocal left
            if not left:
                raise RuntimeError("can't start new thread")
            left -= 1
            start(self)

        monkeypatch.setattr(threading.Thread, "start", begin)

    return limit


def test_a_pool_works_when_no_thread_can_be_begun_any_more(no_more: Callable[[int], None]) -> None:
    """All its threads are there, and all of them can be at work at once."""
    pool = threads.begun(3, "tested")
    no_more(0)
    assert named("tested") == 3
    together = threading.Barrier(3, timeout=10)
    assert sorted(each.result(10) for each in [pool.submit(together.wait) for _ in range(3)]) == [0, 1, 2]
    pool.shutdown()


def test_a_pool_that_cannot_be_had_says_what_to_raise(no_more: Callable[[int], None]) -> None:
    """And leaves none of the threads that it could begin."""
    no_more(2)
    with pytest.raises(BridgeError) as refused:
        threads.begun(3, "refused")
    assert "TasksMax" in (refused.value.hint or "")
    for each in threading.enumerate():
        if each.name.startswith("refused"):
            each.join(10)
    assert named("refused") == 0


def test_the_loop_has_its_threads_and_ends_without_another(no_more: Callable[[int], None]) -> None:
    """Work is taken off it, and names are looked up; asyncio would end with an error, for want of a thread that ends them."""

    async def tried() -> Any:
        await threads.begin()
        no_more(0)
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(3 * threads.WORKERS)))
        return await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)

    runner = asyncio.Runner()
    assert runner.run(tried())
    loop = runner.get_loop()
    threads.close(runner)
    assert loop.is_closed()
