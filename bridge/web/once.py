"""Answers that are given once and repeated to whoever asks the same again, while we still work on it and after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

MAX_REMEMBERED: Final = 1000  # answers: the carrier asks again within seconds, and later the store knows

T = TypeVar("T")


class Memory(OrderedDict[str, T]):
    """What was kept last, ``most`` of it."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: str, value: T) -> None:
        """Remember; the oldest is forgotten where there is no room."""
        self[key] = value
        while len(self) > self._most:
            self.popitem(last=False)


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
