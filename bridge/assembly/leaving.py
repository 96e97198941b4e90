"""The last of a process: its calls are talked to their end, and what the carrier still wants to know is answered."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.runtime.switchboard import Switchboard
from bridge.web.reception import Reception

LAST_QUESTIONS: Final = (
    16  # looks, LOOK_S apart: the carrier asks what follows the last call; exit is within a second of it
)
LOOK_S: Final = 0.05


async def drain(board: Switchboard, reception: Reception | None, deadline_s: float) -> None:
    """Return when no call needs this process any more, or ``deadline_s`` is over and the rest were said goodbye to.

    Nor may one go whose caller waits for a person to pick up: where nobody does, the agent has the caller back.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    await board.drain(deadline_s)
    while reception is not None and reception.transfers.ringing and loop.time() < until:
        await asyncio.sleep(LOOK_S)
        if board.active:
            await board.drain(max(0.0, until - loop.time()))
    for _ in range(LAST_QUESTIONS):
        if reception is None or not reception.unasked:
            break
        await asyncio.sleep(LOOK_S)
