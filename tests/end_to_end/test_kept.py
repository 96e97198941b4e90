"""R3: what a process keeps of a call that is over."""

import asyncio
import gc
import weakref
from pathlib import Path

from tests.support.scene import Scene, eventually, scene


async def held(cast: Scene) -> list[weakref.ref[object]]:
    """A call from its first word to its end; what ran for it."""
    call, session = await cast.talking()
    await session.say(0.3)
    await call.hears(0.2)
    live = cast.house.switchboard.find(call.sid)
    assert live is not None
    assert live.phone_socket is not None
    watched: list[weakref.ref[object]] = [
        weakref.ref(live),
        weakref.ref(live.machine.call),
        weakref.ref(live.phone_socket),
        weakref.ref(live.phone_socket.receiver),
    ]
    await call.hang_up()
    await cast.record(call)
    return watched


async def test_r03_a_call_that_is_over_waits_for_no_collector(tmp_path: Path) -> None:
    """Session, rules and sockets, with all their buffers, are gone as soon as nobody needs them: rings would stay for hundreds
    of calls, since rings are looked for seldom while sound flows.
    """
    async with scene(tmp_path) as cast:
        gc.collect()
        gc.disable()
        try:
            watched = await held(cast)
            await cast.idle()

            async def gone() -> bool:
                return not [each for each in watched if each() is not None]

            await eventually(gone, "a call to be forgotten", timeout=5.0)
        finally:
            gc.enable()
        await asyncio.sleep(0)
