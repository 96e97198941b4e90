"""Delivers what the outbox keeps: in order within a lane, with back-off, until it has arrived or is given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.outbox import Leased, Outbox
from bridge.tools.sending import DeliveryFailure

BACK_OFF_S: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)  # the last one again and again
POLL_S: Final = 1.0  # other instances' messages, and those whose time has come
AWAY_S: Final = 2.0  # between polls while the store is away
AT_ONCE: Final = 4  # deliveries of one channel: a slow receiver holds up nobody else
SPARE_S: Final = 10.0  # a lease outlasts the attempt by this

log = structlog.get_logger("bridge.courier")


class Later(Exception):
    """Not yet, and that is no failure: try again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Channel:
    """Whom messages are for. ``deliver`` raises DeliveryFailure or Later; any other error is our own bug and is retried.

    ``stubborn``: a refusal (4xx) is tried again too, as the receiver may be repaired meanwhile.
    """

    deliver: Callable[[Leased], Awaitable[None]]
    timeout_s: float
    give_up_s: float
    stubborn: bool = True


class Courier:
    """One for each process that delivers. ``run`` belongs to a TaskGroup; cancelling it leaves leases that run out."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        *,
        back_off: tuple[float, ...] = BACK_OFF_S,
        poll_s: float = POLL_S,
    ) -> None:
        self.delivered = 0
        self.failed = 0
        self.buried = 0
        self._outbox = outbox
        self._channels = dict(channels)
        self._back_off = back_off
        self._poll_s = poll_s
        self._busy: dict[str, int] = {}
        self._changed = asyncio.Event()

    def hurry(self) -> None:
        """There is something new: do not wait for the next poll."""
        self._changed.set()

    def use(self, channels: Mapping[str, Channel]) -> None:
        """Deliver for these from now on; what is under way is not concerned."""
        self._channels = dict(channels)
        self.hurry()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                try:
                    more = await self._round(group)
                    pause = 0.0 if more else self._poll_s
                except StoreUnavailable:
                    pause = AWAY_S
                if pause:
                    try:
                        async with asyncio.timeout(pause):
                            await self._changed.wait()
                    except TimeoutError:
                        continue

    async def _round(self, group: asyncio.TaskGroup) -> bool:
        """Take up what is due; whether there may be more at once."""
        more = False
        for name, channel in self._channels.items():
            room = AT_ONCE - self._busy.get(name, 0)
            if room <= 0:
                continue
            letters = await self._outbox.claim([name], lease_s=channel.timeout_s + SPARE_S, limit=room)
            for letter in letters:
                self._busy[name] = self._busy.get(name, 0) + 1
                group.create_task(self._carry(channel, letter), name=f"deliver {name}")
            more = more or bool(letters)
        return more

    async def _carry(self, channel: Channel, letter: Leased) -> None:
        try:
            await self._attempt(channel, letter)
        except StoreUnavailable:
            log.warning("delivery_unrecorded", channel=letter.channel)  # its lease runs out, and it is sent again
        finally:
            self._busy[letter.channel] -= 1
            self._changed.set()

    async def _attempt(self, channel: Channel, letter: Leased) -> None:
        try:
            async with asyncio.timeout(channel.timeout_s + SPARE_S / 2):
                await channel.deliver(letter)
        except Later as later:
            await self._outbox.again(letter.message_id, after_s=later.seconds, error="")
            return
        except (DeliveryFailure, TimeoutError) as error:
            kind = error.kind if isinstance(error, DeliveryFailure) else "timeout"
            passing = not isinstance(error, DeliveryFailure) or error.passing or channel.stubborn
            asked_s = getattr(error, "retry_after_s", 0.0)
            gone = getattr(error, "status", 0) == 410
            await self._failed(channel, letter, kind, passing=passing and not gone, at_least_s=asked_s)
            return
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("delivery_broken", channel=letter.channel, kind=letter.kind)
            await self._failed(channel, letter, "internal_error", passing=True)
            return
        await self._outbox.done(letter.message_id)
        self.delivered += 1

    async def _failed(
        self, channel: Channel, letter: Leased, kind: str, *, passing: bool, at_least_s: float = 0.0
    ) -> None:
        self.failed += 1
        facts: dict[str, Any] = {
            "channel": letter.channel,
            "kind": letter.kind,
            "attempt": letter.attempts,
            "why": kind,
        }
        wait = self._back_off[min(letter.attempts, len(self._back_off)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311
        wait = max(wait, at_least_s)
        if passing and letter.age_s + wait < channel.give_up_s:
            log.info("delivery_failed", **facts)
            await self._outbox.again(letter.message_id, after_s=wait, error=kind)
        else:
            self.buried += 1
            log.warning("delivery_given_up", message_id=letter.message_id, **facts)
            await self._outbox.bury(letter.message_id, error=kind)
