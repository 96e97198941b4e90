"""What one instance asks another and waits for the answer of, through the store's mailboxes.

A question is put once. The instance that it is for answers it within its look at the mailbox (half a second); whoever asks
looks more often while it waits, and gives up as soon as the other one gives no sign of life.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.commands import Command

ASK: Final = "ask"
ANSWER: Final = "answer"
LOOK_S: Final = 0.1  # between looks for the answer
LIVES_S: Final = 2.0  # between looks whether the other one lives

log = structlog.get_logger("bridge.questions")

Answerer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Unanswered(Exception):
    """No answer came. ``undone``: the question was taken back before anybody saw it."""

    def __init__(self, *, undone: bool) -> None:
        super().__init__("another instance did not answer")
        self.undone = undone


class Mailbox(Protocol):
    """``store.commands.Commands``."""

    async def put(self, command: Command, *, instance: str) -> None:
        """Raises StoreUnavailable."""
        ...

    async def withdraw(self, call_id: str, verb: str) -> bool:
        """Raises StoreUnavailable."""
        ...


class Questions:
    """One for each process. ``kinds``: who answers what here; whoever can answer another kind adds it. ``look`` reads this
    instance's mailbox, ``alive`` tells whether an instance gives a sign of life.
    """

    def __init__(
        self,
        instance: str,
        mailbox: Mailbox,
        *,
        look: Callable[[], Awaitable[None]],
        alive: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.kinds: dict[str, Answerer] = {}
        self._instance = instance
        self._mailbox = mailbox
        self._look = look
        self._alive = alive
        self._open: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def ask(self, kind: str, args: Mapping[str, Any], *, instance: str, timeout_s: float) -> dict[str, Any]:
        """The answer of ``instance``; ``args`` are JSON values. Raises Unanswered, StoreUnavailable."""
        name = f"ask_{secrets.token_hex(12)}"
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[name] = answer
        question = {"kind": kind, "from": self._instance, "args": dict(args)}
        try:
            await self._mailbox.put(Command(name, ASK, question), instance=instance)
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._wait(answer, instance)
            except TimeoutError:
                raise Unanswered(undone=await self._mailbox.withdraw(name, ASK)) from None
        finally:
            del self._open[name]

    async def _wait(self, answer: asyncio.Future[dict[str, Any]], instance: str) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        look_at_life = loop.time() + LIVES_S
        while not answer.done():
            await asyncio.wait({answer}, timeout=LOOK_S)
            if answer.done():
                break
            try:
                await self._look()
                if loop.time() >= look_at_life:
                    look_at_life = loop.time() + LIVES_S
                    if not await self._alive(instance):
                        raise TimeoutError
            except StoreUnavailable:
                continue  # until the time is up
        return answer.result()

    def concerns(self, command: Command) -> bool:
        """Whether a command is a question or an answer."""
        return command.verb in (ASK, ANSWER)

    async def obey(self, command: Command) -> None:
        """Answer a question, or take an answer. Raises StoreUnavailable where the answer cannot be left."""
        if command.verb == ANSWER:
            waiting = self._open.get(command.call_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(command.args)
            return
        answerer = self.kinds.get(str(command.args.get("kind")))
        if answerer is None:
            log.warning("unknown_question", kind=str(command.args.get("kind"))[:40])
            return
        answer = await answerer(command.args["args"])
        await self._mailbox.put(Command(command.call_id, ANSWER, answer), instance=str(command.args["from"]))
