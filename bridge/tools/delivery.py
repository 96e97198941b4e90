"""A tool call on its way to its business system, and the answer on its way back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from bridge.errors import StoreUnavailable
from bridge.store.outbox import Leased, Letter, Outbox
from bridge.tools.asking import About, ToolCall, ToolProblem
from bridge.tools.courier import Channel
from bridge.tools.sending import DeliveryFailure, Destination
from bridge.tools.toolbox import fingerprint

ATTEMPTS: Final = 3  # within the tool's time limit, where a repetition is safe
PAUSE_S: Final = 0.2  # before the second one, doubled each time
DURABLE_S: Final = 24 * 3600.0  # what was put off is tried for a day
STORE_S: Final = 1.0  # the agent waits
UNKNOWN: Final = "The system behind this tool did not answer in time, so it is not certain whether it was done."
AWAY: Final = "The system behind this tool cannot be reached at the moment."
PUT_OFF: Final = "It was noted and will be done as soon as the system behind this tool can be reached."

log = structlog.get_logger("bridge.tools")


@dataclass(frozen=True, slots=True)
class Business:
    """A configured tool: ``run`` asks its business system. ``outbox`` where it is durable."""

    name: str
    destination: Destination
    timeout_s: float
    idempotent: bool = False
    outbox: Outbox | None = None
    hurry: Callable[[], None] = lambda: None

    @property
    def channel(self) -> str:
        """Under which what was put off is kept."""
        return f"tool:{self.name}"

    async def run(self, call: ToolCall, about: About) -> Any:
        """The business system's answer. Raises ToolProblem with words for the agent."""
        body = msgspec.json.encode({**call.payload, "call": about.public()})
        message_id = f"msg_{fingerprint(about.call_id, call.name, call.key) if call.key else secrets.token_hex(16)}"
        kept = await self._keep(message_id, body, about.call_id)
        try:
            answer = await self._attempts(body, message_id)
        except DeliveryFailure as failure:
            log.warning("tool_failed", tool=self.name, call_id=about.call_id, why=failure.kind, hint=failure.hint)
            return await self._failed(failure, message_id, kept=kept)
        if kept:
            await self._forget(message_id)
        return _read(answer)

    async def _keep(self, message_id: str, body: bytes, call_id: str) -> bool:
        # Before the first attempt: what a process takes with it when it dies cannot be put off any more.
        if self.outbox is None:
            return False
        letter = Letter(
            self.channel, message_id, body.decode(), lane=call_id, kind=self.name, lease_s=self.timeout_s + 5
        )
        try:
            async with asyncio.timeout(STORE_S):
                await self.outbox.put([letter])
        except (StoreUnavailable, TimeoutError):
            return False
        return True

    async def _forget(self, message_id: str) -> None:
        assert self.outbox is not None
        try:
            await self.outbox.done(message_id)
        except StoreUnavailable:
            log.warning("delivery_unrecorded", channel=self.channel)  # sent again under the same id

    async def _attempts(self, body: bytes, message_id: str) -> bytes:
        deadline = time.monotonic() + self.timeout_s
        pause = PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            left = deadline - time.monotonic()
            try:
                return await self.destination.post(body, message_id=message_id, timeout_s=left)
            except DeliveryFailure as failure:
                safe = failure.passing and (failure.undone or self.idempotent)
                if not safe or attempt == ATTEMPTS or deadline - time.monotonic() < pause * 2:
                    raise
                await asyncio.sleep(pause)
                pause *= 2
        raise AssertionError("every attempt returns or raises")

    async def _failed(self, failure: DeliveryFailure, message_id: str, *, kept: bool) -> Any:
        if kept and failure.passing:
            assert self.outbox is not None
            try:
                await self.outbox.again(message_id, after_s=1.0, error=failure.kind)
            except StoreUnavailable:
                log.warning("delivery_unrecorded", channel=self.channel)  # its lease runs out, and it is sent then
            self.hurry()
            return {"status": "queued", "message": PUT_OFF}
        if kept:
            await self._forget(message_id)
        if failure.words:
            return {"error": failure.words}
        words = AWAY if failure.undone or not failure.passing else UNKNOWN
        raise ToolProblem(words, kind=failure.kind)

    def later(self) -> Channel:
        """How what was put off is delivered."""

        async def deliver(letter: Leased) -> None:
            await self.destination.post(
                letter.body.encode(), message_id=letter.message_id, timeout_s=self.timeout_s, heeded=False
            )

        return Channel(deliver, timeout_s=self.timeout_s, give_up_s=DURABLE_S, stubborn=False)


def _read(answer: bytes) -> Any:
    if not answer.strip():
        return {"status": "ok"}
    try:
        return msgspec.json.decode(answer)
    except (ValueError, RecursionError):
        raise ToolProblem("The system behind this tool gave an answer that makes no sense.", kind="not_json") from None
