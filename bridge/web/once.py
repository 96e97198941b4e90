"""Answers that are given once, and again to whoever asks the same again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

MAX_REMEMBERED: Final = 5000

T = TypeVar("T")


class AnswerOnce:
    """The carrier may ask again while we still work on it, and after."""

    def __init__(self) -> None:
        self._answered: OrderedDict[str, str] = OrderedDict()
        self._asking: dict[str, asyncio.Future[str]] = {}

    async def __call__(self, key: str, answer: Callable[[], Awaitable[str]]) -> str:
        """The answer that was given under ``key``, else what ``answer`` gives."""
        known = self._answered.get(key)
        if known is not None:
            return known
        waiting = self._asking.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            found = await answer()
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # those who wait get it; nobody may be waiting
            raise
        else:
            remember(self._answered, key, found)
            future.set_result(found)
            return found
        finally:
            del self._asking[key]


def remember(memory: OrderedDict[str, T], key: str, value: T) -> None:
    """Keep it, and forget the oldest beyond MAX_REMEMBERED."""
    memory[key] = value
    while len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)
