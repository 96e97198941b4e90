"""Answers that are given once and repeated to whoever asks the same again, while we still work on it and after."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

MAX_REMEMBERED: Final = 1000  # at once
LIFE_S: Final = 60.0  # the carrier asks again within seconds, and later the store knows

T = TypeVar("T")


class Memory(Generic[T]):
    """What was kept within ``life_s`` seconds, at most ``most`` of it: a call that is over costs nothing after a while."""

    def __init__(
        self, most: int = MAX_REMEMBERED, *, life_s: float = LIFE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._life_s = life_s
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def get(self, key: str) -> T | None:
        """What was kept."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def keep(self, key: str, value: T) -> None:
        """Remember; what is too old is forgotten, and the oldest where there is no room."""
        now = self._clock()
        self._kept[key] = (now + self._life_s, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most or next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)


class Once:
    """One answer for each key. A failure is not remembered: who asks again may have more luck."""

    def __init__(self) -> None:
        self._answered: Memory[str] = Memory()
        self._asking: dict[str, asyncio.Future[str]] = {}

    async def answer(self, key: str, work: Callable[[], Awaitable[str]]) -> str:
        """What ``work`` answers, or answered before; all who ask meanwhile wait for the one who works."""
        known = self._answered.get(key)
        if known is not None:
            return known
        waiting = self._asking.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            found = await work()
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # those who wait get it; nobody may be waiting
            raise
        else:
            self._answered.keep(key, found)
            future.set_result(found)
            return found
        finally:
            del self._asking[key]
