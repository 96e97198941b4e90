"""The last of a process: its calls are talked to their end, and what the carrier still wants to know is answered."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.errors import StoreUnavailable
from bridge.runtime.switchboard import Switchboard
from bridge.settings import Settings
from bridge.store.instances import Instances
from bridge.web.reception import Reception

LAST_QUESTIONS: Final = (
    16  # looks, LOOK_S apart: the carrier asks what follows the last call; exit is within a second of it
)
LOOK_S: Final = 0.05
RING_SLACK_S: Final = 10.0  # what was asked of the carrier last may be a while under way


async def drain(
    board: Switchboard, reception: Reception | None, instances: Instances, settings: Settings, *, instance: str
) -> None:
    """Return when no call needs this process any more, or ``drain_timeout_s`` is over and the rest were said goodbye to.

    A call needs it whose caller waits for a person to pick up (where nobody does, the agent has the caller back), and one
    that we have placed and that may still ring, unless another instance is there to take it.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + settings.drain_timeout_s
    rung = loop.time() + settings.outbound.ring_timeout_s + RING_SLACK_S
    await board.drain(settings.drain_timeout_s)
    while loop.time() < until and (
        _connecting(reception) or (loop.time() < rung and await _ringing(instances, instance))
    ):
        await asyncio.sleep(LOOK_S)
        if board.active:
            await board.drain(max(0.0, until - loop.time()))
    for _ in range(LAST_QUESTIONS):
        if reception is None or not reception.unasked:
            break
        await asyncio.sleep(LOOK_S)


def _connecting(reception: Reception | None) -> bool:
    return reception is not None and reception.transfers.ringing


async def _ringing(instances: Instances, instance: str) -> bool:
    try:
        room = await instances.room(apart_from=instance)
    except StoreUnavailable:  # nobody can tell, and the carrier asks again for a while
        return False
    return room.ringing > 0 and not room.takers  # whom nobody has begun to dial rings when the next process is there
