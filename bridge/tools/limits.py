"""What one call may ask for: how many tools, how many at once, and each tool call once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.tools.asking import LiveCall, ToolProblem

FACT: Final = "tools"
MAX_REMEMBERED: Final = 200  # answers of one call


@dataclass(frozen=True, slots=True)
class Allowance:
    """For one call."""

    tool_calls: int = 100
    at_once: int = 4
    transfers: int = 3
    texts: int = 5
    callbacks: int = 2
    digits: int = 20  # each one replaces the stream


@dataclass(slots=True)
class Usage:
    """What one call has had."""

    calls: int = 0
    running: int = 0
    spent: dict[str, int] = field(default_factory=dict)  # transfers, texts, callbacks
    answers: OrderedDict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, live: LiveCall) -> Usage:
        """That of a call; it lives as long as the call."""
        found = live.facts.get(FACT)
        if not isinstance(found, Usage):
            found = live.facts[FACT] = cls()
        return found

    def spend(self, what: str, limit: int) -> None:
        """One more of something. Raises ToolProblem where the call has had all it may have."""
        if self.spent.get(what, 0) >= limit:
            raise ToolProblem("This has been done as often as one call may ask for it.", kind="limit")
        self.spent[what] = self.spent.get(what, 0) + 1

    async def once(
        self, key: str, allowance: Allowance, run: Callable[[], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Run within the limits; the same ``key`` again waits for, or gets, the first one's answer. Raises ToolProblem."""
        known = self.answers.get(key) if key else None
        if known is not None:
            return await asyncio.shield(known)
        if self.calls >= allowance.tool_calls:
            raise ToolProblem("This call has used as many tools as it may.", kind="limit")
        if self.running >= allowance.at_once:
            raise ToolProblem("Other tools are still at work. Wait for their answers, then try again.", kind="busy")
        self.calls += 1
        self.running += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if key:
            self.answers[key] = future
            while len(self.answers) > MAX_REMEMBERED:
                self.answers.popitem(last=False)
        try:
            answer = await run()
        except BaseException as error:
            if isinstance(error, ToolProblem):
                future.set_exception(error)
                future.exception()  # nobody else may be waiting for it
            else:
                future.cancel()
                self.answers.pop(key, None)
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            self.running -= 1
